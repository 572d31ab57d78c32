"""Occlusion map: how far a keypoint moves when a grey square covers a place.

After Zeiler and Fergus (2014), for keypoints. It owes nothing to attention: it asks the network
what it does, one forward pass for each place.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from napari_vitface.attention.blanking import Blanker


def occlusion(
    blanker: Blanker,
    xy: NDArray[np.float32],
    confidence: NDArray[np.float32],
    grid: tuple[int, int],
    *,
    square: float,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> Generator[int, None, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Cover one place after the other, centred on each patch.

    Parameters
    ----------
    blanker : Blanker
    xy, confidence : (K, 2), (K,)
        What the network finds in the whole image, input pixels.
    grid : (gh, gw)
        Patches of the input.
    square : float
        Side of the square, in patches.
    pixel : (x, y) float
        Units an input pixel, in which moves are told.

    Yields
    ------
    int
        Places that are done.

    Returns
    -------
    moved : (K, gh, gw) float32
        How far each keypoint is found from where it was, with the square over each patch.
    lost : (K, gh, gw) float32
        By how much its confidence is lower; negative where it is higher.
    """
    moved = np.zeros((grid[0] * grid[1], len(xy)), dtype=np.float32)
    lost = np.zeros_like(moved)
    done = 0
    for found, sure in blanker.find(_squares(grid, blanker.image.shape[1:], square)):
        part = slice(done, done + len(found))
        moved[part] = np.linalg.norm((found - xy) * np.asarray(pixel), axis=2)
        lost[part] = confidence - sure
        done = part.stop
        yield done
    return moved.T.reshape(-1, *grid), lost.T.reshape(-1, *grid)


def _squares(
    grid: tuple[int, int], size: tuple[int, ...], square: float
) -> Iterator[NDArray[np.bool_]]:
    """A mask for each patch, row by row."""
    height, width = size[0] / grid[0], size[1] / grid[1]
    for i in range(grid[0]):
        for j in range(grid[1]):
            mask = np.zeros(size, dtype=bool)
            rows, columns = (
                slice(
                    max(0, round((k + 0.5 - square / 2) * side)),
                    round((k + 0.5 + square / 2) * side),
                )
                for k, side in ((i, height), (j, width))
            )
            mask[rows, columns] = True
            yield mask
