"""The Events dock: a timeline below the canvas, linked with the slider."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QColorDialog,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QPushButton,
)

from napari_vitface.events.columns import Unit
from napari_vitface.events.format import EVENT_FORMATS, EventFormat, unit_of
from napari_vitface.gui.background_writing import save_as
from napari_vitface.gui.correct.keys import (
    timeline_commands,
    words_with_key,
    words_with_timeline_key,
)
from napari_vitface.gui.events.timeline import Timeline
from napari_vitface.gui.events.toolbar import EventsToolbar
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import OpenVideo
from napari_vitface.gui.plugin_docks import EVENTS
from napari_vitface.gui.section import Note, row_of, stack
from napari_vitface.gui.session_dock import SessionDock, SessionPanel
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.outputs import output_path

if TYPE_CHECKING:
    from napari_vitface.events.merge import EventsConflict
    from napari_vitface.project.event_document import EventDocument


class EventsPanel(SessionPanel):
    """The timeline of the video on screen, what is done with it, and what is said of it."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(session)
        self.annotating = session.annotating
        self.toolbar = EventsToolbar()
        self.timeline = Timeline(self._press)
        self.note = Note()
        self.mine_button = QPushButton("Keep mine")
        self.theirs_button = QPushButton("Take those on disk")
        self.choice = row_of(self.mine_button, self.theirs_button)
        layout = stack(self, self.toolbar, self.note, self.choice, spacing=3, margins=(4, 3, 4, 3))
        layout.addWidget(self.timeline, 1)
        layout.addStretch(0)
        layout.addWidget(self.waiting)
        self._connect_own()
        annotating = self.annotating
        for signal, slot in (
            (session.video_changed, self._on_video),
            (session.frame_changed, self._on_frame),
            (session.time_in_view.changed, self.timeline.show_frames),
            (annotating.changed, self._on_events),
            (annotating.selection_changed, self._on_selection),
            (annotating.state_changed, self._on_state),
            (annotating.hinted, self._on_hint),
            (annotating.conflict_found, self._on_conflict),
        ):
            self.connections.connect(signal, slot)
        self._on_video()

    def _connect_own(self) -> None:
        bar, line = self.toolbar, self.timeline
        bar.label_chosen.connect(self._to("choose"))
        bar.add_label_pressed.connect(self.ask_for_label)
        bar.add_entry(bar.label_menu, "Rename…", self.ask_for_name)
        bar.add_entry(bar.label_menu, "Colour…", self.ask_for_colour)
        bar.add_entry(bar.label_menu, "Remove with its events", self.remove_label)
        bar.add_entry(bar.label_menu, "Give to the selected event", self._to("relabel"))
        for command, button, words in (
            ("mark", bar.mark_button, "Begin an event of this label here; again: end it"),
            ("mark_point", bar.point_button, "An event without duration at this frame"),
        ):
            button.clicked.connect(self._to(command))
            button.setToolTip(words_with_key(command, words))
        for command, button, words in (
            ("delete", bar.delete_button, "Delete the selected event"),
            ("undo", bar.undo_button, "Take back the last edit of events"),
            ("redo", bar.redo_button, "Do again what was undone"),
        ):
            button.clicked.connect(self._to(command))
            button.setToolTip(words_with_timeline_key(command, words))
        bar.save_button.clicked.connect(self._to("save"))
        bar.fit_button.clicked.connect(line.fit)
        bar.import_button.clicked.connect(lambda: self.ask_for_import())
        for each in EVENT_FORMATS.values():
            if each.write is not None:
                title = f"{each.title[:1].upper()}{each.title[1:]}…"
                bar.add_entry(bar.export_menu, title, partial(self.ask_for_export, each))
        self.mine_button.clicked.connect(lambda: self._to("resolve")(True))
        self.theirs_button.clicked.connect(lambda: self._to("resolve")(False))
        line.drawn.connect(lambda new: self._to("draw")(new.label, new.onset, new.offset))
        line.moved.connect(self._to("change"))
        line.selected.connect(self._to("select"))
        line.label_chosen.connect(self._to("choose"))
        line.sought.connect(self.session.go_to)
        line.range_changed.connect(self.session.time_in_view.show)

    def _to(self, command: str) -> Callable[..., None]:
        """A slot that hands on what the user does to the events."""
        work = getattr(self.annotating, command)

        def slot(*values: Any) -> None:
            # Buttons tell whether they are pressed down.
            work(*(() if values == (False,) and command != "resolve" else values))

        return slot

    # ----------------------------------------------------------------- what is shown

    def _on_video(self) -> None:
        self.note.say("")
        self.choice.setVisible(False)
        self._show_length()
        self.timeline.set_frame(self.session.frame)
        self._on_events()
        self._on_selection()
        self._on_state()

    @given("session.current")
    def _show_length(self, opened: OpenVideo) -> None:
        video = opened.video
        self.timeline.set_length(len(video), video.times if video.frame_rate > 0 else None)

    def _on_frame(self, frame: int) -> None:
        self.timeline.set_frame(frame)
        if self.isVisible():
            self.timeline.bring_into_view(frame)

    def _on_events(self) -> None:
        annotating = self.annotating
        labels = annotating.labels
        self.timeline.set_events(annotating.events, labels)
        self.timeline.say("" if labels else "Press New label… to begin: each has a lane here.")
        self.toolbar.show_labels(labels, annotating.label)
        self.timeline.set_selected(annotating.selected, annotating.label)
        self._show_waiting()

    def _on_selection(self) -> None:
        annotating = self.annotating
        self.timeline.set_selected(annotating.selected, annotating.label)
        self.toolbar.labels.setCurrentText(annotating.label)
        self.toolbar.delete_button.setEnabled(annotating.selected is not None)
        self.toolbar.mark_button.setText("Mark" if annotating.begun is None else "End here")

    def _on_state(self) -> None:
        bar = self.toolbar
        bar.line.setText(self.annotating.line)
        # Those of the events that were there before would still be told.
        for command, button in (("undo", bar.undo_button), ("redo", bar.redo_button)):
            button.setToolTip(words_with_timeline_key(command, button.text()))
        bar.line.setToolTip("")
        self._show_document()
        if self.annotating.conflict is None:
            self.choice.setVisible(False)

    @given("annotating.document")
    def _show_document(self, document: EventDocument) -> None:
        """What can be done to it; without one the whole toolbar is of no use."""
        bar, history = self.toolbar, document.history
        bar.line.setToolTip(str(document.path))
        bar.undo_button.setEnabled(history.can_undo)
        bar.redo_button.setEnabled(history.can_redo)
        for command, button, what in (
            ("undo", bar.undo_button, history.undo_text),
            ("redo", bar.redo_button, history.redo_text),
        ):
            words = f"{button.text()}: {what}" if what else button.text()
            button.setToolTip(words_with_timeline_key(command, words))
        bar.save_button.setEnabled(document.unsaved)

    def _on_hint(self, text: str) -> None:
        self.note.say(text, "info")

    def _on_conflict(self, conflict: EventsConflict) -> None:
        self.note.say(str(conflict), "warning")
        self.choice.setVisible(True)

    def _show_waiting(self) -> None:
        text = self.session.made.waiting_elsewhere
        if not text and self.annotating.document is None:
            text = (
                self.annotating.documents.problem or "The events of this video are being opened …"
            )
        self.waiting.setText(text)
        self.timeline.setVisible(not text)
        self.toolbar.set_usable(not text)

    # ----------------------------------------------------------------- what is asked

    def ask_for_label(self) -> None:
        """Ask for the name of a new label."""
        name, given = QInputDialog.getText(self, "New label", "What is to be marked?")
        if given:
            self.annotating.add_label(name)

    def ask_for_name(self) -> None:
        """Ask for another name of the chosen label."""
        old = self.annotating.label
        name, given = QInputDialog.getText(self, "Rename", f"{old} is to be called", text=old)
        if given and name != old:
            self.annotating.rename_label(old, name)

    def ask_for_colour(self) -> None:
        """Ask for another colour of the chosen label."""
        annotating = self.annotating
        now = next((each.colour for each in annotating.labels if each.name == annotating.label), "")
        colour = QColorDialog.getColor(QColor(now), self, f"Colour of {annotating.label}")
        if colour.isValid():
            annotating.recolour(annotating.label, colour.name())

    def remove_label(self) -> None:
        """Take the chosen label and its events away; Undo brings the events back."""
        self.annotating.remove_label(self.annotating.label)

    @given("session.current")
    def ask_for_import(self, opened: OpenVideo) -> None:
        """Ask for a file of events, and for its unit if it does not say it."""
        start = str(opened.path.parent)
        kinds = "Events (*.csv *.tsv *.txt);;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self, "Import events", start, kinds)
        if not name:
            return
        path = Path(name)
        unit: Unit | None = None
        if unit_of(path) is None:
            unit = self._ask_for_unit(path)
            if unit is None:
                return
        self.annotating.import_file(path, unit)

    def _ask_for_unit(self, path: Path) -> Unit | None:
        question = QMessageBox(self)
        question.setWindowTitle("Import events")
        question.setText(f"What does {path.name} count?")
        frames = question.addButton("Frames", QMessageBox.ButtonRole.AcceptRole)
        seconds = question.addButton("Seconds", QMessageBox.ButtonRole.AcceptRole)
        question.addButton(QMessageBox.StandardButton.Cancel)
        question.exec_()
        chosen = question.clickedButton()
        return "frames" if chosen is frames else "seconds" if chosen is seconds else None

    @given("session.current")
    def ask_for_export(self, opened: OpenVideo, kind: EventFormat) -> None:
        """Ask for a file and write the events to it."""
        ending = kind.endings[0]
        added = ending if ending.startswith(".") else f"_{ending}"
        start = output_path(opened.path, added)
        write = partial(self.annotating.export_file, format=kind.name)
        save_as(self, "Export events", start, f"*{ending}", added, write, others=True)

    # ----------------------------------------------------------------- the widget

    def _press(self, event: QKeyEvent) -> bool:
        """Carry out the command of a key of the timeline, if it is one."""
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        name = QKeySequence(event.key()).toString(QKeySequence.SequenceFormat.PortableText)
        held = [text for text, down in (("Ctrl", control), ("Shift", shift)) if down]
        pressed = "+".join([*held, "Delete" if name == "Del" else name])
        for command, key in timeline_commands().items():
            if pressed in key.bindings:
                self._to(command)()
                return True
        return False

    def set_colours(self, text: QColor, back: QColor) -> None:
        """Take over colours of the theme."""
        self.timeline.set_colours(text, back, QColor(text))


class EventsDock(SessionDock):
    """The timeline of events of one viewer."""

    name = EVENTS
    shows = EventsPanel
    size_wanted = (900, 210)
    least_size = (400, 120)
