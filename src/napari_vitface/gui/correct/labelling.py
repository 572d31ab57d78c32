"""Labelling of the current video: its document, every editing command, undo.

Knows napari's viewer model through the session, but no widget and no Qt. The loop of an edit is:
a command makes points of what is shown, `LabelDocument.do` writes them to the journal and carries
them out, signals tell it, and the K rows of the frame on screen are drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.gui.correct import edits as label_edits
from napari_vitface.gui.correct.canvas import LabelCanvas
from napari_vitface.gui.correct.documents import Documents
from napari_vitface.gui.correct.frame_walk import FrameWalk
from napari_vitface.gui.correct.saving import LabelSaving
from napari_vitface.gui.correct.selection import KeypointSelection
from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.shown import ShownPose
from napari_vitface.gui.unexpected import sentence_of
from napari_vitface.pose.edits import Edit, EditHistory, LabelEdit, make_edit
from napari_vitface.pose.labels import FrameLabels, Point

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.which_frames.marks import FrameMarks
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

_NO_FRAME = "There is no frame here to edit: the slider is beyond the video."
_SELECT_FIRST = "Select a point first: click on it, or on its name in the list."


class Labelling:
    """What the Correct section, the canvas and the keys call.

    Commands without arguments are those of the table in `keys.py`; they act on the frame on screen
    and on the selected keypoints. What cannot be done is said by `hinted`, what failed by
    `Session.told`; neither raises.
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
    #: An edit waits for a place where labels can be kept (`keep_waiting`, `drop_waiting`).
    home_wanted = Signal()
    #: A sentence on how to use it, for a line of the section.
    hinted = Signal(str)

    def __init__(self, session: Session, overlays: Overlays, marks: FrameMarks) -> None:
        self._session = session
        self.documents = Documents(session)
        self.selection = KeypointSelection(lambda: self.keypoints, lambda: self.pose)
        self.saving = LabelSaving(session, self)
        self.canvas = LabelCanvas(session, self, overlays)
        self.walk = FrameWalk(session, marks, self.hint)
        self._waiting: tuple[OpenVideo, int, str, dict[str, Point]] | None = None
        self._shown_keypoints: KeypointSet | None = None
        self.documents.changed.connect(self._on_document)
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
    def labels(self) -> FrameLabels | None:
        """Labels of the current video, None while it is in no project."""
        return self.document.labels if self.document is not None else None

    @property
    def keypoints(self) -> KeypointSet | None:
        """What is shown: the project's keypoints, else the model's, else None."""
        return self._session.keypoints

    @property
    def operations(self) -> list[dict[str, Any]]:
        """Operations on predictions that are done, in order."""
        return self.document.operations if self.document is not None else []

    @property
    def pose(self) -> ShownPose | None:
        """The frame on screen; None where the slider is beyond the video."""
        if self._session.videos.beyond:
            return None
        return self._session.shown_pose(self._session.frame)

    # ----------------------------------------------------------------- commands

    def switch_tool(self) -> None:
        """Change between moving points and placing them; the first time, take a tool in hand."""
        self.canvas.switch_tool()

    def run(self, command: str) -> None:
        """Carry out a command of the table of keys; a drag in progress counts up to here."""
        self.canvas.end_drag()
        owners = (self, self.selection, self.saving, self.walk)
        owner = next(owner for owner in owners if hasattr(owner, command))
        if owner is self and command not in ("undo", "redo") and self._session.videos.beyond:
            self.hint(_NO_FRAME)
            return
        getattr(owner, command)()

    # ----------------------------------------------------------------- edits of points

    def move(self, places: Mapping[int, tuple[float, float]], frame: int | None = None) -> bool:
        """Put keypoints at places (x, y) in video pixels, in a frame (default: on screen)."""
        pose = self.pose if frame is None else self._session.shown_pose(frame)
        size = self._size()
        if frame is None and self._session.videos.beyond:
            self.hint(_NO_FRAME)
        if pose is None or size is None:
            return False
        points = label_edits.moved(pose, places, size)
        return self._edit(f"move {self._name(points)}", points, frame)

    def place(self, x: float, y: float) -> bool:
        """Put the keypoint whose turn it is at a place in video pixels, as a click does."""
        pose, size, target = self.pose, self._size(), self.selection.target
        if self._session.videos.beyond:
            self.hint(_NO_FRAME)
        if pose is None or size is None:
            return False
        if target is None:
            self.hint(
                "Every keypoint of this frame is there. To place one again choose it in the list; "
                "to move one, press T and drag it."
            )
            return False
        if not (-0.5 <= x <= size[1] - 0.5 and -0.5 <= y <= size[0] - 0.5):
            self.hint("That was outside of the frame.")
            return False
        points = {target: label_edits.moved(pose, {target: (x, y)}, size)[target]}
        points = {k: label_edits.labelled(p.x, p.y) for k, p in points.items()}
        self.selection.forget_choice()
        done = self._edit(f"place {self._name(points)}", points)
        self.selection.changed.emit()
        return done

    def delete(self, keypoints: Iterable[int] | None = None) -> bool:
        """Call keypoints (default: the selected) not visible."""
        chosen = self._chosen() if keypoints is None else tuple(keypoints)
        points = label_edits.not_visible(chosen)
        return self._edit(f"mark {self._name(points)} not visible", points)

    def occlude(self) -> bool:
        """Call the selected keypoints occluded where they are; again, visible."""
        pose, chosen = self.pose, self._chosen()
        if pose is None:
            return False
        points = label_edits.occlusion_changed(pose, chosen)
        back = any(p.state == label_edits.PointState.LABELLED for p in points.values())
        return self._edit(f"mark {self._name(points)} {'visible' if back else 'occluded'}", points)

    def accept_all(self) -> bool:
        """Turn all predictions of the frame into labels."""
        return self._accept(None)

    def accept_selected(self) -> bool:
        """Turn the predictions of the selected keypoints into labels."""
        chosen = self._chosen()
        return self._accept(chosen) if chosen else False

    def _accept(self, keypoints: Iterable[int] | None) -> bool:
        pose = self.pose
        if pose is None:
            return False
        points = label_edits.accepted(pose, keypoints)
        if not points:
            self.hint("There is no prediction to accept here.")
            return False
        return self._edit(f"accept {self._name(points, 'prediction')}", points)

    def copy_previous(self) -> bool:
        """Say what the labelled frame before says, of keypoints of which this one says nothing."""
        pose, labels, frame = self.pose, self.labels, self._session.frame
        before = labels.preceding(frame) if labels is not None else None
        if pose is None or labels is None or before is None:
            self.hint("There is no labelled frame before this one.")
            return False
        there = {k: labels.point(before, k) for k in range(len(pose.keypoints))}
        points = label_edits.copied(pose, there)
        if not points:
            self.hint(f"Frame {before} has nothing that is missing here.")
            return False
        return self._edit(f"copy {self._name(points)} from frame {before}", points)

    def swap(self) -> bool:
        """Let two selected keypoints, or left and right, change places."""
        pose = self.pose
        if pose is None:
            return False
        pairs = label_edits.swap_pairs(pose.keypoints, self.selection.indices)
        if not pairs:
            self.hint(
                "Select two points to swap (Shift+click adds the second), or name left/right "
                "pairs under Keypoints…"
            )
            return False
        points = label_edits.swapped(pose, pairs)
        names = pose.keypoints.names
        what = " and ".join(names[k] for k in pairs[0])
        return self._edit(f"swap {what if len(pairs) == 1 else 'left and right'}", points)

    def forget(self) -> bool:
        """Take back what was said of the selected keypoints; predictions show again."""
        points = label_edits.forgotten(self._chosen())
        return self._edit(f"take back {self._name(points)}", points)

    def nudge(self, dx: float, dy: float) -> bool:
        """Move the selected keypoints by pixels of the video."""
        pose, size, chosen = self.pose, self._size(), self._chosen()
        if pose is None or size is None:
            return False
        points = label_edits.nudged(pose, chosen, dx, dy, size)
        return self._edit(f"nudge {self._name(points)}", points)

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

        return self._carry_out(work) is not None

    def undo(self) -> bool:
        """Take back the last edit, and show the frame that it was on."""
        document = self.document
        if document is None and self._step_own(EditHistory.undo):
            return True
        if document is None or not document.history.can_undo:
            self.hint("There is nothing to undo.")
            return False
        return self._carry_out(document.undo, show=True) is not None

    def redo(self) -> bool:
        """Do again what was undone last, and show the frame that it is on."""
        document = self.document
        if document is None and self._step_own(EditHistory.redo):
            return True
        if document is None or not document.history.can_redo:
            self.hint("There is nothing to redo.")
            return False
        return self._carry_out(document.redo, show=True) is not None

    def _step_own(self, step: Callable[[EditHistory], Edit | None]) -> bool:
        """Undo or redo operations on a video without a document; False if there are none."""
        opened = self._session.current
        if opened is None or opened.own is None or step(opened.own) is None:
            return False
        self.operations_changed.emit()
        return True

    def _carry_out(self, work: Callable[[], Edit | None], show: bool = False) -> Edit | None:
        try:
            edit = work()
        except Exception as error:
            # Also a fault of ours must leave the labels and the window as they are.
            self.fail(error)
            # What is on screen may be what was wanted and not what is.
            self._session.draw_pose()
            return None
        if edit is not None:
            self.tell_edit(edit, show)
        return edit

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

    def _edit(self, what: str, points: Mapping[int, Point], frame: int | None = None) -> bool:
        """Say something about points of a frame (default: the one on screen)."""
        if frame is None and self._session.videos.beyond:
            self.hint(_NO_FRAME)
            return False
        frame = self._session.frame if frame is None else frame
        opened, keypoints, labels = self._session.current, self.keypoints, self.labels
        if not points or opened is None or keypoints is None:
            return False
        if labels is None:
            named = {keypoints.names[k]: point for k, point in points.items()}
            self._waiting = (opened, frame, what, named)
            if self.documents.opening:
                self.hint("The labels of this video are being opened …")
            else:
                self.home_wanted.emit()
            return False
        edit = make_edit(labels, what, {(frame, k): point for k, point in points.items()})
        if edit is None:
            self._session.draw_pose()
            return False
        return self.do(edit)

    # ----------------------------------------------------------------- without a project yet

    @property
    def waits(self) -> bool:
        """Whether an edit waits for a project to be kept in."""
        return self._waiting is not None

    def keep_waiting(self) -> None:
        """Do the edit that waited, now that its video has a document."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or self.labels is None or waiting[0] is not self._session.current:
            return
        _, frame, what, named = waiting
        names = self.labels.keypoints.names
        points = {names.index(name): point for name, point in named.items() if name in names}
        if len(points) < len(named):
            lost = ", ".join(name for name in named if name not in names)
            self._session.tell(
                f"{lost} is no keypoint of this project, so it was not labelled; Keypoints… adds "
                "it.",
                "warning",
            )
        self._edit(what, points, frame)

    def drop_waiting(self) -> None:
        """Show again what was before the edit that waited."""
        self._waiting = None
        self._session.draw_pose()
        self.hint("Not changed: corrections are kept in a project, and there is none yet.")

    # ----------------------------------------------------------------- the rest

    def hint(self, text: str) -> None:
        """Say how to go on; the empty sentence takes the last one away."""
        self.hinted.emit(text)
        viewer = self._session.viewer
        if text and viewer is not None:
            viewer.status = text

    def close(self) -> None:
        """Let go of documents and keys; what is not saved is in the journal."""
        self.canvas.close()
        self.documents.close()

    def _chosen(self) -> tuple[int, ...]:
        if not self.selection.indices:
            self.hint(_SELECT_FIRST)
        return self.selection.indices

    def _name(self, points: Iterable[int], noun: str = "point") -> str:
        if self.keypoints is None:
            return ""
        return label_edits.name_of(self.keypoints, points, noun)

    def _size(self) -> tuple[int, int] | None:
        opened = self._session.current
        return frame_size(opened.layer) if opened is not None else None

    def fail(self, error: Exception) -> None:
        """Say that labels could not be written."""
        self._session.tell(sentence_of("writing the labels", error), "error")
        self.state_changed.emit()

    def _on_document(self) -> None:
        self.saving.conflict = None
        self._on_keypoints()
        self._session.draw_pose()
        self.document_changed.emit()
        self.state_changed.emit()
        if self.document is not None:
            self.keep_waiting()

    def _on_video(self) -> None:
        self._waiting = None
        self.selection.forget_choice()

    def _on_keypoints(self) -> None:
        if self.keypoints != self._shown_keypoints:
            self._shown_keypoints = self.keypoints
            self.selection.forget_choice()
            self.selection.select(self.selection.indices)
            self.keypoints_changed.emit()
