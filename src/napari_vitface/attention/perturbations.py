"""Maps of what moves a keypoint when it is blanked: occlusion and superpixels, image by image."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention.blanking import Area, Blanker
from napari_vitface.attention.occlusion import SQUARE, occlusion
from napari_vitface.attention.superpixels import ORDERS, SEGMENTS, superpixel_values
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel

Result = TypeVar("Result")

MEASURES = {"moved": "pixels moved", "confidence": "confidence lost"}


@dataclass(frozen=True)
class Blanks:
    """Settings of the methods that blank parts of the image.

    Parameters
    ----------
    area : (top, left, height, width), optional
        The part of the input that shows the frame; the rest is padding and is left alone.
    pixel : (x, y) float
        Video pixels an input pixel, the unit of distances.
    square : float
        Side of occlusion's square, in patches.
    measure : {"moved", "confidence"}
        What occlusion shows: how far the keypoint moves, or the confidence it loses.
    grey : int, optional
        Of the blanks, 0 to 255; default the frame's mean.
    segments, orders : int
        Superpixels, about, and random orders in which they are added.
    """

    area: Area | None = None
    pixel: tuple[float, float] = (1.0, 1.0)
    square: float = SQUARE
    measure: str = "moved"
    grey: int | None = None
    segments: int = SEGMENTS
    orders: int = ORDERS

    def check(self) -> None:
        """Raise `VitFaceError` where a setting makes no sense."""
        if self.measure not in MEASURES:
            raise VitFaceError(
                f"Occlusion cannot measure {self.measure!r}; choose {' or '.join(MEASURES)}."
            )
        if self.grey is not None and not 0 <= self.grey <= 255:
            raise VitFaceError(f"The grey of blanks is from 0 to 255, not {self.grey}.")
        if self.square <= 0:
            raise VitFaceError(f"The occluding square must be wider than {self.square} patches.")
        if self.segments < 2 or self.orders < 1:
            raise VitFaceError("Superpixel maps need at least 2 superpixels and 1 order.")


def perturbation_maps(
    model: KeypointModel,
    images: Tensor,
    xy: NDArray[np.float32],
    confidence: NDArray[np.float32],
    method: str,
    blanks: Blanks,
) -> Generator[tuple[int, int], None, tuple[NDArray[np.float32], dict[str, Any]]]:
    """Maps (B, K, gh, gw) of `images` by ``"occlusion"`` or ``"superpixels"``.

    Parameters
    ----------
    images : (B, C, H, W) uint8 tensor
    xy, confidence : (B, K, 2), (B, K)
        What the network finds in them, input pixels.

    Yields
    ------
    (done, total) : int

    Returns
    -------
    maps : (B, K, gh, gw) float32
    settings : dict
        Of the method, in words and numbers.
    """
    blanks.check()
    grid = model.network.backbone.grid
    count = grid[0] * grid[1] if method == "occlusion" else blanks.orders
    maps = []
    for b, image in enumerate(images):
        blanker = Blanker(model, image.cpu(), blanks.area, blanks.grey)
        before, total = b * count, len(images) * count
        if method == "occlusion":
            moved, lost = yield from _counted(
                occlusion(
                    blanker, xy[b], confidence[b], grid, square=blanks.square, pixel=blanks.pixel
                ),
                before,
                total,
            )
            maps.append(moved if blanks.measure == "moved" else lost)
        else:
            values, _ = yield from _counted(
                superpixel_values(
                    blanker,
                    xy[b],
                    grid,
                    segments=blanks.segments,
                    orders=blanks.orders,
                    pixel=blanks.pixel,
                ),
                before,
                total,
            )
            maps.append(values)
    settings: dict[str, Any] = {"grey": "mean" if blanks.grey is None else blanks.grey}
    if method == "occlusion":
        settings |= {"square": blanks.square, "unit": MEASURES[blanks.measure]}
    else:
        settings |= {"segments": blanks.segments, "orders": blanks.orders, "unit": "pixels"}
    return np.stack(maps), settings


def _counted(
    steps: Generator[int, None, Result], before: int, total: int
) -> Generator[tuple[int, int], None, Result]:
    """Steps counted from `before`, of `total`; gives back what they return."""
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            return end.value
        yield before + done, total
