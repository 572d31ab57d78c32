"""Small pictures of a frame with a map over it: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.attention.colours import attention_colormap
from napari_vitface.gui.layers import AttentionPicture
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.video.heatmap import draw_heat, on_pixels
from napari_vitface.video.overlay import draw_poses
from napari_vitface.video.scale import Scale, scale_image


@dataclass(frozen=True)
class Ground:
    """The part of a frame that the network saw, in the size of the tiles.

    Attributes
    ----------
    image : (h, w) or (h, w, 3) uint8
    corner : (x, y)
        Of the part, in video pixels.
    factor : (x, y)
        Tile pixels a video pixel.
    """

    image: NDArray[np.uint8]
    corner: tuple[int, int]
    factor: tuple[float, float]

    def places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Video coordinates (y of each row, x of each column) of the tile's pixels."""
        height, width = self.image.shape[:2]
        rows = (np.arange(height) + 0.5) / self.factor[1] - 0.5 + self.corner[1]
        columns = (np.arange(width) + 0.5) / self.factor[0] - 0.5 + self.corner[0]
        return rows, columns

    def moved(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Places (..., 2) x, y in video pixels as pixels of the tile."""
        return (np.asarray(xy, np.float64) - self.corner + 0.5) * self.factor - 0.5


def ground(
    image: NDArray[Any],
    picture: AttentionPicture,
    width: int,
    *,
    white: int | None,
) -> Ground:
    """What tiles of so many pixels across are drawn on.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8 or uint16
    picture : AttentionPicture
        One of the maps; its grid says which part of the frame the network saw.
    """
    low, high = [], []
    for axis, count in enumerate(picture.data.shape):
        begin = picture.translate[axis] - picture.scale[axis] / 2 + 0.5
        low.append(max(0, round(begin)))
        high.append(min(image.shape[axis], round(begin + count * picture.scale[axis])))
    size = (max(1, high[0] - low[0]), max(1, high[1] - low[1]))
    height = max(1, round(width * size[0] / size[1]))
    scale = Scale((low[1], low[0], size[1], size[0]), (height, width), grey=image.ndim == 2)
    small = scale_image(np.asarray(image), scale, white=white)
    return Ground(small, (low[1], low[0]), (width / size[1], height / size[0]))


def draw_tile(
    below: Ground,
    picture: AttentionPicture,
    limit: float,
    colours: str,
    opacity: float,
    points: tuple[NDArray[Any], KeypointSet] | None,
) -> NDArray[np.uint8]:
    """A map over the frame, in the colours of the canvas, with points.

    Parameters
    ----------
    limit : float
        What full colour stands for.
    colours : str
        One of `overlays.ATTENTION_COLOURS`.
    points : (K, 2) array of float and KeypointSet, optional
        Points to draw, in video pixels, where NaN draws none, and what they are.

    Returns
    -------
    (h, w, 3) array of uint8
    """
    rows, columns = below.places()
    heat = on_pixels(picture.data, picture.scale, picture.translate, rows, columns)
    table = np.asarray(attention_colormap(colours).colors, np.float32)
    drawn = draw_heat(below.image, heat, limit, table, opacity)
    if points is None:
        return drawn
    xy, keypoints = points
    radius = max(2.0, 0.012 * float(np.hypot(*drawn.shape[:2])))
    return draw_poses(drawn, below.moved(xy), None, keypoints, skeleton=False, radius=radius)
