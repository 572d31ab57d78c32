"""Label files that contradict one another or cannot be read: a person has to say what counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from napari_vitface.project.grid import Place
from napari_vitface.project.label_snapshot import Kind, Reading
from napari_vitface.project.merge import Merge
from napari_vitface.words import counted


@dataclass(frozen=True)
class Disagreement:
    """The CSV and the HDF5 file of the same labels are not the same, and a person has to choose.

    Attributes
    ----------
    text : str
        The sentence to show.
    points : tuple of (frame, keypoint)
        Where they differ; empty if one of them cannot be read.
    readable : tuple of Kind
        What may be chosen.
    """

    text: str
    points: tuple[Place, ...]
    readable: tuple[Kind, ...]


def find_disagreement(
    reading: Reading, outcome: Merge, given_up: Collection[Kind] = ()
) -> Disagreement | None:
    """Whether a person has to decide before anything is saved.

    Parameters
    ----------
    reading : Reading
    outcome : Merge
        Of comparing it with the labels in memory.
    given_up : collection of Kind
        Files that cannot be read and that a person decided to replace.
    """
    unreadable = [kind for kind in reading.unreadable if kind not in given_up]
    if unreadable:
        readable = tuple(reading.readable)
        choice = "mend it or move it away"
        if readable:
            choice = f"choose {reading.tables[readable[0]].path.name} to replace it"
        cause = unreadable_cause(reading, unreadable[0])
        text = f"{cause} Nothing is saved until it can be: {choice}."
        return Disagreement(text, (), readable)
    if reading.visibility.error:
        error = reading.visibility.error.rstrip(".")
        text = f"{error}. Nothing is saved until it can be: mend it or move it away."
        return Disagreement(text, (), ())
    if not outcome.disagreeing:
        return None
    cause = disagreement_cause(reading, len(outcome.disagreeing))
    text = f"{cause.rstrip('.')}, and nothing is saved until you choose which file is right."
    return Disagreement(text, tuple(outcome.disagreeing), tuple(reading.readable))


def unreadable_cause(reading: Reading, kind: Kind) -> str:
    """The sentence about a table that cannot be read."""
    error = reading.tables[kind].error.rstrip(".")
    return f"{error}." + (
        f" The labels of {reading.tables[reading.readable[0]].path.name} beside it count."
        if reading.readable
        else ""
    )


def disagreement_cause(reading: Reading, count: int) -> str:
    """The sentence about two tables that differ in `count` points."""
    shown, other = (reading.tables[kind].path for kind in ("h5", "csv"))
    return (
        f"{shown.name} and {other.name} in {shown.parent} do not hold the same labels (they differ "
        f"in {counted(count, 'point')}); those of the .h5 file count."
    )
