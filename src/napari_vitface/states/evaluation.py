"""What a classifier of states is worth: figures of every kind, and sentences that say them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record
from napari_vitface.settings.states import CLASSIFIERS, UNITS, Unit
from napari_vitface.states.calibrating import Reliability
from napari_vitface.states.judging import Judged, Learner, Tuning, judge
from napari_vitface.states.permutation import Permutations, permute
from napari_vitface.states.samples import Samples
from napari_vitface.states.scores import (
    FEWEST_GROUPS,
    Interval,
    NumberScores,
    Scores,
    balanced_accuracy,
    gain,
)
from napari_vitface.states.trial_splits import RANDOM_FRAMES, groups_of
from napari_vitface.steps import Steps
from napari_vitface.words import counted

#: By how much a figure by random frames has to be larger to be called a leak.
_LEAK = 0.05
#: Of shuffled labels, that is taken to be no chance.
_SMALL_P = 0.05


@dataclass(frozen=True)
class SplitScores(Record):
    """What the choice of what is left out gives.

    Attributes
    ----------
    unit : str
        "animal", "session", "trial" or "random frames".
    frames, trials : Scores
    """

    unit: str
    frames: Scores
    trials: Scores


@dataclass(frozen=True)
class TrivialScores(Record):
    """What features give that say nothing of an expression, on the same splits.

    Attributes
    ----------
    name : str
        As people read it.
    frames, trials : Scores
    gain : (low, high) or None
        95 % interval of by how much the classifier is better on trials.
    """

    name: str
    frames: Scores
    trials: Scores
    gain: Interval

    @property
    def beaten(self) -> bool:
        """Whether the classifier is better by more than chance explains."""
        return self.gain is not None and self.gain[0] > 0


@dataclass(frozen=True)
class GroupScores(Record):
    """What one group gave that was left out.

    Attributes
    ----------
    name : str
    trials : int
    figure : float or None
        Balanced accuracy of its trials, or r; None where it has one label only.
    baseline : str
        How features were taken, chosen without it.
    """

    name: str
    trials: int
    figure: float | None
    baseline: str


@dataclass(frozen=True)
class Evaluation(Record):
    """All figures of a classifier of states, each on groups that it was not fitted on.

    Attributes
    ----------
    unit : str
        What was left out.
    frames, trials : Scores
        Of trials by the mean probability of their frames.
    vote : float or None
        Balanced accuracy of trials by the majority of their frames; None of a graded label.
    groups : tuple of GroupScores
    splits : tuple of SplitScores
        What smaller units and random frames would have given, with that of `unit`.
    trivial : tuple of TrivialScores
    permutations : Permutations or None
    tuning : Tuning
        Of the classifier that was fitted on everything.
    sentences : tuple of str
        What it comes to.
    reliability : tuple of Reliability
        Of the probabilities of frames, and of trials; empty for a graded label.
    """

    unit: str
    frames: Scores
    trials: Scores
    vote: float | None
    groups: tuple[GroupScores, ...]
    splits: tuple[SplitScores, ...]
    trivial: tuple[TrivialScores, ...]
    permutations: Permutations | None
    tuning: Tuning
    sentences: tuple[str, ...]
    reliability: tuple[Reliability, ...] = ()


def evaluating(
    learner: Learner,
    samples: Samples,
    unit: Unit,
    *,
    trivial: Mapping[str, Samples],
    permutations: int,
) -> Steps[tuple[Evaluation, Judged]]:
    """Judge a classifier, and what would have been found otherwise.

    Parameters
    ----------
    learner : Learner
    samples : Samples
    unit : Unit
        What is left out.
    trivial : mapping of str to Samples
        The same frames with other features, by what these are called.
    permutations : int
        Shuffles of labels; 0: none.
    """
    judged = yield from judge(learner, samples, unit)
    frames, trials = judged.scores(samples, unit, learner.seed)
    same = learner.by_smaller(judged.final.baseline)
    splits = []
    for smaller in [RANDOM_FRAMES, *reversed(UNITS[UNITS.index(unit) + 1 :])]:
        if smaller == RANDOM_FRAMES or smaller in samples.units:
            found = yield from judge(same, samples, smaller)
            splits.append(SplitScores(smaller, *found.scores(samples, smaller, learner.seed)))
    others = []
    for name, features in trivial.items():
        found = yield from judge(learner_of(learner, features), features, unit)
        others.append(_beside(name, judged, found, features, unit, learner.seed))
    test = None
    if permutations:
        test = yield from permute(learner, samples, unit, judged.final.baseline, permutations)
    splits.append(SplitScores(unit, frames, trials))
    evaluation = Evaluation(
        unit=unit,
        frames=frames,
        trials=trials,
        vote=None if samples.graded else _vote(judged.frames, samples),
        groups=tuple(_of_groups(judged, samples, unit)),
        splits=tuple(splits),
        trivial=tuple(others),
        permutations=test,
        tuning=judged.final,
        sentences=tuple(_sentences(samples, unit, trials, splits, others, test)),
        reliability=() if samples.graded else _reliability(judged, samples),
    )
    return evaluation, judged


def _reliability(judged: Judged, samples: Samples) -> tuple[Reliability, Reliability]:
    return (
        Reliability.of(judged.frames, samples.frame_labels.astype(np.int64)),
        Reliability.of(judged.trials, samples.labels.astype(np.int64)),
    )


def learner_of(learner: Learner, features: Samples) -> Learner:
    """The same learner for other features of the frames."""
    kind = CLASSIFIERS[learner.kind.beside] if learner.kind.beside else learner.kind
    return replace(learner, kind=kind, baselines=features.baselines("auto"), start=None)


def _beside(
    name: str, judged: Judged, other: Judged, samples: Samples, unit: str, seed: int
) -> TrivialScores:
    groups = groups_of(samples, unit)
    clusters = groups if len(np.unique(groups)) >= FEWEST_GROUPS else groups_of(samples, "trial")
    better = gain(judged.trials, other.trials, samples.labels, clusters, seed)
    return TrivialScores(name, *other.scores(samples, unit, seed), better)


def _vote(frames: NDArray[np.float64], samples: Samples) -> float:
    told = np.zeros_like(frames)
    told[np.arange(len(frames)), frames.argmax(axis=1)] = 1
    return balanced_accuracy(
        samples.labels.astype(np.int64), samples.of_trials(told).argmax(axis=1)
    )


def _of_groups(judged: Judged, samples: Samples, unit: str) -> list[GroupScores]:
    found = []
    for split, (name, tuning) in zip(judged.splits, judged.tunings, strict=True):
        trials = np.unique(samples.trial[split.judging])
        labels, said = samples.labels[trials], judged.trials[trials]
        figure = None
        if len(np.unique(labels)) > 1:
            if samples.graded:
                constant = said.std() == 0
                figure = 0.0 if constant else float(np.corrcoef(said[:, 0], labels)[0, 1])
            else:
                figure = balanced_accuracy(labels.astype(np.int64), said.argmax(axis=1))
        found.append(GroupScores(name, len(trials), figure, tuning.baseline))
    return found


def _sentences(
    samples: Samples,
    unit: str,
    trials: Scores,
    splits: Sequence[SplitScores],
    trivial: Sequence[TrivialScores],
    test: Permutations | None,
) -> list[str]:
    """What it comes to, the bad news too."""
    graded = isinstance(trials, NumberScores)
    what = "r" if graded else "balanced accuracy"
    beside = f"chance {trials.chance:.2f}"
    if isinstance(trials, NumberScores):
        beside = f"RMSE {trials.rmse:.3g}, always saying the mean gives {trials.chance:.3g}"
    within = ""
    if trials.interval is not None:
        within = f", 95 % interval {trials.interval[0]:.2f} to {trials.interval[1]:.2f}"
    said = [
        f"For {unit}s that it was not trained on: {what} {trials.figure:.2f} over "
        f"{counted(trials.judged, 'trial')} ({beside}{within})."
    ]
    least = 0.0 if graded else trials.chance
    is_chance = trials.interval is None or trials.interval[0] <= least
    own = splits[-1].frames
    random = next(each.frames for each in splits if each.unit == RANDOM_FRAMES)
    if random.figure - own.figure > _LEAK:
        leak = (
            f"Frames left out at random would have given {random.figure:.2f} for frames in place "
            f"of {own.figure:.2f}: the difference is a leak, for frames of one {unit} are on both "
            "sides."
        )
        if is_chance:
            leak += f" It has learned to know each {unit}, and nothing that carries over."
        said.append(leak)
    if is_chance:
        said.append(f"This is no better than chance; do not use it for other {unit}s.")
    if test is not None:
        good = sum(each >= test.found for each in test.by_chance)
        said.append(
            f"With shuffled labels ({test.shuffled}) the {'r' if graded else 'ROC area'} of trials "
            f"left out together reaches {test.found:.2f} in {good} of "
            f"{counted(test.count, 'time')} (p = "
            f"{test.p:.2g}){', and no more were made' if test.stopped else ''}."
        )
        if is_chance and test.p <= _SMALL_P:
            said.append(
                f"Trials of one {unit} are put in order better than by chance, then, but where the "
                f"line between them lies differs from {unit} to {unit}."
            )
    beating = [each for each in trivial if not each.beaten]
    # What is at chance itself says nothing about a classifier that is at chance, too.
    equal = [each for each in beating if each.trials.figure > least + _LEAK] or (
        beating if is_chance else []
    )
    for each in equal:
        said.append(
            f"It is no better than {each.name} alone ({what} {each.trials.figure:.2f}) by more "
            "than chance explains: it may have learned no more than that."
        )
    beaten = [f"{each.name} ({each.trials.figure:.2f})" for each in trivial if each.beaten]
    if beaten:
        names = ", ".join(beaten)
        said.append(f"It is better than {names} alone by more than chance explains.")
    return said
