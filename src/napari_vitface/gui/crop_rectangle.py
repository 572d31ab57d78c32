"""The crop that the user draws as a rectangle on the video."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: A picture smaller than this has nothing for a model to see.
SMALLEST = 16

Crop = tuple[int, int, int, int]


def crop_of_rectangle(
    vertices: ArrayLike, frame_size: tuple[int, int], smallest: int = SMALLEST
) -> Crop | None:
    """The pixels whose centres lie in a drawn rectangle.

    Parameters
    ----------
    vertices : (N, D) array
        Corners as a Shapes layer holds them; the last two columns are y, x in video pixels.
    frame_size : (height, width)
    smallest : int
        Pixels in a direction, at least.

    Returns
    -------
    (x, y, width, height) or None
        Cut off at the frame's edge; None if less is left of it.
    """
    corners = np.asarray(vertices, dtype=float)[:, -2:]
    first = np.maximum(np.ceil(corners.min(axis=0)), 0)
    last = np.minimum(np.floor(corners.max(axis=0)), np.asarray(frame_size) - 1)
    height, width = (last - first + 1).astype(int)
    if min(height, width) < smallest:
        return None
    return int(first[1]), int(first[0]), int(width), int(height)


def rectangle_of_crop(crop: Crop) -> NDArray[np.float64]:
    """The outline of a crop's pixels: four corners (y, x), the inverse of `crop_of_rectangle`."""
    x, y, width, height = crop
    top, left, bottom, right = y - 0.5, x - 0.5, y + height - 0.5, x + width - 0.5
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
