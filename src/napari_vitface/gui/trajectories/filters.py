"""Smoothing and gap filling of the predictions on screen, as edits that are undone and redone.

Predictions on disk and in `OpenVideo.poses` are never changed: what is shown is these with the
operations that are done applied to them. In a project the operations are edits of the video's
document, in one history with the corrections, journal and all. Without a project they are kept in a
history of their own until the window is closed, and move into the document once there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import Made, OpenVideo, ShownPredictions, on_video
from napari_vitface.gui.predict.other_tables import read_other_model
from napari_vitface.jobs.outputs import results_folder
from napari_vitface.kinematics.operations import (
    Filtered,
    check_operation,
    describe_operation,
    filter_poses,
)
from napari_vitface.pose.edits import Operation, PredictionEdit

if TYPE_CHECKING:
    from napari_vitface.gui.correct.labelling import Labelling
    from napari_vitface.gui.open_video import Operations
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.project.document import LabelDocument

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
        # To what an operation is added that is not known to be possible yet.
        self._adding_to: tuple[int, Operations] | None = None
        #: Why what is done is not shown; empty if it is.
        self.problem = ""
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
        return self._session.made.operations

    @on_video
    @given("_session.made.poses")
    def do(self, poses: PoseTable, opened: OpenVideo, operation: Operation) -> bool:
        """Smooth or fill the predictions on screen; False, and a sentence, if that fails.

        One that names tables of other models is done as soon as they were read and fit, or told
        not to be.
        """
        session = self._session
        operation = {**operation, "model": opened.model}
        try:
            check_operation(operation)
        except Exception as error:
            session.tell(sentence_of("the filter", error), "error")
            return False
        if "tables" not in operation:
            return self._commit(opened, operation)
        if self._prediction.is_filling(opened):
            session.tell("An ensemble is smoothed when the prediction is done.", "warning")
            return False
        operations = [*opened.operations, operation]
        self._work(opened, poses, operations, lambda: self._commit(opened, operation), adds=True)
        self.changed.emit()
        return True

    def _commit(self, opened: OpenVideo, operation: Operation) -> bool:
        """Make an operation a step that can be undone."""
        edit = PredictionEdit(describe_operation(operation), operation)
        if self._labelling.document is not None:
            return self._labelling.do(edit)
        opened.own.do(edit)
        self.refresh()
        return True

    @property
    def undo_text(self) -> str:
        """What `Labelling.undo` takes back, perhaps a correction of a point; empty if nothing."""
        return self._session.made.history.undo_text

    @property
    def redo_text(self) -> str:
        """What `Labelling.redo` does again; empty if there is nothing."""
        return self._session.made.history.redo_text

    def _on_poses(self, opened: OpenVideo) -> None:
        if opened is self._session.current:
            self.refresh(new=True)

    def _on_document(self) -> None:
        """Let a document that has come take over what was done without one."""
        self._move_to_document()
        self.refresh()

    @given("_session.made.document")
    def _move_to_document(self, document: LabelDocument) -> None:
        made = self._session.made
        history, made.own = made.own, Made().own
        for edit in history.done:
            if not self._labelling.do(edit):
                break

    # ----------------------------------------------------------------- what comes of it

    def refresh(self, *, new: bool = False) -> None:
        """Do the operations of the current video and show the result, soon if it takes long.

        Parameters
        ----------
        new : bool
            The video has other poses; they are shown in any case.
        """
        if self._session.made.waiting:
            self._rest()
        self._refresh(new)

    @on_video
    def _refresh(self, opened: OpenVideo, new: bool) -> None:
        poses, operations = opened.poses, opened.operations
        if self._adding_to == (id(poses), operations):
            self.changed.emit()
            return
        before = opened.shown_filtered
        # Predictions that are still coming in are shown as they come.
        if poses is None or not operations or self._prediction.is_filling(opened):
            self._rest()
            was, opened.filtered = opened.filtered, None
            if was is not None or new:
                self._show(opened)
        elif before is not None and before.operations == operations:
            self._rest()
            if new:
                self._show(opened)
        elif self._wanted != (id(poses), operations):
            self._work(opened, poses, operations)
            if new and self.share is not None:
                self._show(opened)
        self.changed.emit()

    def _rest(self) -> None:
        """Have nothing to work on."""
        self._wanted, self._adding_to, self.share, self.problem = None, None, None, ""

    def _work(
        self,
        opened: OpenVideo,
        poses: PoseTable,
        operations: Operations,
        commit: Callable[[], bool] = lambda: True,
        adds: bool = False,
    ) -> None:
        """Do the operations that are not done yet, and show the result.

        `adds`: the last one is no step that is done yet; `commit` makes it one, once it is known
        that it can be.
        """
        session, before = self._session, opened.shown_filtered
        start, rest = poses, operations
        if before is not None:
            count = len(before.operations)
            if before.operations == operations[:count]:
                start, rest = before.filtered.poses, operations[count:]
        wanted = self._wanted = (id(poses), operations)
        self._adding_to = (id(poses), operations[:-1]) if adds else None
        self.problem = ""

        def done(result: Filtered | Exception) -> None:
            if self._wanted is not wanted or (adds and opened is not session.current):
                if adds:
                    what = describe_operation(operations[-1])
                    session.tell(f"Something else was done meanwhile: {what} was not.", "warning")
                return
            self._rest()
            if isinstance(result, Exception):
                sentence = sentence_of("applying the filters", result)
                session.tell(sentence, "error")
                self.problem = "" if adds else sentence
            else:
                was, opened.filtered = opened.filtered, ShownPredictions(poses, operations, result)
                if commit():
                    self._show(opened)
                else:
                    opened.filtered = was
            self.changed.emit()

        def progress(share: float) -> None:
            if self._wanted is not wanted or session.closed:
                raise _Outdated
            self.share = share

        def read(name: str) -> PoseTable:
            path = results_folder(opened.path) / name
            video = opened.video
            return read_other_model(path, opened.path, len(video), video.frame_rate)

        if len(poses) <= _AT_ONCE and not any("tables" in each for each in rest):
            try:
                result: Filtered | Exception = filter_poses(start, rest)
            except Exception as error:
                result = error
            done(result)
        else:
            self.share = 0.0
            session.in_background(lambda: filter_poses(start, rest, progress, read), done)

    def _show(self, opened: OpenVideo) -> None:
        if opened is self._session.current:
            self._session.poses_changed.emit()
            self._session.draw_pose()

    def _on_run(self) -> None:
        """When the last prediction has come in, filter it."""
        filling = bool(self._prediction.is_filling(self._session.current))
        if filling != self._was_filling:
            self._was_filling = filling
            self.refresh()
