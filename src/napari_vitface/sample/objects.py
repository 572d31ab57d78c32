"""Things that stand before a face: posts that hold the head, spouts, paws, another's fur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vitface.sample.anatomy import Array


@dataclass(frozen=True)
class Rod:
    """A round bar between two places on the reference face, which may lie outside the picture.

    Attributes
    ----------
    start, end : (float, float)
        Middle of either end, in reference units.
    width : float
        In reference units.
    level : float
        Grey level where it shines most.
    shine : float
        0 flat to 1 black at its sides, as polished metal is.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    level: float
    shine: float = 0.5

    def draw(self, image: Array, x: Array, y: Array) -> Array:
        """The picture with the bar on it; x, y are the pixels' places on the reference face."""
        (x0, y0), (x1, y1) = self.start, self.end
        length = np.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        along = np.clip((x - x0) * ux + (y - y0) * uy, 0, length)
        side = (x - x0) * uy - (y - y0) * ux
        far = np.hypot(x - x0 - along * ux, y - y0 - along * uy) / (self.width / 2)
        cover = np.clip((1 - far) * self.width / 8, 0, 1)
        turned = np.clip(2 * side / self.width + 0.25, -1, 1)
        shade = self.level * (1 - self.shine * turned**2)
        return np.asarray(image + (shade - image) * cover, dtype=np.float32)


@dataclass(frozen=True)
class Pelt:
    """Something furry and round: a paw, or a second animal.

    Attributes
    ----------
    centre : (float, float), radius : (float, float)
        In reference units.
    level : float
        Grey level of its middle.
    edge : float
        Width of its rim as a share of the radius.
    """

    centre: tuple[float, float]
    radius: tuple[float, float]
    level: float
    edge: float = 0.3

    def draw(self, image: Array, x: Array, y: Array) -> Array:
        """The picture with it; x, y are the pixels' places on the reference face."""
        far = np.hypot((x - self.centre[0]) / self.radius[0], (y - self.centre[1]) / self.radius[1])
        # Hairs: no two places of the rim are equally far out.
        ragged = 0.06 * np.sin(0.11 * x + 3 * np.sin(0.07 * y)) * np.sin(0.13 * y + 0.05 * x)
        cover = np.clip((1 - far + ragged) / self.edge, 0, 1)
        shade = self.level * (1.1 - 0.5 * np.clip(far, 0, 1) ** 2 + ragged)
        return np.asarray(image + (shade - image) * cover, dtype=np.float32)
