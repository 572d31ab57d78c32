"""What kinds of files hold predictions and labels, and which of them a file is.

A format is a module that declares a `Format`. Which one opens a file, in which order they are
asked, and what is said where none can, is decided here alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from napari_vitface.errors import LabelError
from napari_vitface.plugins import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.pose.table import PoseTable

About = Mapping[str, Any]
#: What a file may hold.
Content = Literal["predictions", "labels"]


class PoseSink(Protocol):
    """A file that rows of predictions are written to as they come."""

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> Any:
        """Add frames (N,), all greater than those before, and their x, y and confidence (N, K * 3).

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
    can_open : callable
        Whether a path that exists looks like one: a cheap look at name and content. It may raise,
        which means no.
    read_poses : callable, optional
        The predictions in a file.
    read_labels : callable, optional
        The labels in a file or folder. Both raise `LabelError` with one sentence.
    pose_sink : callable, optional
        Begins a file of predictions: path, keypoints, who predicts, and how, as plain data.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    can_open: Callable[[Path], bool]
    read_poses: Callable[[Path], PoseTable] | None = None
    read_labels: Callable[[Path], Labels] | None = None
    pose_sink: Callable[[Path, KeypointSet, str, About | None], PoseSink] | None = None


#: Those of higher layers are named by text, as those of other packages are, which add theirs as
#: entry points of this group, each a `Format`.
FORMATS: Registry[Format] = Registry(
    Format,
    (
        "napari_vitface.formats.deeplabcut_hdf:DEEPLABCUT_HDF",
        "napari_vitface.formats.deeplabcut_csv:DEEPLABCUT_CSV",
        "napari_vitface.project.deeplabcut_labels:DEEPLABCUT_LABELS",
    ),
    group="napari_vitface.formats",
)


def read_as(content: Content, path: Path) -> Any:
    """What a file holds: a `PoseTable` of predictions, or `Labels`.

    Formats are asked in the order of `FORMATS`, those first whose files end like this one. Where
    none says that it can open it, the first of these reads it, and so says what is wrong with it.

    Raises
    ------
    LabelError
        If it cannot be read.
    """
    if not os.path.lexists(path):
        raise LabelError(f"There is no file or folder {path}.")
    readers = _readers(content)
    ending = "" if path.is_dir() else path.suffix.lower()
    likely = [one for one in readers if ending in one.suffixes]
    others = [one for one in readers if ending not in one.suffixes]
    for one in [*likely, *others]:
        if _can_open(one, path):
            return readers[one](path)
    if likely:
        return readers[likely[0]](path)
    what = {"predictions": "no table of predictions", "labels": "no project"}[content]
    raise LabelError(f"{path} is {what}: open {_or([one.title for one in readers])}.")


def sink_for(path: Path) -> Callable[[Path, KeypointSet, str, About | None], PoseSink]:
    """What begins a file of predictions, in the format that the name of `path` ends in.

    Raises
    ------
    LabelError
        If there is no such format.
    """
    writing = [(one.suffixes, one.pose_sink) for one in FORMATS.values() if one.pose_sink]
    for endings, begin in writing:
        if path.suffix.lower() in endings:
            return begin
    known = _or([endings[0] for endings, _ in writing])
    raise LabelError(f"Poses are written as {known}, not as {path.name}.")


def suffixes(content: Content) -> list[str]:
    """What the names of files that hold something end in, for dialogs."""
    found = (suffix for one in _readers(content) for suffix in one.suffixes if suffix)
    return list(dict.fromkeys(found))


def _readers(content: Content) -> dict[Format, Callable[[Path], Any]]:
    readers = {
        one: one.read_poses if content == "predictions" else one.read_labels
        for one in FORMATS.values()
    }
    return {one: read for one, read in readers.items() if read is not None}


def _can_open(one: Format, path: Path) -> bool:
    try:
        return one.can_open(path)
    except Exception:
        # Whatever a look at a file of another kind, or at a damaged one, raises.
        return False


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
