"""The trials of a table that have a label that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.jobs.events import Notice
from napari_vitface.settings.states import Unit
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.events.trials import Trial, Trials


@dataclass(frozen=True)
class Labelled:
    """The trials of a table that have a label that is asked for.

    Attributes
    ----------
    trials : tuple of Trial
    labels : (T,) int64 or float64
    states : tuple of str
    units : mapping of str to (T,) array of str
    left_out : int
        Trials with another label.
    """

    trials: tuple[Trial, ...]
    labels: NDArray[Any]
    states: tuple[str, ...]
    units: Mapping[Unit, NDArray[np.str_]]
    left_out: int

    def left_out_notice(self, label: str) -> Iterator[Notice]:
        """Says so, if trials have another value of the label."""
        if self.left_out:
            what = counted(self.left_out, "trial is", "trials are")
            yield Notice(f"{what} left out, with another {label}.")

    @classmethod
    def of(
        cls,
        table: Trials,
        label: str,
        classes: Sequence[str] | None,
        *,
        graded: bool,
        some: bool = False,
    ) -> Labelled:
        """Choose by the column of a label.

        `some`: not all of the classes need be there.

        Raises
        ------
        LabelError
            One sentence: the table has no such column, the label is no number, or no trial has one
            of the classes.
        """
        said = table.column(label)
        if graded:
            states: tuple[str, ...] = ()
            labels: NDArray[Any] = np.array(
                [_number(table, trial, label, text) for trial, text in _with(table, said)]
            )
        else:
            states = tuple(classes) if classes is not None else _in_order(set(said))
            missing = [each for each in states if each not in said]
            if len(missing) == len(states) or (missing and not some):
                raise LabelError(
                    f"No trial of {table.path.name} has {missing[0]} in column {label}; it holds "
                    f"{', '.join(_in_order(set(said))[:10])}."
                )
            if len(states) < 2:
                raise LabelError(
                    f"All trials of {table.path.name} have {states[0]} in column {label}; there is "
                    "nothing to tell apart."
                )
            number = {state: k for k, state in enumerate(states)}
            labels = np.array([number.get(text, -1) for text in said])
        chosen = np.ones(len(said), bool) if graded else labels >= 0
        trials = tuple(table.trials[k] for k in np.flatnonzero(chosen))
        return cls(trials, labels[chosen], states, _units(trials), int((~chosen).sum()))


def _with(table: Trials, said: Sequence[str]) -> list[tuple[Trial, str]]:
    return list(zip(table.trials, said, strict=True))


def _number(table: Trials, trial: Trial, label: str, text: str) -> float:
    try:
        value = float(text)
        if not np.isfinite(value):
            raise ValueError
    except ValueError:
        raise LabelError(
            f"Row {trial.row} of {table.path} has {text!r} in column {label}, which is no number; "
            "a graded label needs numbers."
        ) from None
    return value


def _in_order(values: set[str]) -> tuple[str, ...]:
    """By size if they are numbers, else by name."""
    try:
        return tuple(sorted(values, key=float))
    except ValueError:
        return tuple(sorted(values))


def _units(trials: Sequence[Trial]) -> dict[Unit, NDArray[np.str_]]:
    """What each trial belongs to, as far as the table says it."""
    found: dict[Unit, NDArray[np.str_]] = {}
    if all(trial.animal for trial in trials):
        found["animal"] = np.array([trial.animal for trial in trials])
    if all(trial.session for trial in trials):
        # Sessions of two animals may have the same name.
        found["session"] = np.array([f"{each.animal} {each.session}".strip() for each in trials])
    found["trial"] = np.array([f"row {trial.row} ({trial.video.name})" for trial in trials])
    return found
