"""Which trials judge what was learned from which: whole animals, sessions or trials, never frames.

Frames of a trial are near copies, and trials of an animal are alike: a classifier that is judged on
frames of animals that it knows has mostly learned to know them (Varoquaux et al. 2017,
doi:10.1016/j.neuroimage.2016.10.038; Little et al. 2017, doi:10.1093/gigascience/gix020).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.states import Unit
from napari_vitface.states.samples import Samples

#: With more groups than this, several are left out at a time.
MOST_FOLDS = 10
#: Folds of a split within the training part of another one.
INNER_FOLDS = 4
#: What would be wrong, shown beside: frames of one trial on both sides.
RANDOM_FRAMES = "random frames"


@dataclass(frozen=True)
class Split:
    """One division of frames.

    Attributes
    ----------
    name : str
        What is left out.
    training, judging : (n,), (m,) int
        Frames, none in both.
    """

    name: str
    training: NDArray[np.intp]
    judging: NDArray[np.intp]


def split_by(
    samples: Samples,
    unit: str,
    *,
    most: int = MOST_FOLDS,
    seed: int = 0,
    among: NDArray[np.intp] | None = None,
) -> list[Split]:
    """Leave each group out once; with more than `most` groups, several at a time.

    Parameters
    ----------
    samples : Samples
    unit : {"animal", "session", "trial", "random frames"}
        The last leaves frames out at random, which is here to be compared with.
    most : int
        Splits, at most.
    seed : int
        Of which groups are left out together.
    among : (n,) int, optional
        Split these frames alone.

    Notes
    -----
    Groups left out together are drawn so that each label is spread over the splits.
    """
    rows = np.arange(len(samples)) if among is None else among
    if unit == RANDOM_FRAMES:
        fold = np.random.default_rng(seed).permutation(len(rows)) % min(most, 5)
        names = [f"part {number + 1}" for number in range(fold.max() + 1)]
    else:
        names, fold = _folds(samples, unit, rows, most, seed)
    return [
        Split(name, rows[fold != number], rows[fold == number]) for number, name in enumerate(names)
    ]


def _folds(
    samples: Samples, unit: str, rows: NDArray[np.intp], most: int, seed: int
) -> tuple[list[str], NDArray[np.intp]]:
    trials = np.unique(samples.trial[rows])
    named = groups_of(samples, unit)
    groups, member = np.unique(named[trials], return_inverse=True)
    fold_of_group = np.arange(len(groups))
    if len(groups) > most:
        # Groups with the same labels come after each other and go to different splits.
        kind = [tuple(np.sort(samples.labels[trials[member == g]])) for g in range(len(groups))]
        drawn = np.random.default_rng(seed).permutation(len(groups))
        order = sorted(drawn.tolist(), key=lambda g: kind[g])
        fold_of_group[order] = np.arange(len(groups)) % most
    of_trial = np.full(len(samples.labels), -1)
    of_trial[trials] = fold_of_group[member]
    names = [
        ", ".join(groups[fold_of_group == number]) for number in range(fold_of_group.max() + 1)
    ]
    return names, of_trial[samples.trial[rows]]


def groups_of(samples: Samples, unit: str) -> NDArray[np.str_]:
    """(T,) what each trial belongs to."""
    return samples.units[_as_unit(unit)]


def _as_unit(unit: str) -> Unit:
    match unit:
        case "animal" | "session" | "trial":
            return unit
    raise ValueError(f"{unit!r} is no unit of splits")


def check_groups(samples: Samples, unit: Unit) -> Iterator[str]:
    """Refuse labels that no split by this unit can judge, and say what weakens one.

    Yields
    ------
    str
        Sentences for the user about what makes the figures weaker.

    Raises
    ------
    VitFaceError
        A label has fewer than two groups, or group and label are one.
    """
    groups = groups_of(samples, unit)
    several = np.unique(groups)
    if len(several) < 2:
        raise VitFaceError(
            f"All trials are of one {unit} ({several[0]}), and none is left to judge by; add "
            f"trials of another {unit}, or split by something smaller."
        )
    if samples.graded:
        if len(np.unique(samples.labels)) < 3:
            raise VitFaceError(
                "The label has fewer than three different numbers; tell its values apart as "
                "classes instead of grading them."
            )
        alone = [g for g in several if len(np.unique(samples.labels[groups == g])) == 1]
        counts = [len(np.unique(groups[samples.labels == v])) for v in np.unique(samples.labels)]
        if len(alone) == len(several) and min(counts) < 2:
            raise VitFaceError(
                f"Each {unit} has one value of the label only, so that {unit} and label are one "
                "and nothing can tell which of them a classifier has learned; film each "
                f"{unit} with several values."
            )
    for number, state in enumerate(samples.states):
        having = np.unique(groups[samples.labels == number])
        if len(having) >= 2:
            continue
        if not len(having):
            raise VitFaceError(f"No trial has the label {state}; check the classes.")
        others = set(samples.labels[groups == having[0]]) - {number}
        if not others:
            raise VitFaceError(
                f"Only the {unit} {having[0]} has the label {state}, and it has no other: {unit} "
                "and label are one, and nothing can tell which of them a classifier has learned; "
                f"film other {unit}s in this state and this {unit} in others."
            )
        raise VitFaceError(
            f"Only the {unit} {having[0]} has the label {state}; at least two are needed, one to "
            f"learn from and one to judge by. Film another {unit} in this state, or choose a "
            "smaller group."
        )
    single = [g for g in several if len(np.unique(samples.labels[groups == g])) == 1]
    if single and not samples.graded:
        yield (
            f"{', '.join(single)} {'has' if len(single) == 1 else 'have'} one label only: what "
            f"sets this {unit} apart from others can pass for the state."
        )
