"""Which frames to label: a button that looks for them, and the list of what was found."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.open_video import Suggestion
from napari_vitface.gui.run_progress import RunProgress, say_end
from napari_vitface.gui.section import Note, WrappedLabel, beside, set_look, stack
from napari_vitface.gui.which_frames.frame_rows import FrameRow, FrameRows
from napari_vitface.gui.workbench import Workbench

_WHAT_IT_DOES = (
    "Finds frames where the model is unsure, jumps or contradicts itself, and that differ from "
    "each other and from those you labelled."
)


class SuggestPanel(QWidget):
    """For the Correct section."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.suggestions = suggestions = session.suggestions
        self._shown: tuple[Suggestion, ...] = ()
        self.hint = WrappedLabel()
        self.count = QSpinBox()
        self.count.setRange(1, 200)
        self.count.setValue(20)
        self.count.setSuffix(" frames")
        self.count.setToolTip("How many frames to suggest at most")
        self.button = QPushButton("Suggest")
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(lambda: suggestions.start(self.count.value()))
        self.progress = RunProgress(suggestions, "frame", "Stop looking")
        self.notes = Note()
        self.found = QLabel()
        self.rows = FrameRows()
        line = beside(self.button, self.count, wide=(self.button,), spacing=6)
        stack(self, self.hint, line, self.progress, self.notes, self.found, self.rows, spacing=6)
        suggestions.changed.connect(self.refresh)
        session.video_changed.connect(self.refresh)
        session.frame_changed.connect(self._mark_rows)
        session.prediction.changed.connect(self._refresh_progress)
        session.marks.changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Bring everything up to date with the session."""
        session = self._session
        waiting, active = session.made.waiting, self.suggestions.active
        self.hint.setText(waiting or _WHAT_IT_DOES)
        self.button.setEnabled(not waiting)
        for widget in (self.button, self.count):
            widget.setVisible(not active)
        self._refresh_progress()
        say_end(self.notes, self.suggestions.last_of(session.current))
        shown = session.marks.suggestions
        set_look(self.button, "" if shown else "primary")
        self.button.setText("Suggest again" if shown else "Suggest")
        if shown != self._shown:
            self._shown = shown
            self.rows.set_rows([self._row(suggestion) for suggestion in shown])
        self._mark_rows()

    def _refresh_progress(self) -> None:
        waiting = "Waits for the prediction to end" if self._session.prediction.active else ""
        self.progress.show_run(
            self.suggestions.last, waiting=waiting, stopping="Stopping after a few frames …"
        )

    def _row(self, suggestion: Suggestion) -> FrameRow:
        why = suggestion.why[:1].upper() + suggestion.why[1:] + "."
        row = FrameRow(f"Frame {digits(suggestion.frame)}", why)
        row.clicked.connect(lambda: self._session.go_to(suggestion.frame))
        return row

    def _mark_rows(self, *_: Any) -> None:
        session = self._session
        done = 0
        for suggestion, row in zip(self._shown, self.rows.rows, strict=True):
            labelled = suggestion.frame in session.made.labels
            done += labelled
            row.note.setText("✓ labelled" if labelled else "")
            row.set_current(suggestion.frame == session.frame)
        self.found.setVisible(bool(self._shown))
        self.found.setText(f"{counted(len(self._shown), 'frame')}, {done} labelled")
