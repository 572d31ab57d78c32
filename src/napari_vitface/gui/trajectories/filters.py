"""Smoothing and gap filling of the predictions on screen, as edits that are undone and redone.

Predictions on disk and in `OpenVideo.poses` are never changed: what is shown is these with the
operations that are done applied to them. In a project the operations are edits of the video's
document, in one history with the corrections, journal and all. Without a project they are kept in a
history of their own until the window is closed, and move into the document once there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.kinematics.operations import (
    apply_operations,
    check_operation,
    describe_operation,
)
from napari_vitface.pose.edits import EditHistory, Operation, PredictionEdit
from napari_vitface.pose.labels import FrameLabels

if TYPE_CHECKING:
    from napari_vitface.gui.correct.labelling import Labelling
    from napari_vitface.gui.open_video import OpenVideo, Operations
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session
    from napari_vitface.pose.table import PoseTable

#: Operations on the predictions of so many frames are done while the user waits.
_AT_ONCE = 20_000


class _Outdated(Exception):
    """Ends work on operations that are not the ones that are done any more."""


class Filters:
    """The operations of each open video, and the predictions that they give."""

    #: Other operations are done, or the work on them began, went on or ended.
    changed = Signal()

    def __init__(self, session: Session, labelling: Labelling, prediction: Prediction) -> None:
        self._session = session
        self._labelling = labelling
        self._prediction = prediction
        #: What is being worked on, and the share that is done.
        self._wanted: tuple[int, Operations] | None = None
        self.share: float | None = None
        session.poses_given.connect(self._on_poses)
        labelling.document_changed.connect(self._on_document)
        labelling.operations_changed.connect(lambda: self.refresh())
        labelling.state_changed.connect(self.changed)
        prediction.changed.connect(self._on_run)
        self._was_filling = False

    # ----------------------------------------------------------------- what is done

    @property
    def operations(self) -> Operations:
        """Operations that are done to the predictions on screen, in order."""
        opened = self._session.current
        return opened.operations if opened is not None else []

    def do(self, operation: Operation) -> bool:
        """Smooth or fill the predictions on screen; False, and a sentence, if that fails."""
        session, opened = self._session, self._session.current
        if opened is None or opened.poses is None:
            return False
        operation = {**operation, "model": opened.model}
        try:
            check_operation(operation)
        except Exception as error:
            session.tell(sentence_of("the filter", error), "error")
            return False
        edit = PredictionEdit(describe_operation(operation), operation)
        if self._labelling.document is not None:
            return self._labelling.do(edit)
        if opened.own is None:
            opened.own = EditHistory(FrameLabels(opened.poses.keypoints))
        opened.own.do(edit)
        self.refresh()
        return True

    @property
    def undo_text(self) -> str:
        """What `Labelling.undo` takes back, perhaps a correction of a point; empty if nothing."""
        history = self._current_history()
        return history.undo_text if history is not None else ""

    @property
    def redo_text(self) -> str:
        """What `Labelling.redo` does again; empty if there is nothing."""
        history = self._current_history()
        return history.redo_text if history is not None else ""

    def _current_history(self) -> EditHistory | None:
        opened = self._session.current
        return opened.history if opened is not None else None

    def _on_poses(self, opened: OpenVideo) -> None:
        if opened is self._session.current:
            self.refresh(new=True)

    def _on_document(self) -> None:
        """Let a document that has come take over what was done without one."""
        opened = self._session.current
        if opened is not None and self._labelling.document is not None:
            history, opened.own = opened.own, None
            for edit in history.done if history is not None else ():
                if not self._labelling.do(edit):
                    break
        self.refresh()

    # ----------------------------------------------------------------- what comes of it

    def refresh(self, *, new: bool = False) -> None:
        """Do the operations of the current video and show the result, soon if it takes long.

        Parameters
        ----------
        new : bool
            The video has other poses; they are shown in any case.
        """
        opened = self._session.current
        if opened is None:
            self._wanted, self.share = None, None
            return
        poses, operations = opened.poses, opened.operations
        before = opened.filtered
        if before is not None and before[0] is not poses:
            before = None
        # Predictions that are still coming in are shown as they come.
        if poses is None or not operations or self._prediction.is_filling(opened):
            self._wanted, self.share = None, None
            was, opened.filtered = opened.filtered, None
            if was is not None or new:
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
                session.tell(sentence_of("applying the filters", result), "error")
            else:
                opened.filtered = (poses, operations, result)
                self._show(opened)
            self.changed.emit()

        def progress(share: float) -> None:
            if self._wanted is not wanted or session.closed:
                raise _Outdated
            self.share = share

        if len(poses) <= _AT_ONCE:
            try:
                result: PoseTable | Exception = apply_operations(start, rest)
            except Exception as error:
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
        filling = opened is not None and self._prediction.is_filling(opened)
        if filling != self._was_filling:
            self._was_filling = filling
            self.refresh()
