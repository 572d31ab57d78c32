"""Buttons that go from frame to frame: labelled, suggested, of low confidence."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_vitface.gui.correct.keys import words_with_key
from napari_vitface.gui.numbers import digits
from napari_vitface.gui.section import set_role
from napari_vitface.gui.workbench import Workbench

_KINDS = {
    "labelled": "Labelled frames",
    "suggested": "Suggested frames",
    "low_confidence": "Low confidence",
}


class FrameButtons(QWidget):
    """For each kind of frame how many there are, and buttons to the one before and the next."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.counts: dict[str, QLabel] = {}
        self.buttons: dict[str, tuple[QPushButton, QPushButton]] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        for row, (kind, title) in enumerate(_KINDS.items()):
            count = QLabel("0")
            set_role(count, "value")
            pair = (
                self._button("◂", f"previous_{kind}", f"{title}: the one before"),
                self._button("▸", f"next_{kind}", f"{title}: the next"),
            )
            grid.addWidget(QLabel(title), row, 0)
            grid.addWidget(count, row, 1)
            grid.addWidget(pair[0], row, 2)
            grid.addWidget(pair[1], row, 3)
            self.counts[kind], self.buttons[kind] = count, pair

    def refresh(self) -> None:
        """Count again."""
        labels, marks = self._session.labelling.labels, self._session.marks
        numbers = {
            "labelled": len(labels),
            "suggested": len(marks.suggested),
            "low_confidence": len(marks.low_confidence),
        }
        for kind, number in numbers.items():
            self.counts[kind].setText(digits(number))
            for button in self.buttons[kind]:
                button.setEnabled(number > 0)

    def _button(self, text: str, command: str, words: str) -> QPushButton:
        button = QPushButton()
        button.setText(text)
        button.setToolTip(words_with_key(command, words))
        button.setAccessibleName(words)
        button.setAutoRepeat(True)
        button.setFixedWidth(40)
        # A click leaves the keys with the canvas.
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda: self._session.labelling.run(command))
        return button
