"""Smoothing and gap filling of the predictions on screen, as edits that are undone and redone.

Predictions on disk and in `OpenVideo.poses` are never changed: what is shown is these with the
operations that are done applied to them. In a project the operations are edits of the video's
document, in one history with the corrections, journal and all. Without a project they are kept in a
history of their own until the window is closed, and move into the document once there is one.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics.operations import (
    apply_operations,
    check_operation,
    describe_operation,
    operations_for,
)
from napari_vitface.pose.edits import EditHistory, PredictionEdit
from napari_vitface.pose.labels import FrameLabels

if TYPE_CHECKING:
    from napari_vitface.gui.session import OpenVideo, Session
    from napari_vitface.pose.table import PoseTable

Operations = list[dict[str, Any]]

#: Operations on the predictions of so many frames are done while the user waits.
_AT_ONCE = 20_000


class _Outdated(Exception):
    """Ends work on operations that are not the ones that are done any more."""


class Filters:
    """The operations of each open video, and the predictions that they give."""

    #: Other operations are done, or the work on them began, went on or ended.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._own: weakref.WeakKeyDictionary[OpenVideo, EditHistory] = weakref.WeakKeyDictionary()
        #: Of each video: the poses, the operations done to them, and what came of it.
        self._results: weakref.WeakKeyDictionary[
            OpenVideo, tuple[PoseTable, Operations, PoseTable]
        ] = weakref.WeakKeyDictionary()
        #: What is being worked on, and the share that is done.
        self._wanted: tuple[int, Operations] | None = None
        self.share: float | None = None
        session.labelling.document_changed.connect(self._on_document)
        session.labelling.state_changed.connect(self.changed)
        session.prediction.changed.connect(self._on_run)
        self._was_filling = False

    # ----------------------------------------------------------------- what is done

    @property
    def operations(self) -> Operations:
        """Operations that are done to the predictions on screen, in order."""
        opened = self._session.current
        return self.operations_of(opened) if opened is not None else []

    def operations_of(self, opened: OpenVideo) -> Operations:
        """Operations that are done to the predictions of a video, in order."""
        document = self._session.labelling.documents.document_of(opened)
        if document is not None:
            done = document.operations
        else:
            history = self._own.get(opened)
            done = history.operations if history is not None else []
        return [dict(each) for each in operations_for(done, opened.model)]

    def do(self, operation: dict[str, Any]) -> bool:
        """Smooth or fill the predictions on screen; False, and a sentence, if that fails."""
        session, opened = self._session, self._session.current
        if opened is None or opened.poses is None:
            return False
        operation = {**operation, "model": opened.model}
        try:
            check_operation(operation)
        except VitFaceError as error:
            session.tell(str(error), "error")
            return False
        edit = PredictionEdit(describe_operation(operation), operation)
        if session.labelling.document is not None:
            return session.labelling.do(edit)
        self._history(opened, opened.poses).do(edit)
        self.refresh()
        return True

    @property
    def undo_text(self) -> str:
        """What `undo` takes back, which may be a correction of a point; empty if nothing."""
        history = self._current_history()
        return history.undo_text if history is not None else ""

    @property
    def redo_text(self) -> str:
        """What `redo` does again; empty if there is nothing."""
        history = self._current_history()
        return history.redo_text if history is not None else ""

    def undo(self) -> bool:
        """Take back the last edit of the current video."""
        if self._session.labelling.document is not None:
            return self._session.labelling.undo()
        history = self._current_history()
        if history is None or history.undo() is None:
            return False
        self.refresh()
        return True

    def redo(self) -> bool:
        """Do again what was undone last."""
        if self._session.labelling.document is not None:
            return self._session.labelling.redo()
        history = self._current_history()
        if history is None or history.redo() is None:
            return False
        self.refresh()
        return True

    def _current_history(self) -> EditHistory | None:
        session = self._session
        if session.labelling.document is not None:
            return session.labelling.document.history
        return self._own.get(session.current) if session.current is not None else None

    def _history(self, opened: OpenVideo, poses: PoseTable) -> EditHistory:
        history = self._own.get(opened)
        if history is None:
            history = self._own[opened] = EditHistory(FrameLabels(poses.keypoints))
        return history

    def _on_document(self) -> None:
        """Let a document that has come take over what was done without one."""
        session, opened = self._session, self._session.current
        if opened is not None and session.labelling.document is not None:
            history = self._own.pop(opened, None)
            for edit in history.done if history is not None else ():
                if not session.labelling.do(edit):
                    break
        self.refresh()

    # ----------------------------------------------------------------- what comes of it

    def predictions(self, opened: OpenVideo) -> PoseTable | None:
        """The predictions of a video as they are shown."""
        result = self._results.get(opened)
        if result is not None and result[0] is opened.poses:
            return result[2]
        return opened.poses

    def refresh(self, *, new: bool = False) -> None:
        """Do the operations of the current video and show the result, soon if it takes long.

        Parameters
        ----------
        new : bool
            The video has other poses; they are shown in any case.
        """
        session, opened = self._session, self._session.current
        if opened is None:
            self._wanted, self.share = None, None
            return
        poses, operations = opened.poses, self.operations_of(opened)
        before = self._results.get(opened)
        if before is not None and before[0] is not poses:
            before = None
        # Predictions that are still coming in are shown as they come.
        if poses is None or not operations or session.prediction.is_filling(opened):
            self._wanted, self.share = None, None
            if self._results.pop(opened, None) is not None or new:
                self._show(opened)
        elif before is not None and before[1] == operations:
            self._wanted, self.share = None, None
            if new:
                self._show(opened)
        elif self._wanted is None or self._wanted != (id(poses), operations):
            start, rest = poses, operations
            if before is not None and before[1] == operations[: len(before[1])]:
                start, rest = before[2], operations[len(before[1]) :]
            self._work(opened, poses, operations, start, rest)
            if new and self.share is not None:
                self._show(opened)
        self.changed.emit()

    def _work(
        self,
        opened: OpenVideo,
        poses: PoseTable,
        operations: Operations,
        start: PoseTable,
        rest: Operations,
    ) -> None:
        """Get from `start` to the result by the operations that are left; then show it."""
        session = self._session
        wanted = self._wanted = (id(poses), operations)

        def done(result: PoseTable | Exception) -> None:
            if self._wanted is not wanted:
                return
            self._wanted, self.share = None, None
            if isinstance(result, Exception):
                text = str(result) if isinstance(result, VitFaceError) else repr(result)
                session.tell(f"The filters could not be applied: {text}", "error")
            else:
                self._results[opened] = (poses, operations, result)
                self._show(opened)
            self.changed.emit()

        def progress(share: float) -> None:
            if self._wanted is not wanted or session.closed:
                raise _Outdated
            self.share = share

        if len(poses) <= _AT_ONCE:
            try:
                result: PoseTable | Exception = apply_operations(start, rest)
            except VitFaceError as error:
                result = error
            done(result)
        else:
            self.share = 0.0
            session.in_background(lambda: apply_operations(start, rest, progress), done)

    def _show(self, opened: OpenVideo) -> None:
        if opened is self._session.current:
            self._session.poses_changed.emit()
            self._session.draw_pose()

    def _on_run(self) -> None:
        """When the last prediction has come in, filter it."""
        opened = self._session.current
        filling = opened is not None and self._session.prediction.is_filling(opened)
        if filling != self._was_filling:
            self._was_filling = filling
            self.refresh()
