"""Edits of the labels of the video on screen: every command that changes points, undo and redo.

Knows napari's viewer model through the session, but no widget and no Qt. The loop of an edit is:
a command makes points of what is shown, `LabelDocument.do` writes them to the journal and carries
them out, signals tell it, and the K rows of the frame on screen are drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from psygnal import Signal

from napari_vitface.gui.correct import point_commands
from napari_vitface.gui.correct.edited_frame import EditedFrame
from napari_vitface.gui.correct.saving import LabelSaving, not_written
from napari_vitface.gui.correct.selection import KeypointSelection
from napari_vitface.gui.given import given
from napari_vitface.pose.edits import Edit, EditHistory, LabelEdit, make_edit
from napari_vitface.pose.labels import FrameLabels, Point

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

    #: An edit that waits: video, frame, what it does, and the points by their names.
    _Waiting = tuple[OpenVideo, int, str, dict[str, Point]]

P = ParamSpec("P")


def _on_frame(
    edit: Callable[Concatenate[LabelEditing, EditedFrame, P], bool],
) -> Callable[Concatenate[LabelEditing, P], bool]:
    """An edit of the frame on screen; without one, nothing is done."""

    @wraps(edit)
    def command(self: LabelEditing, *args: P.args, **kwargs: P.kwargs) -> bool:
        frame = self.edited_frame()
        return frame is not None and edit(self, frame, *args, **kwargs)

    return command


class LabelEditing:
    """Edits act on the frame on screen, and without arguments on the selected keypoints.

    What cannot be done is said by `hinted`, what failed by `Session.told`; neither raises.
    """

    #: The labels of a frame changed.
    changed = Signal(int)
    #: Another document (or none) belongs to the video on screen.
    document_changed = Signal()
    #: Names, skeleton, pairs or number of the keypoints shown changed.
    keypoints_changed = Signal()
    #: What can be undone, or what is saved, changed.
    state_changed = Signal()
    #: Other operations on predictions are done.
    operations_changed = Signal()
    #: The tool in hand changed.
    tool_changed = Signal()
    #: An edit waits for a place where labels can be kept (`drop_waiting` gives it up).
    home_wanted = Signal()
    #: A sentence on how to use it, for a line of the section.
    hinted = Signal(str)

    def __init__(self, session: Session, documents: Documents, saving: LabelSaving) -> None:
        self._session = session
        self.documents = documents
        self.selection = KeypointSelection(self)
        self._waiting: _Waiting | None = None
        self._shown_keypoints: KeypointSet | None = None
        documents.changed.connect(self._on_document)
        saving.edited.connect(self.tell_edit)
        saving.changed.connect(self.state_changed)
        saving.hinted.connect(self.hint)
        session.video_changed.connect(self._on_video)
        session.poses_changed.connect(self._on_keypoints)

    # ----------------------------------------------------------------- what there is

    @property
    def document(self) -> LabelDocument | None:
        """Labels of the current video; None while it is in no project."""
        return self.documents.document

    @property
    def project(self) -> Project | None:
        """The project of the current video, else the one used last in this window."""
        return self.documents.project

    @property
    def labels(self) -> FrameLabels:
        """Labels of the current video; none while it is in no project."""
        return self._session.made.labels

    @property
    def keypoints(self) -> KeypointSet | None:
        """What is shown: the project's keypoints, else the model's, else None."""
        return self._session.made.keypoints

    @property
    def pose(self) -> ShownPose | None:
        """The frame on screen; None where the slider is beyond the video."""
        if self._session.videos.beyond:
            return None
        return self._session.pose

    def edited_frame(self, index: int | None = None) -> EditedFrame | None:
        """A frame of the current video (default: the one on screen), if it has keypoints."""
        opened = self._session.current
        if index is None:
            if self._session.videos.beyond:
                self.hint("There is no frame here to edit: the slider is beyond the video.")
                return None
            index = self._session.frame
        pose = self._session.shown_pose(index)
        return EditedFrame(opened, index, pose) if opened and pose else None

    # ----------------------------------------------------------------- edits of points

    def move(self, places: Mapping[int, tuple[float, float]], frame: int | None = None) -> bool:
        """Put keypoints at places (x, y) in video pixels, in a frame (default: on screen)."""
        edited = self.edited_frame(frame)
        if edited is None:
            return False
        points = point_commands.moved(edited.pose, places, edited.size)
        return self._edit(edited, f"move {edited.name(points)}", points)

    @_on_frame
    def place(self, frame: EditedFrame, x: float, y: float) -> bool:
        """Put the keypoint whose turn it is at a place in video pixels, as a click does."""
        size, target = frame.size, self.selection.target
        if target is None:
            self.hint(
                "Every keypoint of this frame is there. To place one again choose it in the list; "
                "to move one, press T and drag it."
            )
            return False
        if not (-0.5 <= x <= size[1] - 0.5 and -0.5 <= y <= size[0] - 0.5):
            self.hint("That was outside of the frame.")
            return False
        points = {target: point_commands.moved(frame.pose, {target: (x, y)}, size)[target]}
        points = {k: point_commands.labelled(p.x, p.y) for k, p in points.items()}
        self.selection.forget_choice()
        done = self._edit(frame, f"place {frame.name(points)}", points)
        self.selection.changed.emit()
        return done

    @_on_frame
    def delete(self, frame: EditedFrame, keypoints: Iterable[int] | None = None) -> bool:
        """Call keypoints (default: the selected) not visible."""
        chosen = self._chosen() if keypoints is None else tuple(keypoints)
        points = point_commands.not_visible(chosen)
        return self._edit(frame, f"mark {frame.name(points)} not visible", points)

    @_on_frame
    def occlude(self, frame: EditedFrame) -> bool:
        """Call the selected keypoints occluded where they are; again, visible."""
        points = point_commands.occlusion_changed(frame.pose, self._chosen())
        back = any(p.state == point_commands.PointState.LABELLED for p in points.values())
        words = "visible" if back else "occluded"
        return self._edit(frame, f"mark {frame.name(points)} {words}", points)

    @_on_frame
    def accept_all(self, frame: EditedFrame) -> bool:
        """Turn all predictions of the frame into labels."""
        return self._accept(frame, None)

    @_on_frame
    def accept_selected(self, frame: EditedFrame) -> bool:
        """Turn the predictions of the selected keypoints into labels."""
        chosen = self._chosen()
        return self._accept(frame, chosen) if chosen else False

    def _accept(self, frame: EditedFrame, keypoints: Iterable[int] | None) -> bool:
        points = point_commands.accepted(frame.pose, keypoints)
        if not points:
            self.hint("There is no prediction to accept here.")
            return False
        return self._edit(frame, f"accept {frame.name(points, 'prediction')}", points)

    @_on_frame
    def copy_previous(self, frame: EditedFrame) -> bool:
        """Say what the labelled frame before says, of keypoints of which this one says nothing."""
        labels = frame.opened.labels
        before = labels.preceding(frame.index)
        if before is None:
            self.hint("There is no labelled frame before this one.")
            return False
        there = {k: labels.point(before, k) for k in range(len(frame.pose.keypoints))}
        points = point_commands.copied(frame.pose, there)
        if not points:
            self.hint(f"Frame {before} has nothing that is missing here.")
            return False
        return self._edit(frame, f"copy {frame.name(points)} from frame {before}", points)

    @_on_frame
    def swap(self, frame: EditedFrame) -> bool:
        """Let two selected keypoints, or left and right, change places."""
        keypoints = frame.pose.keypoints
        pairs = point_commands.swap_pairs(keypoints, self.selection.indices)
        if not pairs:
            self.hint(
                "Select two points to swap (Shift+click adds the second), or name left/right "
                "pairs under Keypoints…"
            )
            return False
        points = point_commands.swapped(frame.pose, pairs)
        what = " and ".join(keypoints.names[k] for k in pairs[0])
        return self._edit(frame, f"swap {what if len(pairs) == 1 else 'left and right'}", points)

    @_on_frame
    def forget(self, frame: EditedFrame) -> bool:
        """Take back what was said of the selected keypoints; predictions show again."""
        points = point_commands.forgotten(self._chosen())
        return self._edit(frame, f"take back {frame.name(points)}", points)

    @_on_frame
    def nudge(self, frame: EditedFrame, dx: float, dy: float) -> bool:
        """Move the selected keypoints by pixels of the video."""
        points = point_commands.nudged(frame.pose, self._chosen(), dx, dy, frame.size)
        return self._edit(frame, f"nudge {frame.name(points)}", points)

    def nudge_left(self) -> bool:
        """Move the selected keypoints one pixel to the left."""
        return self.nudge(-1, 0)

    def nudge_right(self) -> bool:
        """Move the selected keypoints one pixel to the right."""
        return self.nudge(1, 0)

    def nudge_up(self) -> bool:
        """Move the selected keypoints one pixel up."""
        return self.nudge(0, -1)

    def nudge_down(self) -> bool:
        """Move the selected keypoints one pixel down."""
        return self.nudge(0, 1)

    # ----------------------------------------------------------------- doing and undoing

    def do(self, edit: Edit) -> bool:
        """Carry out any edit of the current document; False, and a sentence, if that fails."""
        document = self.document
        if document is None:
            self.hint("Labels need a project first.")
            return False

        def work() -> Edit:
            document.do(edit)
            return edit

        return self._carry_out(work)

    def undo(self) -> bool:
        """Take back the last edit, and show the frame that it was on."""
        return self._step(back=True)

    def redo(self) -> bool:
        """Do again what was undone last, and show the frame that it is on."""
        return self._step(back=False)

    def _step(self, *, back: bool) -> bool:
        document = self.document
        if document is None:
            if self._step_own(EditHistory.undo if back else EditHistory.redo):
                return True
        elif document.history.can_undo if back else document.history.can_redo:
            return self._carry_out(document.undo if back else document.redo, show=True)
        self.hint(f"There is nothing to {'undo' if back else 'redo'}.")
        return False

    def _step_own(self, step: Callable[[EditHistory], Edit | None]) -> bool:
        """Undo or redo operations on a video without a document; False if there are none."""
        if step(self._session.made.own) is None:
            return False
        self.operations_changed.emit()
        return True

    def _carry_out(self, work: Callable[[], Edit | None], show: bool = False) -> bool:
        try:
            edit = work()
        except Exception as error:
            # Also a fault of ours must leave the labels and the window as they are.
            self._session.tell(not_written(error), "error")
            self.state_changed.emit()
            # What is on screen may be what was wanted and not what is.
            self._session.draw_pose()
            return False
        if edit is not None:
            self.tell_edit(edit, show)
        return True

    def tell_edit(self, edit: Edit, show: bool = False) -> None:
        """Draw what an edit changed, on request its frame, and let everybody know."""
        self.hint("")
        if isinstance(edit, LabelEdit):
            frames = edit.frames
            if show and self._session.frame not in frames:
                self._session.go_to(frames[0])
            if self._session.frame in frames:
                self._session.draw_pose()
            for frame in frames:
                self.changed.emit(frame)
        else:
            self.operations_changed.emit()
        self.state_changed.emit()

    def _edit(self, frame: EditedFrame, what: str, points: Mapping[int, Point]) -> bool:
        """Say something about points of a frame."""
        if not points:
            return False
        if frame.opened.document is None:
            names = frame.pose.keypoints.names
            named = {names[k]: point for k, point in points.items()}
            self._waiting = (frame.opened, frame.index, what, named)
            if self.documents.opening:
                self.hint("The labels of this video are being opened …")
            else:
                self.home_wanted.emit()
            return False
        labels = frame.opened.labels
        edit = make_edit(labels, what, {(frame.index, k): point for k, point in points.items()})
        if edit is None:
            self._session.draw_pose()
            return False
        return self.do(edit)

    # ----------------------------------------------------------------- without a project yet

    @property
    def waits(self) -> bool:
        """Whether an edit waits for a project to be kept in."""
        return self._waiting is not None

    @given("document")
    @given("_waiting")
    def _keep_waiting(self, waiting: _Waiting, document: LabelDocument) -> None:
        """Do the edit that waited, now that its video has a document."""
        (opened, index, what, named), self._waiting = waiting, None
        frame = self.edited_frame(index)
        if frame is None or frame.opened is not opened:
            return
        names = document.keypoints.names
        points = {names.index(name): point for name, point in named.items() if name in names}
        if len(points) < len(named):
            lost = ", ".join(name for name in named if name not in names)
            self._session.tell(
                f"{lost} is no keypoint of this project, so it was not labelled; Keypoints… adds "
                "it.",
                "warning",
            )
        self._edit(frame, what, points)

    def drop_waiting(self) -> None:
        """Show again what was before the edit that waited."""
        self._waiting = None
        self._session.draw_pose()
        self.hint("Not changed: corrections are kept in a project, and there is none yet.")

    # ----------------------------------------------------------------- the rest

    def hint(self, text: str) -> None:
        """Say how to go on; the empty sentence takes the last one away."""
        self.hinted.emit(text)
        if text:
            self._session.viewer.status = text

    def _chosen(self) -> tuple[int, ...]:
        if not self.selection.indices:
            self.hint("Select a point first: click on it, or on its name in the list.")
        return self.selection.indices

    def _on_document(self) -> None:
        self._on_keypoints()
        self._session.draw_pose()
        self.document_changed.emit()
        self.state_changed.emit()
        self._keep_waiting()

    def _on_video(self) -> None:
        self._waiting = None
        self.selection.forget_choice()

    def _on_keypoints(self) -> None:
        if self.keypoints != self._shown_keypoints:
            self._shown_keypoints = self.keypoints
            self.selection.forget_choice()
            self.selection.select(self.selection.indices)
            self.keypoints_changed.emit()
