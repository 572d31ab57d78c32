"""The pupil as what is darker than a grey level, as Facemap finds it.

Facemap (Syeda et al. 2024, doi:10.1038/s41593-023-01490-6) takes the pixels below a saturation that
the user sets, fills reflections and fits an ellipse by the moments of these pixels. Here the level
can also be found: of many it is the one at whose border the picture brightens most while the region
stays an ellipse near the middle, the median over some frames.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, grey_opening, label, median_filter

from napari_vitface.traces.ellipse import distance, ellipse_of

#: Levels that are tried, between the darkest pixels and the 60th percentile.
_LEVELS = 24


def without_reflections(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture of an eye without small bright spots, and without noise."""
    grey = image.astype(np.float32)
    side = max(3, int(0.08 * len(grey)) | 1)
    opened = grey_opening(grey, size=(side, side))
    dark, bright = np.percentile(grey, [1, 90])
    spots = binary_dilation(grey - opened > 0.3 * (bright - dark), iterations=2)
    filled = median_filter(np.where(spots, opened, grey), 3)
    found: NDArray[np.float32] = gaussian_filter(filled, 0.008 * len(grey))
    return found


def darker(image: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Where a picture without reflections is darker than a level, but for its margin's regions.

    Fur is dark, too; of regions that reach the border only those that reach the middle count.
    """
    h, w = image.shape
    parts, _ = label(image < level)
    there = parts[h // 6 : h - h // 6, w // 6 : w - w // 6]
    return np.where(np.isin(parts, there) & (parts > 0), 1, 0).astype(np.float32)


def level_of(images: Iterable[NDArray[np.float32]]) -> float:
    """A level for pictures without reflections."""
    return float(np.median([_best_level(image) for image in images]))


def _best_level(image: NDArray[np.float32]) -> float:
    low, high = np.percentile(image, [0.5, 60])
    levels = np.linspace(low, high, _LEVELS + 1)[1:]
    return float(max(levels, key=lambda level: _score(image, level)))


def _score(image: NDArray[np.float32], level: float) -> float:
    row = ellipse_of(darker(image, level))
    h, w = image.shape
    away = distance(row, image.shape)
    radius = 2 * (row[2] * row[3] - row[4] ** 2) ** 0.25
    if not radius > 0.03 * h:
        return 0.0
    band = max(2.0, 0.015 * h) / radius
    inside = image[(away < 1 - band / 2) & (away > 1 - 2 * band)]
    outside = image[(away > 1 + band / 2) & (away < 1 + 2 * band)]
    if not len(inside) or not len(outside):
        return 0.0
    # All along the border: a side that is not dark counts against it.
    contrast = np.log((np.percentile(outside, 30) + 5) / (np.percentile(inside, 70) + 5))
    middle = ((row[0] / w - 0.5) / 0.3) ** 2 + ((row[1] / h - 0.5) / 0.3) ** 2
    return float(contrast * row[5] ** 2 * np.exp(-middle / 2))
