"""Histograms of oriented gradients (Dalal and Triggs, 2005), many frames at a time.

The numbers are those of `skimage.feature.hog`, which takes frames one by one and their blocks one
by one: it is some twenty times slower than decoding a video.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.video.scale import Scale, scale_image

if TYPE_CHECKING:
    from napari_vitface.settings.features import Hog
    from napari_vitface.states.features.extractor import Layout, Material, Pictures

#: Cells along the longer side of the crop unless their size is chosen.
_CELLS = 12
_SMALLEST = 4
#: Of `skimage.feature.hog`.
_EPS = 1e-5
_CLIP = 0.2


def extractor(kind: Hog, material: Material) -> HogExtractor:
    """The extractor of a crop.

    Raises
    ------
    VitFaceError
        The crop is smaller than a block.
    """
    return extractor_of_size(material.crop.size, kind)


def extractor_of_size(size: tuple[int, int], kind: Hog) -> HogExtractor:
    """The extractor of crops of a size (h, w); see `extractor`."""
    step = max(1.0, max(size) / kind.longest) if kind.longest else 1.0
    seen = (max(1, round(size[0] / step)), max(1, round(size[1] / step)))
    cell = kind.cell or max(_SMALLEST, round(max(seen) / _CELLS))
    if min(seen) < cell * kind.block:
        raise VitFaceError(
            f"The crop of {size[1]} x {size[0]} pixels is smaller than a block of HOG "
            f"({kind.block} x {kind.block} cells of {cell} pixels); choose smaller cells or a "
            "larger crop."
        )
    made = HogExtractor(seen, kind.orientations, cell, kind.block)
    # In pixels of the crop, as it is drawn.
    made.about["cell"] = round(cell * step, 3)
    return made


class HogExtractor:
    """HOG of pictures of one size.

    Parameters
    ----------
    size : (h, w)
    orientations, cell, block : int
        Bins of a half turn, pixels along a cell, cells along a block.

    Attributes
    ----------
    cells : (rows, columns)
        What fills no cell at the right and at the bottom is left out.
    """

    before = False

    def __init__(self, size: tuple[int, int], orientations: int, cell: int, block: int) -> None:
        self.scale = Scale(None, size, grey=True)
        self.orientations, self.cell, self.block = orientations, cell, block
        self.cells = size[0] // cell, size[1] // cell
        self.about: Layout = {
            "cells": list(self.cells),
            "cell": cell,
            "block": block,
            "orientations": orientations,
        }
        blocks = [count - block + 1 for count in self.cells]
        self.columns = tuple(
            f"row {i + k}, column {j + m}, {180 * bin_ / orientations:g}°"
            for i, j, k, m, bin_ in product(
                *map(range, (*blocks, block, block, orientations)),
            )
        )

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        return self.of(pictures.images)

    def of(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, D) of grey pictures (B, h, w)."""
        histograms = self._histograms(images)
        if self.block > 1:
            window = (self.block, self.block)
            # (B, rows, columns, orientations, block, block)
            blocks = sliding_window_view(histograms, window, axis=(1, 2)).transpose(
                0, 1, 2, 4, 5, 3
            )
        else:
            blocks = histograms
        flat = blocks.reshape(*blocks.shape[:3], -1)
        return _to_one_contrast(flat).reshape(len(images), -1)

    def _histograms(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, rows, columns, orientations): mean gradient of each direction in each cell."""
        (rows, columns), cell, bins = self.cells, self.cell, self.orientations
        height, width = rows * cell, columns * cell
        down, across = np.arange(height) // cell, np.arange(width) // cell
        # Where each pixel is counted, but for its direction and its picture.
        place = ((down[:, None] * columns + across) * bins).astype(np.intp)
        directions = _directions(bins)
        found = np.empty((len(images), rows * columns * bins), np.float32)
        # One picture at a time, in the same arrays, which stay in the processor's cache. Whole
        # numbers of this size are exact in float32, of which it does most at once.
        _, tall, broad = images.shape
        wide = np.empty((tall, broad), np.float32)
        # Only a full picture has an edge, where skimage takes the gradient to be 0.
        dy, dx, size, other = (np.zeros((height, width), np.float32) for _ in range(4))
        index, where = (np.empty((height, width), np.intp) for _ in range(2))
        lower, right = min(height, tall - 1), min(width, broad - 1)
        for image, total in zip(images, found, strict=True):
            np.copyto(wide, image)
            np.subtract(wide[2 : lower + 1, :width], wide[: lower - 1, :width], out=dy[1:lower])
            np.subtract(
                wide[:height, 2 : right + 1], wide[:height, : right - 1], out=dx[:, 1:right]
            )
            np.multiply(dy, 511, out=other)
            np.add(other, dx, out=other)
            np.add(other, 255 * 511 + 255, out=other)
            np.copyto(index, other, casting="unsafe")
            # Clipping looks at each index, and is quicker than the error for one that is too large.
            directions.take(index, mode="clip", out=where)
            np.add(where, place, out=where)
            np.multiply(dy, dy, out=size)
            np.multiply(dx, dx, out=other)
            np.add(size, other, out=size)
            np.sqrt(size, out=size)
            total[:] = np.bincount(where.ravel(), size.ravel(), len(total))
        found /= cell**2
        return found.reshape(len(images), rows, columns, bins)


@cache
def _directions(orientations: int) -> NDArray[np.intp]:
    """Bin of each gradient that 8-bit pictures can have, at 511 * (255 + down) + 255 + across."""
    down, across = np.mgrid[-255:256, -255:256].astype(np.float64)
    angle = np.rad2deg(np.arctan2(down, across)) % 180
    bins = np.minimum(angle // (180 / orientations), orientations - 1)
    return bins.astype(np.intp).ravel()


def _to_one_contrast(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2-Hys along the last axis: length 1, clipped, length 1 again."""
    blocks = np.minimum(blocks / _length(blocks), _CLIP)
    return blocks / _length(blocks)


def _length(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sqrt(np.einsum("...i,...i->...", blocks, blocks) + np.float32(_EPS**2))[..., None]


def hog_picture(image: NDArray[np.uint8], kind: Hog) -> NDArray[np.float32]:
    """What HOG sees of a grey crop (h, w): in each cell strokes along its edges, (h, w) float32.

    Drawn by `skimage.feature.hog`; a stroke is as bright as its direction is strong, from 0 to 1.
    """
    from skimage.feature import hog

    made = extractor_of_size((image.shape[0], image.shape[1]), kind)
    _, picture = hog(
        scale_image(image, made.scale),
        orientations=made.orientations,
        pixels_per_cell=(made.cell, made.cell),
        cells_per_block=(made.block, made.block),
        visualize=True,
    )
    drawn: NDArray[np.float32] = (picture / max(float(picture.max()), 1e-12)).astype(np.float32)
    rows, columns = (
        np.arange(many) * few // many for many, few in zip(image.shape, drawn.shape, strict=True)
    )
    return drawn[np.ix_(rows, columns)]
