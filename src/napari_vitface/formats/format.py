"""What kinds of files hold predictions and labels, and which of them a file is.

A format is a module that declares a `Format`. Which one opens a file, in which order they are
asked, and what is said where none can, is decided here alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from napari_vitface.errors import LabelError
from napari_vitface.formats.predictions import ANY, Choice
from napari_vitface.plugins import Registry
from napari_vitface.words import listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.formats.predictions import Heading, Predictions

#: What a file may hold.
Content = Literal["predictions", "labels"]


class PoseSink(Protocol):
    """A file that rows of predictions are written to as they come."""

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> Any:
        """Add frames (N,), all greater than those before, and their points (N, K * width).

        Of each point x, y and confidence, and its variances if the heading has them.

        `OSError` or `RuntimeError` if they cannot be written.
        """

    def close(self) -> Any:
        """Write the file to its end."""

    def abort(self) -> Any:
        """Close the file as it is: it will be deleted."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    The module that declares one is imported to learn of it, so what only reading and writing need
    is imported in these functions.

    Attributes
    ----------
    name : str
        Short, in small letters.
    title : str
        What to look for, as in "open a DeepLabCut table".
    suffixes : tuple of str
        What the names of its files end in, in small letters, those that are written in the first;
        ``""`` stands for folders.
    written_suffixes : tuple of str
        Those in which it is written, if these are not all.
    can_open : callable
        Whether a path that exists looks like one: a cheap look at name and content. It may raise,
        which means no.
    read_poses : callable, optional
        The predictions in a file, of the animal and table that a `Choice` names.
    read_labels : callable, optional
        The same of the labels in a file or folder. Both raise `LabelError` with one sentence.
    pose_sink : callable, optional
        Begins a file of predictions with this heading.
    write_labels : callable, optional
        Writes labels to a path that does not matter yet.
    holds : frozenset of str
        Which of `napari_vitface.formats.predictions.PARTS` its files keep.
    needs : frozenset of str
        Which of them it cannot be written without.
    contents : callable, optional
        Of a format that can hold both: which of them a file does hold.
    images_at : callable, optional
        Where a file of labels that is written to a path says that its images are, if not where they
        are.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    can_open: Callable[[Path], bool]
    read_poses: Callable[[Path, Choice], Predictions] | None = None
    read_labels: Callable[[Path, Choice], Labels] | None = None
    pose_sink: Callable[[Path, Heading], PoseSink] | None = None
    write_labels: Callable[[Path, Labels], None] | None = None
    holds: frozenset[str] = field(default=frozenset({"confidence", "gaps"}))
    needs: frozenset[str] = frozenset()
    contents: Callable[[Path], Sequence[Content]] | None = None
    written_suffixes: tuple[str, ...] = ()
    images_at: Callable[[Path, Labels], Sequence[Path]] | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of files that it writes end in."""
        return self.written_suffixes or self.suffixes

    @property
    def reads(self) -> list[Content]:
        """What it can read."""
        both: list[tuple[Content, Any]] = [
            ("predictions", self.read_poses),
            ("labels", self.read_labels),
        ]
        return [content for content, read in both if read]

    @property
    def writes(self) -> list[Content]:
        """What it can write."""
        both: list[tuple[Content, Any]] = [
            ("predictions", self.pose_sink),
            ("labels", self.write_labels),
        ]
        return [content for content, write in both if write]


#: Those of higher layers are named by text, as those of other packages are, which add theirs as
#: entry points of this group, each a `Format`.
FORMATS: Registry[Format] = Registry(
    Format,
    (
        "napari_vitface.formats.deeplabcut_hdf:DEEPLABCUT_HDF",
        "napari_vitface.formats.deeplabcut_csv:DEEPLABCUT_CSV",
        "napari_vitface.project.deeplabcut_labels:DEEPLABCUT_LABELS",
        "napari_vitface.formats.label_tables:LIGHTNING_POSE",
        "napari_vitface.formats.eks:EKS_CSV",
        "napari_vitface.formats.tidy_csv:TIDY_CSV",
        "napari_vitface.formats.parquet:PARQUET",
        "napari_vitface.formats.sleap:SLEAP_ANALYSIS",
        "napari_vitface.formats.sleap_project:SLEAP_PROJECT",
        "napari_vitface.formats.sleap_project:SLEAP_PACKAGE",
        "napari_vitface.formats.nwb:NWB",
        "napari_vitface.formats.coco:COCO",
        "napari_vitface.formats.movement:MOVEMENT",
        "napari_vitface.formats.facemap:FACEMAP_POSE",
        "napari_vitface.formats.facemap_proc:FACEMAP_PROC",
    ),
    group="napari_vitface.formats",
)


def read_as(content: Content, path: Path, choice: Choice = ANY) -> Any:
    """What a file holds: `Predictions`, or `Labels`.

    Formats are asked in the order of `FORMATS`, those first whose files end like this one. Where
    none says that it can open it, the first of these reads it, and so says what is wrong with it.

    Raises
    ------
    LabelError
        If it cannot be read.
    """
    if not os.path.lexists(path):
        raise LabelError(f"There is no file or folder {path}.")
    readers = [one for one in FORMATS.values() if content in one.reads]
    likely, others = parted_by_ending(readers, path)
    opening = (one for one in [*likely, *others] if can_open(one, path))
    one = next(opening, likely[0] if likely else None)
    if one is None:
        what = {"predictions": "no table of predictions", "labels": "no project"}[content]
        raise LabelError(f"{path} is {what}: open {listed([one.title for one in readers], 'or')}.")
    return read_with(one, content, path, choice)


def read_with(one: Format, content: Content, path: Path, choice: Choice = ANY) -> Any:
    """What a file holds, read by a format that reads such content.

    Raises
    ------
    LabelError
        If it cannot be read, or something is chosen in it where there is no choice.
    """
    read = one.read_poses if content == "predictions" else one.read_labels
    if read is None:
        raise ValueError(f"{one.name} reads no {content}")
    # What was asked of another file does not count.
    choice = replace(choice)
    found = read(path, choice)
    choice.check_asked(path)
    return found


def sink_for(path: Path) -> Callable[[Path, Heading], PoseSink]:
    """What begins a file of predictions, in the first format that the name of `path` ends in.

    Raises
    ------
    LabelError
        If there is no such format.
    """
    writing = [one for one in FORMATS.values() if one.pose_sink]
    for one in parted_by_ending(writing, path)[0]:
        if one.pose_sink and path.name.lower().endswith(one.endings):
            return one.pose_sink
    known = listed(list(dict.fromkeys(one.endings[0] for one in writing)), "or")
    raise LabelError(f"Poses are written as {known}, not as {path.name}.")


def suffixes(content: Content) -> list[str]:
    """What the names of files that hold something end in, for dialogs."""
    readers = [one for one in FORMATS.values() if content in one.reads]
    return list(dict.fromkeys(suffix for one in readers for suffix in one.suffixes if suffix))


def writers(content: Content) -> list[Format]:
    """The formats that predictions, or labels, can be written in."""
    return [one for one in FORMATS.values() if content in one.writes]


def parted_by_ending(formats: Sequence[Format], path: Path) -> tuple[list[Format], list[Format]]:
    """Those whose files end as a path does, and the others."""

    def ending(one: Format) -> int:
        """Length of the ending that it shares with the path; 0 for none."""
        if path.is_dir():
            return int("" in one.suffixes)
        name = path.name.lower()
        return max((len(each) for each in one.suffixes if each and name.endswith(each)), default=0)

    # Of .slp and .pkg.slp the longer one is meant.
    longest = max([1, *map(ending, formats)])
    likely = [one for one in formats if ending(one) == longest]
    return likely, [one for one in formats if one not in likely]


def can_open(one: Format, path: Path) -> bool:
    """Whether a format says that it can open a path."""
    try:
        return one.can_open(path)
    except Exception:
        # Whatever a look at a file of another kind, or at a damaged one, raises.
        return False
