"""Edits with an inverse, and the history that undoes and redoes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, cast

from napari_vitface.errors import LabelError
from napari_vitface.history import History, Line
from napari_vitface.pose.labels import FrameLabels, Point


class PointChange(NamedTuple):
    """One point before and after an edit; the keypoint by its position."""

    frame: int
    keypoint: int
    before: Point
    after: Point


@dataclass(frozen=True)
class LabelEdit:
    """Something that changed labels, as one step of undo.

    Attributes
    ----------
    what : str
        What the user did, as it follows "Undo": "move nose tip".
    changes : tuple of PointChange
        No point twice.
    """

    what: str
    changes: tuple[PointChange, ...]

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames that it touches, sorted."""
        return tuple(sorted({change.frame for change in self.changes}))

    def inverse(self) -> LabelEdit:
        """The edit that takes this one back."""
        changes = [PointChange(f, k, after, before) for f, k, before, after in self.changes]
        return LabelEdit(self.what, tuple(reversed(changes)))

    def to_json(self) -> Line:
        """As plain JSON data."""
        return {
            "what": self.what,
            "changes": [
                [change.frame, change.keypoint, change.before.to_json(), change.after.to_json()]
                for change in self.changes
            ],
        }


class Operation(TypedDict, total=False):
    """What is done to predictions, as plain data; see `napari_vitface.kinematics.operations`."""

    smooth: str
    fill: str
    window: int
    order: int
    longest: int
    tables: Sequence[str]
    confidence: float
    keypoints: Sequence[str]
    frames: Sequence[int]
    model: str


@dataclass(frozen=True)
class PredictionEdit:
    """Something done to predictions, such as smoothing, as one step of undo.

    Predictions on disk are never changed by it: those shown are the ones on disk with the
    operations that are done applied to them, in order.

    Attributes
    ----------
    what : str
        What the user did, as it follows "Undo": "smooth whisker 1".
    operation : Operation
    """

    what: str
    operation: Operation

    def to_json(self) -> Line:
        """As plain JSON data."""
        return {"what": self.what, "operation": self.operation}


Edit = LabelEdit | PredictionEdit


def edit_from_json(data: Any) -> Edit:
    """Inverse of the edits' `to_json`; `ValueError` if `data` is nothing of the kind."""
    match data:
        case {"what": str() as what, "operation": dict() as operation}:
            return PredictionEdit(what, cast(Operation, operation))
        case {"what": str() as what, "changes": list() as changes}:
            return LabelEdit(what, tuple(map(_change_from_json, changes)))
    raise ValueError(f"{data!r} is no edit")


def _change_from_json(data: Any) -> PointChange:
    match data:
        case [int() as frame, int() as keypoint, before, after]:
            return PointChange(frame, keypoint, Point.from_json(before), Point.from_json(after))
    raise ValueError(f"{data!r} is no change of a point")


def make_edit(
    labels: FrameLabels, what: str, points: Mapping[tuple[int, int], Point]
) -> LabelEdit | None:
    """The edit that gives points of `labels` new values.

    Parameters
    ----------
    labels : FrameLabels
        As they are now; not changed.
    what : str
        What the user does, as it follows "Undo": "move nose tip".
    points : mapping of (frame, keypoint position) to Point

    Returns
    -------
    LabelEdit or None
        None if every point has its new value already.
    """
    changes = tuple(
        PointChange(int(frame), int(keypoint), before, after)
        for (frame, keypoint), after in points.items()
        if (before := labels.point(frame, keypoint)) != after
    )
    return LabelEdit(what, changes) if changes else None


class EditHistory(History[Edit]):
    """Undo and redo of labels, and of operations on predictions.

    Parameters
    ----------
    labels : FrameLabels
        What `LabelEdit`s change.
    record : callable
        See `History`.
    operations : list of Operation, optional
        Operations on predictions that are done, in order.
    """

    def __init__(
        self,
        labels: FrameLabels,
        record: Callable[[Line], None] = lambda line: None,
        operations: list[Operation] | None = None,
    ) -> None:
        super().__init__(record)
        self.labels = labels
        self.operations = operations if operations is not None else []

    def _check(self, edit: Edit) -> None:
        if isinstance(edit, PredictionEdit):
            # It goes to disk and comes back: what is kept in memory is what would come back.
            if json.loads(json.dumps(edit.operation)) != edit.operation:
                raise ValueError(f"{edit.operation!r} is not plain JSON data")
            return
        points = {(change.frame, change.keypoint) for change in edit.changes}
        if not points or len(points) < len(edit.changes):
            raise ValueError(f"an edit changes at least one point, and each once: {edit}")
        for frame, keypoint, before, _ in edit.changes:
            if self.labels.point(frame, keypoint) != before:
                name = self.labels.keypoints.names[keypoint]
                raise LabelError(
                    f"“{edit.what}” was not done: the label of {name} in frame {frame} has "
                    "changed in the meantime."
                )

    def _apply(self, edit: Edit) -> None:
        if isinstance(edit, PredictionEdit):
            self.operations.append(edit.operation)
            return
        for frame, keypoint, _, after in edit.changes:
            self.labels.set(frame, keypoint, after)

    def _take_back(self, edit: Edit) -> None:
        if isinstance(edit, PredictionEdit):
            # The last operation done is the one to take back, for undoing goes in order.
            if self.operations:
                self.operations.pop()
            return
        self._apply(edit.inverse())
