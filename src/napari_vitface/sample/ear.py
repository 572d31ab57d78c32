"""An ear behind the eye, for faces whose ears say something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vitface.sample.anatomy import Array


@dataclass(frozen=True)
class Ear:
    """A pinna on its root.

    Attributes
    ----------
    aside : float
        0 upright to 1 laid back and turned aside.
    root : (float, float)
        Where it stands, in reference units.
    length, width : float
        Half axes in reference units.
    light : float
        Grey level of its inner side.
    """

    aside: float = 0.0
    root: tuple[float, float] = (745.0, 165.0)
    length: float = 105.0
    width: float = 58.0
    light: float = 190.0


def draw_ear(image: Array, ear: Ear, x: Array, y: Array) -> Array:
    """The face with an ear on it.

    Parameters
    ----------
    x, y : (H, W) float32
        Positions of the pixels on the reference face.
    """
    # Upright it leans back a little; aside it lies back and shows less of its inner side.
    angle = np.deg2rad(15 + 65 * ear.aside)
    along = (x - ear.root[0]) * np.sin(angle) - (y - ear.root[1]) * np.cos(angle)
    across = (x - ear.root[0]) * np.cos(angle) + (y - ear.root[1]) * np.sin(angle)
    width = ear.width * (1 - 0.45 * ear.aside)
    radius = np.hypot((along - 0.8 * ear.length) / ear.length, across / width)
    cover = np.clip((1 - radius) / 0.06, 0, 1)
    shade = ear.light * (1 - 0.35 * ear.aside) * (0.55 + 0.45 * np.clip(radius, 0, 1) ** 3)
    return np.asarray(image + (shade - image) * cover, dtype=np.float32)
