"""What chance gives: the labels of whole trials shuffled (Ojala and Garriga 2010, JMLR 11).

Trials are shuffled within their group where a group has several labels, as what sets groups apart
is no evidence of a state; else the labels of whole groups are. Where many shuffles did as well
already, no more are made (Besag and Clifford 1991, doi:10.1093/biomet/78.2.301): what p is large
need not be known to three digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record
from napari_vitface.states.judging import Learner
from napari_vitface.states.samples import NONE, Samples
from napari_vitface.states.scores import roc_area
from napari_vitface.states.trial_splits import Split, groups_of, split_by
from napari_vitface.steps import Steps

#: Frames of a trial that a network is trained on again and again.
_FEW = 2
#: It stops when this share of all shuffles did as well, and no fewer than so many.
_AS_GOOD, _AS_GOOD_LEAST = 0.1, 3


@dataclass(frozen=True)
class Permutations(Record):
    """A permutation test.

    The statistic is the ROC area, or r, of held-out trials by a classifier of one vector a trial,
    its mean features, a forest of fewer trees: what is fitted a hundred times has to be small. A
    network is trained on few frames of each trial. With the true labels it is computed likewise.

    Attributes
    ----------
    count : int
        Shuffles that were made.
    shuffled : str
        What was shuffled: "trials within each animal".
    found : float
        The statistic with the true labels.
    by_chance : tuple of float
        With shuffled ones.
    p : float
        Share of shuffles that are as good, the true labels counted among them; if it stopped
        early, the share of those that were made.
    stopped : bool
        Whether no more shuffles were made because so many were as good.
    """

    count: int
    shuffled: str
    found: float
    by_chance: tuple[float, ...]
    p: float
    stopped: bool = False


def permute(
    learner: Learner, samples: Samples, unit: str, baseline: str, count: int
) -> Steps[Permutations]:
    """Test by `count` shuffles, at most, whether held-out trials are told better than by chance."""
    learner = replace(learner, kind=learner.kind.for_shuffles())
    trials = _few(samples) if learner.kind.network else _means(samples, baseline)
    rng = np.random.default_rng(learner.seed)
    groups = groups_of(samples, unit)
    within = any(len(np.unique(samples.labels[groups == group])) > 1 for group in groups)
    found = _statistic(learner, trials, unit)
    enough = max(_AS_GOOD_LEAST, round(_AS_GOOD * count))
    chance: list[float] = []
    as_good = 0
    while len(chance) < count and as_good < enough:
        yield f"Shuffling labels, {len(chance) + 1} of {count}"
        labels = shuffled(samples.labels, groups, within=within, rng=rng)
        chance.append(_statistic(learner, trials.with_labels(labels), unit))
        as_good += chance[-1] >= found
    what = f"trials within each {unit}" if within and unit != "trial" else f"{unit}s"
    stopped = len(chance) < count
    p = as_good / len(chance) if stopped else (as_good + 1) / (count + 1)
    return Permutations(len(chance), what, found, tuple(chance), p, stopped)


def _means(samples: Samples, baseline: str) -> Samples:
    """One vector a trial."""
    features = samples.features(baseline, slice(None)).astype(np.float64)
    means = samples.of_trials(features).astype(np.float32)
    return Samples(means, np.arange(len(means)), samples.labels, samples.states, samples.units)


def _few(samples: Samples) -> Samples:
    rows = np.sort(samples.thinned(_FEW))
    return replace(samples, values=samples.values[rows], trial=samples.trial[rows])


def shuffled(
    labels: NDArray[Any], groups: NDArray[np.str_], *, within: bool, rng: np.random.Generator
) -> NDArray[Any]:
    """Labels (T,) moved between the trials of each group, or between groups."""
    if within:
        moved = labels.copy()
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            moved[rows] = labels[rng.permutation(rows)]
        return moved
    names, first, member = np.unique(groups, return_index=True, return_inverse=True)
    return labels[first][rng.permutation(len(names))][member]


def _statistic(learner: Learner, trials: Samples, unit: str) -> float:
    values = []
    for split in split_by(trials, unit, most=learner.folds[0], seed=learner.seed):
        learned = trials.frame_labels[split.training]
        said, judged = _said(learner, trials, split, unit)
        if trials.graded:
            if said.std() > 0 and judged.std() > 0:
                values.append((len(judged), float(np.corrcoef(said[:, 0], judged)[0, 1])))
            continue
        for column, state in enumerate(np.unique(learned)):
            rest = judged == state
            if rest.any() and not rest.all():
                values.append((len(judged), roc_area(rest, said[:, column])))
    if not values:
        return _of_all(learner, trials, unit)
    weights, figures = zip(*values, strict=True)
    return float(np.average(figures, weights=weights))


def _said(
    learner: Learner, trials: Samples, split: Split, unit: str
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """(n, K) mean scores of the trials that a split judges, and their labels."""
    fitted = learner.fit(trials, NONE, split.training, unit)
    said = fitted.predict(trials.features(NONE, split.judging))
    own, member = np.unique(trials.trial[split.judging], return_inverse=True)
    sums = np.zeros((len(own), said.shape[1]))
    np.add.at(sums, member, said)
    return sums / np.bincount(member)[:, None], trials.labels[own]


def _of_all(learner: Learner, trials: Samples, unit: str) -> float:
    """Where a group has one label only: of the trials of all groups together."""
    said = np.zeros((len(trials.labels), max(1, len(trials.states))))
    for split in split_by(trials, unit, most=learner.folds[0], seed=learner.seed):
        learned = trials.frame_labels[split.training]
        columns = np.unique(np.zeros(1) if trials.graded else learned).astype(np.intp)
        own = np.unique(trials.trial[split.judging])
        said[np.ix_(own, columns)] = _said(learner, trials, split, unit)[0]
    if trials.graded:
        return float(np.corrcoef(said[:, 0], trials.labels)[0, 1]) if said.std() > 0 else 0.0
    areas = [roc_area(trials.labels == k, said[:, k]) for k in np.unique(trials.labels)]
    return float(np.mean(areas))
