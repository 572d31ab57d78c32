"""Judging a classifier on groups that it was not fitted on, with nothing chosen on these.

What is chosen (how features are taken) and what is fitted on held-out scores (the calibration) is
so on the training part of a split alone, by splits within it: nested cross-validation (Varma and
Simon 2006, doi:10.1186/1471-2105-7-91).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record
from napari_vitface.settings.states import UNITS, ClassifierKind
from napari_vitface.states.calibrating import Calibration, calibrate_numbers, calibrate_states
from napari_vitface.states.classifiers import fit
from napari_vitface.states.fitted import Fitted
from napari_vitface.states.samples import Baseline, Samples
from napari_vitface.states.scores import Scores, score
from napari_vitface.states.trial_splits import (
    INNER_FOLDS,
    MOST_FOLDS,
    RANDOM_FRAMES,
    Split,
    groups_of,
    split_by,
)
from napari_vitface.steps import Steps

#: Splits, and splits within them, of a network: each is a training.
_OF_NETWORKS = (4, 2)


@dataclass(frozen=True)
class Learner:
    """How a classifier is fitted.

    Attributes
    ----------
    kind : ClassifierKind
    baselines : tuple of str
        Ways of taking features, among which it chooses.
    frames_per_trial : int
        That are learned from.
    seed : int
    start : Start or None
        What a network is trained from, see `napari_vitface.training.class_token`.
    within : int
        Splits within the training part of each, at most.
    """

    kind: ClassifierKind
    baselines: tuple[Baseline, ...]
    frames_per_trial: int
    seed: int = 0
    start: Any = None
    within: int = INNER_FOLDS

    @property
    def folds(self) -> tuple[int, int]:
        """Splits, at most, and splits within the training part of each."""
        most, within = _OF_NETWORKS if self.kind.network else (MOST_FOLDS, INNER_FOLDS)
        return most, min(within, self.within)

    def by_smaller(self, baseline: Baseline) -> Learner:
        """For splits that are shown beside: what was chosen stays, and is calibrated by two."""
        return replace(self, baselines=(baseline,), within=2)

    def fit(self, samples: Samples, baseline: str, rows: NDArray[np.intp], unit: str) -> Fitted:
        """Fit to some frames, thinned; `unit` is what may be kept apart to say when to stop."""
        rows = np.intersect1d(rows, samples.thinned(self.frames_per_trial))
        labels = samples.frame_labels[rows]
        stopping = _apart(samples, unit, rows, self.seed) if self.kind.stops else None
        return fit(
            self.kind, samples.features(baseline, rows), labels, seed=self.seed,
            stopping=stopping, start=self.start,
        )  # fmt: skip


@dataclass(frozen=True)
class Tuning(Record):
    """What was chosen and fitted on scores of held-out groups.

    Attributes
    ----------
    baseline : str
    frames, trials : Calibration
        Of the scores of frames, and of their means over trials.
    """

    baseline: Baseline
    frames: Calibration
    trials: Calibration


@dataclass(frozen=True)
class Judged:
    """What a classifier said of all samples, each when its group was left out.

    Attributes
    ----------
    frames : (N, K) float64
        Probabilities, or (N, 1) numbers.
    trials : (T, K) float64
    tunings : tuple of (str, Tuning)
        For each split what was left out, and what was chosen without it.
    classifiers : tuple of Fitted
        The one of each split.
    splits : tuple of Split
    final : Tuning
        What is chosen with all groups, for the classifier that is fitted on all of them.
    """

    frames: NDArray[np.float64]
    trials: NDArray[np.float64]
    tunings: tuple[tuple[str, Tuning], ...]
    classifiers: tuple[Fitted, ...]
    splits: tuple[Split, ...]
    final: Tuning

    def scores(self, samples: Samples, unit: str, seed: int = 0) -> tuple[Scores, Scores]:
        """Figures of frames and of trials."""
        trials = np.arange(len(samples.labels))
        groups = groups_of(samples, "trial" if unit == RANDOM_FRAMES else unit)
        name = "trial" if unit == RANDOM_FRAMES else unit
        of_frames = score(
            self.frames, samples.frame_labels, samples.trial, groups[samples.trial], unit=name,
            seed=seed,
        )  # fmt: skip
        return of_frames, score(self.trials, samples.labels, trials, groups, unit=name, seed=seed)


def judge(learner: Learner, samples: Samples, unit: str) -> Steps[Judged]:
    """Judge by leaving out each group of a unit, see `split_by`."""
    splits = split_by(samples, unit, most=learner.folds[0], seed=learner.seed)
    scores: dict[Baseline, NDArray[np.float64]] = {}
    fitted: dict[Baseline, list[Fitted]] = {}
    for baseline in learner.baselines:
        scores[baseline], fitted[baseline] = yield from _held_out(
            learner, samples, baseline, splits, unit
        )
    outputs = max(1, len(samples.states))
    frames = np.full((len(samples), outputs), np.nan)
    trials = np.zeros((len(samples.labels), outputs))
    tunings = []
    for split in splits:
        inner = _inner_splits(samples, unit, split.training, learner.seed, learner.folds[1])
        within: dict[Baseline, NDArray[np.float64]] = {}
        for baseline in learner.baselines:
            within[baseline], _ = yield from _held_out(learner, samples, baseline, inner, unit)
        none = Calibration.none(outputs)
        tuning = (
            _tuned(samples, within, split.training)
            if inner
            else Tuning(learner.baselines[0], none, none)
        )
        found = np.full_like(frames, np.nan)
        found[split.judging] = scores[tuning.baseline][split.judging]
        frames[split.judging] = tuning.frames.apply(found[split.judging])
        # Of a trial whose frames are spread over several splits, each has its share.
        count = np.bincount(samples.trial[split.judging], minlength=len(trials))
        share = count / np.bincount(samples.trial)
        trials += share[:, None] * np.nan_to_num(tuning.trials.apply(_means(samples, found)))
        tunings.append((split.name, tuning))
    everything = np.arange(len(samples))
    return Judged(
        frames,
        trials,
        tuple(tunings),
        tuple(fitted[tuning.baseline][number] for number, (_, tuning) in enumerate(tunings)),
        tuple(splits),
        _tuned(samples, scores, everything),
    )


def _held_out(
    learner: Learner, samples: Samples, baseline: str, splits: Sequence[Split], unit: str
) -> Steps[tuple[NDArray[np.float64], list[Fitted]]]:
    """Raw scores (N, K), NaN where no split judges, and the classifier of each split."""
    outputs = max(1, len(samples.states))
    scores = np.full((len(samples), outputs), np.nan)
    classifiers = []
    for split in splits:
        yield f"Without {split.name}"
        fitted = learner.fit(samples, baseline, split.training, unit)
        said = fitted.predict(samples.features(baseline, split.judging))
        if samples.graded:
            scores[split.judging] = said
        else:
            # A state that only what is left out was in is not known to it.
            known = np.unique(samples.frame_labels[split.training].astype(np.intp))
            scores[np.ix_(split.judging, known)] = said
            missing = np.setdiff1d(np.arange(outputs), known)
            scores[np.ix_(split.judging, missing)] = 0
        classifiers.append(fitted)
    return scores, classifiers


def _inner_splits(
    samples: Samples, unit: str, training: NDArray[np.intp], seed: int, most: int = INNER_FOLDS
) -> list[Split]:
    """Splits of the training part: by the same unit, or a smaller one if too few are left."""
    if unit == RANDOM_FRAMES:
        return split_by(samples, unit, most=most, seed=seed, among=training)
    start = next(number for number, each in enumerate(UNITS) if each == unit)
    for smaller in UNITS[start:]:
        if smaller in samples.units and _can_split(samples, smaller, training):
            return split_by(samples, smaller, most=most, seed=seed, among=training)
    return []


def _apart(samples: Samples, unit: str, rows: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """(n,) which of some frames are of groups of their own, in which all labels are; or none."""
    labels = samples.frame_labels

    def whole(part: NDArray[np.intp]) -> bool:
        wanted = 2 if samples.graded else len(np.unique(labels[rows]))
        return len(np.unique(labels[part])) >= wanted

    for split in _inner_splits(samples, unit, rows, seed):
        if whole(split.training) and whole(split.judging):
            return np.isin(rows, split.judging)
    return np.zeros(len(rows), bool)


def _can_split(samples: Samples, unit: str, rows: NDArray[np.intp]) -> bool:
    """Whether each label of some frames has two groups among them."""
    trials = np.unique(samples.trial[rows])
    groups, labels = groups_of(samples, unit)[trials], samples.labels[trials]
    if samples.graded:
        return len(np.unique(groups)) > 1
    return all(len(np.unique(groups[labels == label])) > 1 for label in np.unique(labels))


def _tuned(
    samples: Samples, scores: dict[Baseline, NDArray[np.float64]], rows: NDArray[np.intp]
) -> Tuning:
    """The way of taking features whose calibrated scores tell held-out trials best."""
    found = []
    trials = np.unique(samples.trial[rows])
    labels = samples.labels[trials]
    for baseline, said in scores.items():
        means = _means(samples, said)[trials]
        calibrate: Any = calibrate_numbers if samples.graded else calibrate_states
        of_trials = calibrate(means, labels, len(trials))
        tuning = Tuning(
            baseline, calibrate(said[rows], samples.frame_labels[rows], len(trials)), of_trials
        )
        found.append((_loss(of_trials.apply(means), labels), tuning))
    return min(found, key=lambda each: each[0])[1]


def _loss(said: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Log loss in which states count the same; of numbers the mean squared error."""
    if said.shape[1] == 1:
        return float(np.mean((said[:, 0] - labels) ** 2))
    right = -np.log(np.maximum(said[np.arange(len(labels)), labels], 1e-12))
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def _means(samples: Samples, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, K) means over the frames of each trial that have values; NaN where none has."""
    known = np.isfinite(values).all(axis=1)
    sums = np.zeros((len(samples.labels), values.shape[1]))
    np.add.at(sums, samples.trial[known], values[known])
    counts = np.bincount(samples.trial[known], minlength=len(sums))[:, None]
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
