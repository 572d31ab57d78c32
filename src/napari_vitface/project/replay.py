"""Reading the entries of a journal as edits of the frames and keypoints that there are now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_vitface.errors import LabelError
from napari_vitface.history import Line
from napari_vitface.pose.edits import Edit, edit_from_json
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import Point
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Place
from napari_vitface.project.journal import list_of, no_edit

_STEPS = ("do", "undo", "redo")


def read_steps(
    header: Line,
    entries: Sequence[Line],
    keypoints: KeypointSet,
    frames: FrameNames,
    journal: Path,
) -> tuple[list[tuple[str, Edit]], dict[Place, list[Point]]]:
    """What a journal says was done.

    Parameters
    ----------
    header, entries
        Of the journal.
    keypoints : KeypointSet
        Those of the project now; the journal may have been written when they had another order.
    frames : FrameNames
    journal : Path
        For sentences.

    Returns
    -------
    steps : list of ("do" | "undo" | "redo", Edit)
    noted : dict of (frame, keypoint) to list of Point
        What the files may hold besides what they held when the edits were made.

    Raises
    ------
    LabelError
        If an edit is of a keypoint that the project does not have any more.
    """
    # Renaming and appending keep every position, so the last names are those of all entries.
    names = header.get("keypoints", keypoints.names)
    for entry in entries:
        if not _is_entry(entry):
            raise no_edit(journal, "labels", ValueError(f"{entry!r}"))
        names = entry.get("keypoints", names)
    translate = _Translation(keypoints, names, frames, journal)
    steps: list[tuple[str, Edit]] = []
    noted: dict[Place, list[Point]] = {}
    for entry in entries:
        for frame, keypoint, points in entry.get("accept", ()):
            place = translate.place(frame, keypoint)
            noted.setdefault(place, []).extend(translate.point(data) for data in points)
        steps += [(kind, translate.edit(entry[kind])) for kind in _STEPS if kind in entry]
    return steps, noted


class _Translation:
    """From the frames and keypoints of a journal to those of the document."""

    def __init__(
        self, keypoints: KeypointSet, names: Sequence[str], frames: FrameNames, journal: Path
    ) -> None:
        self._names = names
        self._positions = {name: k for k, name in enumerate(keypoints.names)}
        self._frames = frames
        self._journal = journal

    def place(self, frame: int | str, keypoint: int) -> Place:
        found = self._frames.frame_of_key(frame)
        if found is None or found < 0 or not 0 <= keypoint < len(self._names):
            raise LabelError(f"{self._journal} speaks of {frame}, {keypoint}, which is nothing.")
        name = self._names[keypoint]
        if name not in self._positions:
            raise LabelError(
                f"{self._journal} holds unsaved edits of {name}, which is no keypoint of the "
                "project any more: add it to its bodyparts, then open the video again."
            )
        return found, self._positions[name]

    def point(self, data: Any) -> Point:
        try:
            return Point.from_json(data)
        except ValueError as error:
            raise no_edit(self._journal, "labels", error) from error

    def edit(self, data: Any) -> Edit:
        if "changes" in data:
            changes = [[*self.place(frame, k), *rest] for frame, k, *rest in data["changes"]]
            data = {**data, "changes": changes}
        try:
            return edit_from_json(data)
        except ValueError as error:
            raise no_edit(self._journal, "labels", error) from error


def _is_entry(entry: Line) -> bool:
    """Whether an entry has the shape of one; what its points are is seen when they are read."""
    edits = [entry[kind] for kind in _STEPS if kind in entry]
    changes = [
        change
        for edit in edits
        if isinstance(edit, dict)
        for change in list_of(edit.get("changes", []))
    ]
    accepted = list_of(entry.get("accept", []))
    return (
        all(isinstance(name, str) for name in list_of(entry.get("keypoints", [])))
        and all(isinstance(edit, dict) for edit in edits)
        and all(_is_place(change, 4) for change in changes)
        and all(_is_place(place, 3) and isinstance(place[2], list) for place in accepted)
    )


def _is_place(value: Any, length: int) -> bool:
    """Whether a list of some length begins with a frame and the position of a keypoint."""
    match value:
        case [int() | str() as frame, int(), *_] if len(value) == length:
            return isinstance(frame, str) or abs(frame) < _FRAMES
    return False


#: Frame numbers are below it: a century at a thousand frames a second.
_FRAMES = 1 << 42
