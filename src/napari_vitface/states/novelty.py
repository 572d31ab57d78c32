"""Whether a frame is like anything that a classifier has learned from.

Its distance to the nearest of the frames learned from, after whitening, against the distances that
frames of groups had that were left out: a new animal alone is not novel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.samples import Samples
from napari_vitface.states.splits import Split

#: Directions of largest variance that are looked at, and frames that are kept.
DIRECTIONS, KEPT = 16, 1000
#: Share of left-out frames that are farther than what is called near.
_FAR = 0.01


@dataclass(frozen=True)
class Novelty:
    """Frames learned from, along a few directions.

    Attributes
    ----------
    mean : (D,) float32
        Of the features, as they are (without baseline).
    directions : (D, d) float32
        Each divided by the spread along it.
    kept : (M, d) float32
        Frames learned from.
    limit : (1,) float32
        Distance above which a frame is unlike them.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    kept: NDArray[np.float32]
    limit: NDArray[np.float32]

    def distances(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) distance of features (N, D) to the nearest frame, in units of `limit`: 1 is far."""
        return np.divide(_nearest(self._along(values), self.kept), self.limit[0])

    def _along(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.matmul(values - self.mean, self.directions, dtype=np.float32)

    def check(self, features: int) -> None:
        """Raise `ValueError` unless its arrays fit so many features."""
        count = self.directions.shape[-1]
        shapes = self.mean.shape, self.directions.shape, self.kept.shape[1:], self.limit.shape
        if shapes != ((features,), (features, count), (count,), (1,)) or not len(self.kept):
            raise ValueError("what it knows of its training frames does not fit its features")
        if not self.limit[0] > 0:
            raise ValueError("what it knows of its training frames has no limit")

    @classmethod
    def of(cls, samples: Samples, splits: Sequence[Split], seed: int = 0) -> Novelty:
        """Learn from all samples, the limit from what each split leaves out."""
        rows = np.arange(len(samples))
        whole = cls._whitened(samples, rows, seed)
        far = []
        for split in splits:
            part = cls._whitened(samples, split.training, seed)
            rng = np.random.default_rng(seed)
            some = rng.permutation(split.judging)[:KEPT]
            far.append(part.distances(samples.values[some]))
        limit = np.quantile(np.concatenate(far), 1 - _FAR)
        return cls(
            whole.mean, whole.directions, whole.kept, np.array([max(limit, 1e-6)], np.float32)
        )

    @classmethod
    def _whitened(cls, samples: Samples, rows: NDArray[np.intp], seed: int) -> Novelty:
        some = np.sort(np.random.default_rng(seed).permutation(rows)[: 4 * KEPT])
        values = samples.values[some]
        mean = values.mean(axis=0)
        _, spread, directions = np.linalg.svd(values - mean, full_matrices=False)
        spread = spread[:DIRECTIONS] / np.sqrt(max(1, len(values) - 1))
        used = spread > 1e-6 * max(float(spread[0]), 1e-12)
        scaled = (directions[: len(spread)][used] / spread[used, None]).T.astype(np.float32)
        kept = (values[:: max(1, -(-len(values) // KEPT))] - mean) @ scaled
        return cls(mean, scaled, kept, np.ones(1, np.float32))


def _nearest(points: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) distance of each point to the nearest of others."""
    lengths = np.einsum("ij,ij->i", others, others)
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(points), 1024):
        part = points[start : start + 1024]
        squares = np.einsum("ij,ij->i", part, part)[:, None] + lengths - 2 * part @ others.T
        found.append(np.sqrt(np.maximum(squares.min(axis=1), 0)))
    return np.concatenate(found) if found else np.zeros(0, np.float32)
