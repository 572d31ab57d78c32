"""Frames with features and a label: what classifiers of states learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.states import UNITS, Unit

#: How features can be taken: as they are, relative to what they were before the window, or in both
#: ways side by side, which says how the face looks and how it has changed.
Baseline = Literal["none", "before", "both"]
NONE: Baseline = "none"
BEFORE: Baseline = "before"
BOTH: Baseline = "both"


@dataclass(frozen=True)
class Samples:
    """N frames of T trials.

    Attributes
    ----------
    values : (N, D) float32
        Features, one row a frame. Rows of one trial are in order of time.
    trial : (N,) int64
        Index of the trial of each frame; every trial has frames.
    labels : (T,) int64 or float64
        Index of each trial's state in `states`; or a number, if `states` is empty.
    states : tuple of str
        Names of the states.
    units : mapping of str to (T,) array of str
        For each of "animal", "session" and "trial" that is known, what each trial belongs to.
    before : (T, D) float32, optional
        What features were before the window of each trial.
    """

    values: NDArray[np.float32]
    trial: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float64]
    states: tuple[str, ...]
    units: Mapping[Unit, NDArray[np.str_]]
    before: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        counts = np.bincount(self.trial, minlength=len(self.labels))
        if len(counts) != len(self.labels) or not counts.all():
            raise ValueError("every trial must have frames and a label")

    def __len__(self) -> int:
        return len(self.trial)

    @property
    def graded(self) -> bool:
        """Whether labels are numbers."""
        return not self.states

    @property
    def frame_labels(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """(N,) the label of each frame."""
        return self.labels[self.trial]

    def baselines(self, wanted: Literal["auto"] | Baseline) -> tuple[Baseline, ...]:
        """The ways of taking features that are to be tried for what was chosen.

        Raises
        ------
        VitFaceError
            Features relative to before the window are wanted, and nothing is before it.
        """
        if wanted in (BEFORE, BOTH) and self.before is None:
            raise VitFaceError(
                "There are too few frames before the window for a baseline; choose a later window, "
                "or no baseline."
            )
        if wanted == "auto":
            return (NONE,) if self.before is None else (NONE, BOTH)
        return (wanted,)

    def features(self, baseline: str, rows: NDArray[np.intp] | slice) -> NDArray[np.float32]:
        """(n, D) features of some frames, or (n, 2 D) in both ways."""
        before = None if self.before is None else self.before[self.trial[rows]]
        return taken(self.values[rows], before, baseline)

    def thinned(self, frames_per_trial: int) -> NDArray[np.intp]:
        """At most so many frames of each trial, spread evenly: neighbours are near copies."""
        chosen = []
        for rows in self.rows_by_trial():
            count = min(frames_per_trial, len(rows))
            chosen.append(rows[np.linspace(0, len(rows) - 1, count).round().astype(int)])
        return np.concatenate(chosen)

    def rows_by_trial(self) -> list[NDArray[np.intp]]:
        """The frames of each trial, in order."""
        order = np.argsort(self.trial, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.trial))[:-1])

    def of_trials(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(T, K) means over the frames of each trial of (N, K) values."""
        sums = np.zeros((len(self.labels), values.shape[1]))
        np.add.at(sums, self.trial, values)
        return sums / np.bincount(self.trial, minlength=len(self.labels))[:, None]

    def with_labels(self, labels: NDArray[np.int64] | NDArray[np.float64]) -> Samples:
        """The same frames with other labels of the trials."""
        return replace(self, labels=labels)

    def group(self, wanted: str) -> Unit:
        """The unit of splits that was chosen, or for "auto" the largest there are several of.

        Raises
        ------
        VitFaceError
            The table has no such column.
        """
        if wanted == "auto":
            several = (unit for unit in UNITS if len(set(self.units.get(unit, ()))) > 1)
            return next(several, "trial")
        unit = next(unit for unit in UNITS if unit == wanted)
        if unit not in self.units:
            raise VitFaceError(
                f"Splits by {unit} need a column {unit} in the table; add it, or choose another "
                f"group ({', '.join(self.units)})."
            )
        return unit


def taken(
    values: NDArray[np.float32], before: NDArray[np.float32] | None, baseline: str
) -> NDArray[np.float32]:
    """Features (n, D) as they are, or relative to what they were before, (n, D) or (D,)."""
    if baseline == NONE:
        return values
    assert before is not None
    change = values - before
    return change if baseline == BEFORE else np.hstack([values, change])
