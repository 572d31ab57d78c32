"""What chance gives: the labels of whole trials shuffled (Ojala and Garriga 2010, JMLR 11).

Trials are shuffled within their group where a group has several labels, as what sets groups apart
is no evidence of a state; else the labels of whole groups are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record
from napari_vitface.states.classifiers import fit
from napari_vitface.states.judging import Learner
from napari_vitface.states.samples import Samples
from napari_vitface.states.splits import groups_of, split_by
from napari_vitface.steps import Steps


@dataclass(frozen=True)
class Permutations(Record):
    """A permutation test.

    The statistic is the ROC area, or r, of held-out trials by a classifier of one vector a trial,
    its mean features: what is fitted a hundred times has to be small.

    Attributes
    ----------
    count : int
    shuffled : str
        What was shuffled: "trials within each animal".
    found : float
        The statistic with the true labels.
    by_chance : tuple of float
        With shuffled ones.
    p : float
        Share of shuffles that are as good, the true labels counted among them.
    """

    count: int
    shuffled: str
    found: float
    by_chance: tuple[float, ...]
    p: float


def permute(
    learner: Learner, samples: Samples, unit: str, baseline: str, count: int
) -> Steps[Permutations]:
    """Test whether held-out trials are told better than chance tells them."""
    features = samples.features(baseline, slice(None)).astype(np.float64)
    means = samples.of_trials(features).astype(np.float32)
    trials = Samples(
        means, np.arange(len(means)), samples.labels, samples.states, dict(samples.units)
    )
    rng = np.random.default_rng(learner.seed)
    groups = groups_of(samples, unit)
    within = any(len(np.unique(samples.labels[groups == group])) > 1 for group in groups)
    found = _statistic(learner, trials, unit)
    chance = []
    for number in range(count):
        yield f"Shuffling labels, {number + 1} of {count}"
        labels = shuffled(samples.labels, groups, within=within, rng=rng)
        chance.append(_statistic(learner, trials.with_labels(labels), unit))
    as_good = sum(each >= found for each in chance)
    what = f"trials within each {unit}" if within and unit != "trial" else f"{unit}s"
    return Permutations(count, what, found, tuple(chance), (as_good + 1) / (count + 1))


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
    from sklearn.metrics import roc_auc_score

    values = []
    for split in split_by(trials, unit, seed=learner.seed):
        learned, judged = trials.labels[split.training], trials.labels[split.judging]
        fitted = fit(learner.kind, trials.values[split.training], learned, seed=learner.seed)
        said = fitted.predict(trials.values[split.judging])
        if trials.graded:
            if said.std() > 0 and judged.std() > 0:
                values.append((len(judged), float(np.corrcoef(said[:, 0], judged)[0, 1])))
            continue
        for column, state in enumerate(np.unique(learned)):
            rest = judged == state
            if rest.any() and not rest.all():
                values.append((len(judged), float(roc_auc_score(rest, said[:, column]))))
    if not values:
        return _of_all(learner, trials, unit)
    weights, figures = zip(*values, strict=True)
    return float(np.average(figures, weights=weights))


def _of_all(learner: Learner, trials: Samples, unit: str) -> float:
    """Where a group has one label only: of the trials of all groups together."""
    from sklearn.metrics import roc_auc_score

    said = np.zeros((len(trials.labels), max(1, len(trials.states))))
    for split in split_by(trials, unit, seed=learner.seed):
        learned = trials.labels[split.training]
        fitted = fit(learner.kind, trials.values[split.training], learned, seed=learner.seed)
        columns = np.unique(np.zeros(1) if trials.graded else learned).astype(np.intp)
        said[np.ix_(split.judging, columns)] = fitted.predict(trials.values[split.judging])
    if trials.graded:
        return float(np.corrcoef(said[:, 0], trials.labels)[0, 1]) if said.std() > 0 else 0.0
    areas = [roc_auc_score(trials.labels == k, said[:, k]) for k in np.unique(trials.labels)]
    return float(np.mean(areas))
