"""A list of frames with a reason for each; a click goes to the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import WrappedLabel, set_property, set_role, stack

#: Rows shown before the user asks for all.
SHOWN = 8


class FrameRow(QFrame):
    """One frame: a line in strong letters, a few words at its right, the reason, and buttons."""

    clicked = Signal()

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        set_role(self, "row")
        set_property(self, "current", "false")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"{title}: {text}")
        self.title = QLabel(title)
        set_role(self.title, "strong")
        self.note = QLabel()
        set_role(self.note, "hint")
        self.text = WrappedLabel(text, "value")
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.note)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(6)
        stack(self, head, self.text, self._buttons, spacing=3, margins=(6, 4, 6, 5))
        for label in (self.title, self.note, self.text):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def add_button(self, text: str, words: str, press: Callable[[], None]) -> QPushButton:
        """A button below the reason."""
        button = QPushButton(text)
        button.setToolTip(words)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda: press())
        self._buttons.addWidget(button, 1)
        return button

    def set_current(self, current: bool) -> None:
        """Mark the row of the frame on screen."""
        set_property(self, "current", "true" if current else "false")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.pos()):
            self.clicked.emit()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the press, or the release goes to somebody else."""
        event.accept()


class FrameRows(QWidget):
    """Rows below each other, the first `SHOWN` of them until all are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[FrameRow] = []
        self._all = False
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.more_button = QPushButton()
        self.more_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.more_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.more_button.clicked.connect(lambda: self._show_all())
        self._layout.addWidget(self.more_button)
        self.set_rows([])

    def set_rows(self, rows: Sequence[FrameRow]) -> None:
        """Put rows in the place of those that are there."""
        for row in self.rows:
            self._layout.removeWidget(row)
            row.setParent(None)
            row.deleteLater()
        self.rows = list(rows)
        self._all = False
        for place, row in enumerate(self.rows):
            self._layout.insertWidget(place, row)
        self._refresh()

    def _show_all(self) -> None:
        self._all = True
        self._refresh()

    def _refresh(self) -> None:
        hidden = 0 if self._all else max(0, len(self.rows) - SHOWN)
        for place, row in enumerate(self.rows):
            row.setVisible(self._all or place < SHOWN)
        self.more_button.setText(f"Show {counted(hidden, 'more frame')}")
        self.more_button.setVisible(hidden > 0)
