"""Small changes of a model's input that should not change where it finds the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

#: Shift as a share of the height and the width: no whole number of patches, so that patches are
#: cut elsewhere.
_SHIFT = (0.026, 0.036)
#: Border added on each side, as a share, before the image is shrunk back to its size.
_BORDER = 0.05
#: Factor of the grey levels.
_DARKER = 0.7


@dataclass(frozen=True)
class SmallChange:
    """One change of model inputs.

    Attributes
    ----------
    words : str
        As it follows "when the image is".
    apply : callable
        (B, C, H, W) uint8 to the same.
    back : callable
        Points (..., 2) found in the changed input, and its size (H, W), to where they are in the
        unchanged one.
    """

    words: str
    apply: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    back: Callable[[NDArray[np.floating], tuple[int, int]], NDArray[np.float64]]


def _by(share: tuple[float, float], size: tuple[int, int], sign: int) -> tuple[int, int]:
    """Whole pixels (down, right), at least one."""
    down, right = (max(1, round(part * side)) for part, side in zip(share, size, strict=True))
    return sign * down, sign * right


def _shift(sign: int, canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    down, right = _by(_SHIFT, canvas.shape[2:], sign)  # type: ignore[arg-type]
    height, width = canvas.shape[2:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return canvas[:, :, rows][:, :, :, columns]


def _shift_back(sign: int, xy: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    down, right = _by(_SHIFT, size, sign)
    return xy.astype(np.float64) - (right, down)


def _shrink(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from napari_vitface.video.scale import ImageScaler, Scale

    height, width = canvas.shape[2:]
    down, right = _by((_BORDER, _BORDER), (height, width), 1)
    wide = np.pad(canvas, ((0, 0), (0, 0), (down, down), (right, right)), mode="edge")
    scaler = ImageScaler(Scale(None, (height, width), grey=True))
    return np.stack([np.stack([scaler(plane) for plane in image]) for image in wide])


def _shrink_back(xy: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    down, right = _by((_BORDER, _BORDER), size, 1)
    border = np.array([right, down])
    side = np.array([size[1], size[0]])
    return (xy.astype(np.float64) + 0.5) * (side + 2 * border) / side - 0.5 - border


def _darken(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (canvas * _DARKER + 0.5).astype(np.uint8)


def _stay(xy: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    return xy.astype(np.float64)


CHANGES = (
    SmallChange("shifted", partial(_shift, 1), partial(_shift_back, 1)),
    SmallChange("shifted", partial(_shift, -1), partial(_shift_back, -1)),
    SmallChange("shrunk", _shrink, _shrink_back),
    SmallChange("darkened", _darken, _stay),
)
