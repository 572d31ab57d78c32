"""Drawing a map on a coarse grid over a frame, as heat through which the frame is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.video.scale import as_uint8


def on_pixels(
    values: NDArray[Any],
    scale: tuple[float, float],
    translate: tuple[float, float],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float32]:
    """A map on a patch grid at video coordinates: bilinear within the grid, NaN outside of it.

    Parameters
    ----------
    values : (gh, gw) array of float
    scale, translate : (y, x)
        Patch (i, j) is centred on ``(i, j) * scale + translate`` in video pixels.
    rows, columns : (h,), (w,)
        Video coordinates.

    Returns
    -------
    (h, w) array of float32
    """
    down = _weights(values.shape[0], (rows - translate[0]) / scale[0])
    across = _weights(values.shape[1], (columns - translate[1]) / scale[1])
    return down @ np.asarray(values, np.float32) @ across.T


def _weights(count: int, places: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, count) weights of linear interpolation at places on a grid of `count`; NaN outside."""
    inside = np.clip(places, 0, count - 1)
    lower = np.minimum(inside.astype(np.int64), max(count - 2, 0))
    share = (inside - lower).astype(np.float32)
    weights = np.zeros((len(places), count), np.float32)
    each = np.arange(len(places))
    weights[each, lower] = 1 - share
    weights[each, np.minimum(lower + 1, count - 1)] += share
    # Each patch reaches half a patch beyond its centre.
    weights[(places < -0.5) | (places > count - 0.5)] = np.nan
    return weights


def draw_heat(
    image: NDArray[Any],
    heat: NDArray[np.float32],
    limit: float,
    colours: NDArray[np.floating[Any]],
    opacity: float = 1.0,
    *,
    white: int | None = None,
) -> NDArray[np.uint8]:
    """Draw heat over a frame of the same size.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8 or uint16
    heat : (H, W) array of float32
        NaN draws nothing.
    limit : float
        The value that gets the last colour; 0 gets the first.
    colours : (N, 4) array of float in [0, 1]
        Red, green, blue and how much they cover.
    opacity : float
        Factor on the coverage.
    white : int, optional
        The value of white in a 16-bit frame, as `Video.white`.

    Returns
    -------
    (H, W, 3) array of uint8
    """
    image = as_uint8(np.asarray(image), white)
    below = image[..., None] if image.ndim == 2 else image
    level = np.clip(np.nan_to_num(heat) * np.float32(1 / max(limit, 1e-12)), 0, 1)
    # 256 steps are finer than the eye; a table is cheaper than interpolating each pixel.
    places = np.linspace(0, len(colours) - 1, 256)
    table = np.stack(
        [np.interp(places, np.arange(len(colours)), colours[:, c]) for c in range(4)], axis=-1
    ).astype(np.float32)
    drawn = table[np.rint(level * 255).astype(np.uint8)]
    alpha = drawn[..., 3:] * np.float32(opacity)
    alpha[np.isnan(heat)] = 0
    blended = below * (1 - alpha) + 255 * drawn[..., :3] * alpha
    return np.rint(blended).astype(np.uint8)
