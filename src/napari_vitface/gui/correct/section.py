"""Section 4: correct points, or place them, and never lose one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QFlowLayout

from napari_vitface.gui.correct import point_icon
from napari_vitface.gui.correct.canvas import MOVE, PLACE
from napari_vitface.gui.correct.frame_buttons import FrameButtons
from napari_vitface.gui.correct.key_table import KeyTable
from napari_vitface.gui.correct.keypoint_list import KeypointList
from napari_vitface.gui.correct.keys import words_with_key
from napari_vitface.gui.correct.project_bar import ProjectBar
from napari_vitface.gui.correct.project_conflicts import ConflictPanel
from napari_vitface.gui.given import given
from napari_vitface.gui.section import Fold, Section, WrappedLabel, row_of, set_look, set_role
from napari_vitface.gui.which_frames.audit_panel import AuditPanel
from napari_vitface.gui.which_frames.suggest_panel import SuggestPanel
from napari_vitface.gui.workbench import Workbench

if TYPE_CHECKING:
    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.document import LabelDocument

_LEGEND = (
    (point_icon.PREDICTED, "predicted"),
    (point_icon.LABELLED, "placed"),
    (point_icon.OCCLUDED, "occluded"),
)
_LEGEND_COLOUR = "#ff9a3d"


class CorrectSection(Section):
    """Project, what is saved, tools, the keypoints of the frame, frames to go to, keys."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(4, "Correct")
        self._session = session
        labelling = self._labelling = session.labelling
        self.project = ProjectBar(session)
        self.saved = WrappedLabel("", "value")
        self.undo_button = self._button("Undo", "undo", "Undo")
        self.redo_button = self._button("Redo", "redo", "Redo")
        self.save_button = self._button("Save", "save", "Save the labels in the project")
        self.conflicts = ConflictPanel(session)
        self.move_button = self._tool_button("Move points", MOVE, "Drag points; a box selects some")
        self.place_button = self._tool_button("Place points", PLACE, "Click to place points")
        self.hint_line = WrappedLabel("", "value")
        self.frame_line = QLabel("")
        set_role(self.frame_line, "strong")
        self.list = KeypointList(session)
        self.edit_buttons = {
            "accept_all": self._button("Accept all", "accept_all", "Accept all predictions"),
            "copy_previous": self._button(
                "Copy previous",
                "copy_previous",
                "Copy what is missing from the labelled frame before",
            ),
            "occlude": self._button("Occluded", "occlude", "Hidden, but about here"),
            "delete": self._button("Not visible", "delete", "Nobody can say where it is"),
            "swap": self._button("Swap", "swap", "Swap two selected points, or left and right"),
            "forget": self._button("Take back", "forget", "Say nothing of the selected points"),
        }
        self.steps = FrameButtons(session)
        self.keys = Fold("Keys", KeyTable())

        self.add(self.project, self.saved)
        self._history = row_of(self.undo_button, self.redo_button, self.save_button)
        self.add(self._history, self.conflicts)
        self._tools = row_of(self.move_button, self.place_button)
        self.add(self._tools, self.hint_line, self.frame_line, self.list)
        self.legend = _legend()
        self.add(self.legend)
        self._edits = QWidget()
        grid = QGridLayout(self._edits)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(5)
        for place, button in enumerate(self.edit_buttons.values()):
            grid.addWidget(button, place // 2, place % 2)
        self.add(self._edits, self.steps, self.keys)
        self.suggest_panel = SuggestPanel(session)
        self.audit_panel = AuditPanel(session)
        self.which_frames = Fold("Which frames to label", self.suggest_panel)
        self.add(self.which_frames, Fold("Check the labels", self.audit_panel))

        session.video_changed.connect(self.refresh)
        session.poses_changed.connect(self.refresh)
        session.frame_changed.connect(self._on_frame)
        labelling.document_changed.connect(self.refresh)
        labelling.keypoints_changed.connect(self.refresh)
        labelling.state_changed.connect(self.refresh)
        labelling.changed.connect(self._on_frame)
        labelling.selection.changed.connect(self._refresh_frame)
        labelling.tool_changed.connect(self._refresh_frame)
        labelling.hinted.connect(self._on_hint)
        labelling.documents.changed.connect(self.refresh)
        session.marks.changed.connect(self.steps.refresh)
        self.refresh()

    # ----------------------------------------------------------------- what is shown

    def suggest_frames(self) -> None:
        """Look for frames that are worth labelling, and show them."""
        self.which_frames.button.setChecked(True)
        self.suggest_panel.suggestions.start(self.suggest_panel.count.value())

    def refresh(self, *_: Any) -> None:
        """Bring everything up to date with the session."""
        session, labelling = self._session, self._labelling
        waits = labelling.keypoints is None
        self.set_waiting(waits)
        self.project.setVisible(not session.made.waiting or labelling.project is not None)
        self.hint.setText(self._what_to_do())
        there = bool(self._show_document())
        for widget in (self.saved, self._history):
            widget.setVisible(there)
        for widget in (
            self._tools,
            self.frame_line,
            self.list,
            self.legend,
            self._edits,
            self.steps,
        ):
            widget.setVisible(not waits)
        self.conflicts.refresh()
        self.steps.refresh()
        self._refresh_frame()

    @given("_labelling.document")
    def _show_document(self, document: LabelDocument) -> bool:
        self.saved.setText(self._labelling.saving.line or "")
        history = document.history
        self.undo_button.setEnabled(history.can_undo)
        self.redo_button.setEnabled(history.can_redo)
        for command, button in (("undo", self.undo_button), ("redo", self.redo_button)):
            text = getattr(history, f"{command}_text")
            words = f"{command.capitalize()} {text}".rstrip()
            button.setToolTip(words_with_key(command, words))
        self.save_button.setEnabled(document.unsaved)
        set_look(self.save_button, "primary" if document.unsaved else "")
        return True

    def _what_to_do(self) -> str:
        labelling, waiting = self._labelling, self._session.made.waiting
        if waiting or labelling.documents.opening:
            return waiting
        if labelling.keypoints is None:
            return (
                "Waits for keypoints: predict first and correct what is wrong, or make a project "
                "and place them by hand."
            )
        if labelling.project is None:
            return (
                "Move a point that is wrong. The first time you are asked where corrections are "
                "to be kept."
            )
        return ""

    def _on_frame(self, frame: int) -> None:
        self._refresh_frame()

    def _refresh_frame(self) -> None:
        tool = self._labelling.canvas.tool
        for button, mine in ((self.move_button, MOVE), (self.place_button, PLACE)):
            button.setChecked(tool == mine)
        self.list.refresh()
        self.status = self._show_pose() or ""

    @given("_labelling.pose")
    def _show_pose(self, pose: ShownPose) -> str:
        """Say what is done of the frame on screen, and give it in a few words."""
        done, count = int(pose.said.sum()), len(pose.keypoints)
        self.frame_line.setText(f"Frame {self._session.frame}: {done} of {count} done")
        chosen = bool(self._labelling.selection.indices)
        for command in ("occlude", "delete", "forget"):
            self.edit_buttons[command].setEnabled(chosen)
        self.edit_buttons["accept_all"].setEnabled(bool((pose.drawn & ~pose.said).any()))
        self._on_hint("")
        return f"{done} of {count}"

    def _on_hint(self, text: str) -> None:
        self.hint_line.setText(text or self._words_of_tool() or "")

    @given("_labelling.keypoints")
    def _words_of_tool(self, keypoints: KeypointSet) -> str:
        tool, target = self._labelling.canvas.tool, self._labelling.selection.target
        if tool == PLACE and target is not None:
            return f"Click on the {keypoints.names[target]}."
        if tool == PLACE:
            return "Every keypoint of this frame is there."
        if tool == MOVE:
            return "Drag a point to where it belongs."
        return "Press T, or one of these, to begin."

    # ----------------------------------------------------------------- buttons

    def _button(self, text: str, command: str, words: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(words_with_key(command, words))
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self._labelling.run(command))
        return button

    def _tool_button(self, text: str, tool: str, words: str) -> QPushButton:
        button = QPushButton(text)
        button.setCheckable(True)
        button.setToolTip(words_with_key("switch_tool", words))
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

        def take() -> None:
            self._labelling.canvas.take_tool(tool)
            self._refresh_frame()

        button.clicked.connect(take)
        return button


def _legend() -> QWidget:
    """What the looks of points mean, in one line."""
    row = QWidget()
    line = QFlowLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setHorizontalSpacing(10)
    line.setVerticalSpacing(2)
    for look, words in _LEGEND:
        entry = QWidget()
        pair = QHBoxLayout(entry)
        pair.setContentsMargins(0, 0, 0, 0)
        pair.setSpacing(4)
        picture = QLabel()
        alpha = 0.6 if look == point_icon.PREDICTED else 1.0
        picture.setPixmap(point_icon.point_icon(look, _LEGEND_COLOUR, alpha).pixmap(16, 16))
        text = QLabel(words)
        set_role(text, "hint")
        pair.addWidget(picture)
        pair.addWidget(text)
        line.addWidget(entry)
    row.setToolTip(
        "Predicted points fade as their confidence falls. Points that are not visible are in the "
        "list only."
    )
    return row
