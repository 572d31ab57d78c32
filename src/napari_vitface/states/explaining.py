"""Why a classifier says of a frame what it says: what of the picture its answer hangs on.

Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901) asks any classifier of pictures: a square is
painted over with the mean grey level, and the answer is computed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.features.extractor import Extractor, Pictures
from napari_vitface.states.importance import Faithfulness
from napari_vitface.states.model_file import StatesModel
from napari_vitface.states.samples import taken

#: Cells along the longer side of the crop, and along a square that is painted over.
CELLS, _SQUARE = 16, 3
_RANDOM = 10
_SHARES = np.linspace(0, 1, 11)


@dataclass(frozen=True)
class Frame:
    """One frame as a classifier sees it.

    Attributes
    ----------
    model : StatesModel
    extractors : sequence of Extractor
    pictures : sequence of Pictures
        Of one frame, for each.
    before : (D,) float32, or None
        What features were before the window.
    """

    model: StatesModel
    extractors: Sequence[Extractor]
    pictures: Sequence[Pictures]
    before: NDArray[np.float32] | None

    def scores(self, hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(B, K) what it says where parts of the crop, (B, rows, columns), are hidden."""
        values = [
            each(_painted(pictures, hidden))
            for each, pictures in zip(self.extractors, self.pictures, strict=True)
        ]
        tuning = self.model.about.evaluation.tuning
        return self.model.fitted.predict(taken(np.hstack(values), self.before, tuning.baseline))


def _painted(pictures: Pictures, hidden: NDArray[np.bool_]) -> Pictures:
    def paint(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        rows = np.arange(image.shape[0]) * hidden.shape[1] // image.shape[0]
        columns = np.arange(image.shape[1]) * hidden.shape[2] // image.shape[1]
        over = hidden[:, rows][:, :, columns]
        many = np.repeat(image[None], len(hidden), axis=0)
        if image.size:
            many[over] = image.reshape(-1, *image.shape[2:]).mean(axis=0).astype(np.uint8)
        return many

    frames = np.repeat(pictures.frames, len(hidden))
    before = paint(pictures.before[0]) if len(pictures.before) else pictures.before
    return Pictures(frames, paint(pictures.images[0]), before)


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of cells of a crop (h, w), about square."""
    rows, columns = (max(_SQUARE, round(CELLS * side / max(size))) for side in size)
    return rows, columns


def occlusion(frame: Frame, state: int, grid: tuple[int, int]) -> NDArray[np.float64]:
    """(rows, columns) by how much the answer falls, on average, where a cell is hidden."""
    corners = [(i, j) for i in range(1 - _SQUARE, grid[0]) for j in range(1 - _SQUARE, grid[1])]
    hidden = np.zeros((len(corners), *grid), bool)
    for number, (i, j) in enumerate(corners):
        hidden[number, max(i, 0) : i + _SQUARE, max(j, 0) : j + _SQUARE] = True
    whole = frame.scores(np.zeros((1, *grid), bool))[0, state]
    fall = whole - frame.scores(hidden)[:, state]
    return np.asarray((fall[:, None, None] * hidden).sum(axis=0) / hidden.sum(axis=0))


def faithfulness(frame: Frame, state: int, heat: NDArray[np.float64]) -> Faithfulness:
    """How much of the answer is left while cells are hidden from the most important on."""
    rng = np.random.default_rng(0)

    def left(order: NDArray[np.intp]) -> float:
        rank = np.empty(heat.size, int)
        rank[order] = np.arange(heat.size)
        hidden = rank.reshape(heat.shape) < np.round(_SHARES * heat.size)[:, None, None]
        said = frame.scores(hidden)[:, state]
        return float((said[1:] + said[:-1]).mean() / 2)

    found = left(np.argsort(-heat.ravel(), kind="stable"))
    return Faithfulness(
        found, float(np.mean([left(rng.permutation(heat.size)) for _ in range(_RANDOM)]))
    )
