"""What a classifier looks at: what it loses when features of a place are mixed up.

Permutation importance (Breiman 2001) of groups of features, of frames that each classifier had not
seen: those of a cell of HOG together, drawn on the face. Whether it is true is measured on trials
that it was not found on: places are mixed up in its order, and the score should fall sooner than in
a random order (a deletion curve, Petsiuk et al. 2018, arXiv:1806.07421).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record
from napari_vitface.states.fitted import opened
from napari_vitface.states.judging import Judged
from napari_vitface.states.samples import BOTH, Samples
from napari_vitface.states.scores import roc_area
from napari_vitface.steps import Steps

#: Frames of a trial that are mixed up, and random orders beside.
_FRAMES, _RANDOM = 6, 10
#: Shares of the places that are mixed up along a deletion curve.
_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Faithfulness(Record):
    """How much of the score is left, on average, while places are mixed up in an order.

    Attributes
    ----------
    found : float
        In order of importance; less is better.
    random : float
        In random orders, on average.
    """

    found: float
    random: float


@dataclass(frozen=True)
class Importance:
    """What each group of features is worth.

    Attributes
    ----------
    names : tuple of str
    worth : (G,) float64
        By how much the probability of the true state falls on held-out frames, or r. (ROC area
        does not fall where states are told with much to spare.)
    shape : (rows, columns) or None
        Of the cells, where groups are places on the face.
    faithfulness : Faithfulness
    """

    names: tuple[str, ...]
    worth: NDArray[np.float64]
    shape: tuple[int, int] | None
    faithfulness: Faithfulness


@dataclass(frozen=True)
class Groups:
    """Features that belong together.

    Attributes
    ----------
    names : tuple of str
    of_column : (D,) int64
    shape : (rows, columns) or None
    """

    names: tuple[str, ...]
    of_column: NDArray[np.int64]
    shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, layouts: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Groups:
        """Cells of HOG if that is all there is, else each feature for itself."""
        layout = layouts[0] if len(layouts) == 1 else {}
        if {"cells", "block", "orientations"} <= layout.keys():
            (rows, across), block = layout["cells"], layout["block"]
            place = np.arange(rows * across).reshape(rows, across)
            # As `skimage.feature.hog` has it: blocks, then the cells in them, then orientations.
            cells = [
                place[i : i + block, j : j + block].ravel()
                for i in range(rows - block + 1)
                for j in range(across - block + 1)
            ]
            of_column = np.concatenate(cells).repeat(layout["orientations"])
            if len(of_column) == len(columns):
                names = tuple(f"row {k // across}, column {k % across}" for k in place.ravel())
                return cls(names, of_column, (rows, across))
        return cls(tuple(columns), np.arange(len(columns)))


def importance(judged: Judged, samples: Samples, groups: Groups) -> Steps[Importance]:
    """What the groups of features are worth to the classifiers of a judgement."""
    rng = np.random.default_rng(0)
    half = _halves(samples)
    some = samples.thinned(_FRAMES)
    worth = np.zeros(len(groups.names))
    kept: list[tuple[Any, NDArray[np.float32], NDArray[Any], NDArray[np.int64]]] = []
    for split, (_, tuning), fitted in zip(
        judged.splits, judged.tunings, judged.classifiers, strict=True
    ):
        rows = np.intersect1d(split.judging, some)
        fitted, values = opened(fitted, samples.features(tuning.baseline, rows))
        of_column = np.tile(groups.of_column, 2 if tuning.baseline == BOTH else 1)
        labels, first = samples.frame_labels[rows], half[samples.trial[rows]]
        if not (_can_score(labels[first]) and _can_score(labels[~first])):
            continue
        whole = _sureness(fitted.predict(values[first]), labels[first], samples.graded)
        for group in range(len(groups.names)):
            if group % 20 == 0:
                yield f"What it is told by, {len(kept) + 1} of {len(judged.splits)}"
            mixed = _mixed(values[first], of_column == group, rng)
            said = fitted.predict(mixed)
            worth[group] += whole - _sureness(said, labels[first], samples.graded)
        kept.append((fitted, values[~first], labels[~first], of_column))
    worth /= max(1, len(kept))
    found = _deletion(kept, np.argsort(-worth), samples.graded, rng)
    orders = [rng.permutation(len(worth)) for _ in range(_RANDOM)]
    random = [_deletion(kept, order, samples.graded, rng) for order in orders]
    return Importance(
        groups.names, worth, groups.shape, Faithfulness(found, float(np.mean(random)))
    )


def _halves(samples: Samples) -> NDArray[np.bool_]:
    """(T,) every other trial of each label."""
    half = np.zeros(len(samples.labels), bool)
    for label in np.unique(samples.labels):
        half[np.flatnonzero(samples.labels == label)[::2]] = True
    return half


def _can_score(labels: NDArray[Any]) -> bool:
    return len(np.unique(labels)) > 1


def _mixed(
    values: NDArray[np.float32], columns: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Features of some columns taken from other frames, all from the same one."""
    mixed = values.copy()
    mixed[:, columns] = values[rng.permutation(len(values))][:, columns]
    return mixed


def _deletion(
    kept: Sequence[tuple[Any, NDArray[np.float32], NDArray[Any], NDArray[np.int64]]],
    order: NDArray[np.intp],
    graded: bool,
    rng: np.random.Generator,
) -> float:
    """Mean score over shares of the places that are mixed up in an order."""
    if not kept:
        return float("nan")
    scores = []
    for share in _SHARES:
        gone = order[: round(share * len(order))]
        for fitted, values, labels, of_column in kept:
            mixed = _mixed(values, np.isin(of_column, gone), rng)
            scores.append(held_figure(fitted.predict(mixed), labels, graded))
    points = np.array(scores).reshape(len(_SHARES), -1).mean(axis=1)
    return float((points[1:] + points[:-1]) @ np.diff(_SHARES) / 2)


def _sureness(said: NDArray[np.float64], labels: NDArray[Any], graded: bool) -> float:
    """Mean probability of the true state, each state weighing the same; or r."""
    if graded:
        return held_figure(said, labels, graded)
    there = [k for k in np.unique(labels) if k < said.shape[1]]
    return float(np.mean([said[labels == k, k].mean() for k in there]))


def held_figure(said: NDArray[np.float64], labels: NDArray[Any], graded: bool) -> float:
    """ROC area, of several states the mean over each against the others; or r."""
    if graded:
        return float(np.corrcoef(said[:, 0], labels)[0, 1]) if said.std() > 0 else 0.0
    there = [k for k in np.unique(labels) if k < said.shape[1]]
    return float(np.mean([roc_area(labels == k, said[:, k]) for k in there]))
