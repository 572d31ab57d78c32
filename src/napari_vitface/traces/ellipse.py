"""The ellipse of a region: as large as it, with its centre and its moments of second order.

An ellipse is a row of six numbers: centre x and y, the variances of x and y, their covariance, and
confidence; NaN and a confidence of 0 where there is none. A filled ellipse with the semi-axes a and
b has the variances a² / 4 and b² / 4 along these, so that nothing wraps around, as angles do, when
rows are interpolated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

#: What the numbers of a row are.
ROW = ("x", "y", "xx", "yy", "xy", "confidence")
NONE = np.array([np.nan] * 5 + [0], np.float32)


def ellipse_of(share: NDArray[np.floating]) -> NDArray[np.float32]:
    """The ellipse of the largest region of a map, holes filled.

    Parameters
    ----------
    share : (h, w) float
        Of each pixel how surely it belongs to the region, from 0 to 1.

    Returns
    -------
    (6,) float32
        In the map's pixels. Confidence says how well map and ellipse agree: what both have of what
        either has.
    """
    parts, count = label(share > 0.5)
    if not count:
        return NONE
    sizes = np.bincount(parts.ravel(), weights=share.ravel())
    sizes[0] = 0
    region = binary_fill_holes(parts == sizes.argmax())
    y, x = np.nonzero(region)
    # A pixel is a square, and no point.
    yy, xx = y.var() + 1 / 12, x.var() + 1 / 12
    xy = ((x - x.mean()) * (y - y.mean())).mean()
    if len(x) < 4 or xx * yy - xy**2 < 0.01:
        return NONE
    row = np.array([x.mean(), y.mean(), xx, yy, xy, 0], np.float32)
    ellipse = distance(row, share.shape) < 1
    filled = np.where(region, np.maximum(share, region), share)
    row[5] = filled[ellipse].sum() / (filled.sum() + (1 - filled[ellipse]).sum())
    return row


def distance(row: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(h, w): how far pixels are from the centre; 1 on the ellipse itself."""
    x, y, xx, yy, xy = row[:5].astype(np.float64)
    down, right = np.ogrid[: shape[0], : shape[1]]
    right, down = right - x, down - y
    square = (yy * right**2 - 2 * xy * right * down + xx * down**2) / (xx * yy - xy**2)
    found: NDArray[np.float64] = np.sqrt(square) / 2
    return found


def placed(
    rows: NDArray[np.float32], zoom: tuple[float, float], corner: tuple[float, float]
) -> NDArray[np.float32]:
    """(N, 6) rows of a map in the pixels of the video that it is stretched over.

    Parameters
    ----------
    zoom : (x, y)
        Pixels of the video to one of the map.
    corner : (x, y)
        Where the map begins, the video's pixel that is at its top left.
    """
    (zoom_x, zoom_y), (left, top) = zoom, corner
    scale = np.array([zoom_x, zoom_y, zoom_x**2, zoom_y**2, zoom_x * zoom_y, 1], np.float32)
    moved = rows * scale
    moved[:, 0] += left + (zoom_x - 1) / 2
    moved[:, 1] += top + (zoom_y - 1) / 2
    return moved


def axes(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """Lengths of the (N,) longer and shorter axes, and the angle of the longer one.

    Axes reach from edge to edge. Angles are in degrees, from -90 to 90: 0 is across, and positive
    ones rise to the right.
    """
    xx, yy, xy = rows[:, 2:5].T.astype(np.float64)
    middle, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    longer = 4 * np.sqrt(middle + apart)
    shorter = 4 * np.sqrt(np.maximum(middle - apart, 0))
    return longer, shorter, np.degrees(np.arctan2(-2 * xy, xx - yy) / 2)
