"""Whether a frame is like anything that a classifier has learned from.

Its distance to the nearest of the frames learned from, against the distances that frames of groups
had that were left out: a new animal alone is not novel. The distance is by the correlation of
features, as frames are compared elsewhere (Dolensek et al. 2020): noise and black frames lie near
the mean of all faces, and are like none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.samples import Samples
from napari_vitface.states.trial_splits import Split

#: Frames that are kept, and frames of a group left out that are looked at.
KEPT, _JUDGED = 400, 1000
#: Share of left-out frames that are farther than what is called near.
_FAR = 0.01
#: Features below which a correlation says little, and plain distances are taken.
_FEW = 4


@dataclass(frozen=True)
class Novelty:
    """Frames learned from, as they are compared.

    Attributes
    ----------
    scale : (D,) float32
        Spread of each feature, which is as it is (without baseline).
    kept : (M, D) float32
        Frames learned from; in units of their spread, and of few features no more than that; else
        less their mean and of length 1, so that distances are those of correlations.
    limit : (1,) float32
        Distance above which a frame is unlike them.
    """

    scale: NDArray[np.float32]
    kept: NDArray[np.float32]
    limit: NDArray[np.float32]

    def distances(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) distance of features (N, D) to the nearest frame, in units of `limit`: 1 is far."""
        return np.divide(_nearest(_placed(values, self.scale), self.kept), self.limit[0])

    def check(self, features: int) -> None:
        """Raise `ValueError` unless its arrays fit so many features."""
        shapes = self.scale.shape, self.kept.shape[1:], self.limit.shape
        if shapes != ((features,), (features,), (1,)) or not len(self.kept):
            raise ValueError("what it knows of its training frames does not fit its features")
        if not (self.limit[0] > 0 and (self.scale > 0).all()):
            raise ValueError("what it knows of its training frames has no limit")

    @classmethod
    def of(
        cls,
        samples: Samples,
        splits: Sequence[Split],
        seed: int = 0,
        values: Iterable[NDArray[np.float32]] | None = None,
    ) -> Novelty:
        """Learn from all samples, the limit from what each split leaves out.

        `values`: features (N, D) as each split's own network has them, one that has not seen what
        it leaves out; default those of the samples.
        """
        rng = np.random.default_rng(seed)
        far = []
        for split, own in zip(splits, values or [samples.values] * len(splits), strict=True):
            part = cls._learned(own[split.training], rng)
            some = rng.permutation(split.judging)[:_JUDGED]
            far.append(part.distances(own[some]))
        limit = max(float(np.quantile(np.concatenate(far), 1 - _FAR)), 1e-6)
        whole = cls._learned(samples.values, rng)
        return cls(whole.scale, whole.kept, np.array([limit], np.float32))

    @classmethod
    def _learned(cls, values: NDArray[np.float32], rng: np.random.Generator) -> Novelty:
        variance = values.var(axis=0)
        # What hardly varies is not to be made much of.
        scale = np.sqrt(variance + 0.1 * variance.mean() + 1e-12).astype(np.float32)
        some = rng.permutation(len(values))[:KEPT]
        return cls(scale, _placed(values[some], scale), np.ones(1, np.float32))


def _placed(values: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    placed = values / scale
    if placed.shape[1] < _FEW:
        return placed
    placed = placed - placed.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", placed, placed))[:, None]
    return np.divide(placed, length, out=np.zeros_like(placed), where=length > 0)


def _nearest(points: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) distance of each point to the nearest of others."""
    lengths = np.einsum("ij,ij->i", others, others)
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(points), 1024):
        part = points[start : start + 1024]
        squares = np.einsum("ij,ij->i", part, part)[:, None] + lengths - 2 * part @ others.T
        found.append(np.sqrt(np.maximum(squares.min(axis=1), 0)))
    return np.concatenate(found) if found else np.zeros(0, np.float32)
