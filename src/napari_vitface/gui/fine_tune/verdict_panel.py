"""The verdict on a fine-tune: one line, how sure it is, and the figures."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget
from superqt import QElidingLabel

from napari_vitface.gui.fine_tune.sentences import (
    COLUMNS,
    KEYPOINT_COLUMNS,
    headline,
    keypoint_rows,
    verdict_rows,
    verdict_words,
)
from napari_vitface.gui.section import Fold, Note, WrappedLabel, set_role, stack
from napari_vitface.jobs.results.training import TrainResult


class Verdict(QWidget):
    """Hidden until there is a result."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Note()
        self.use = WrappedLabel("", "value")
        self.figures = Table()
        self.words = WrappedLabel("", "hint")
        self.keypoints = Table()
        self.keypoints.setToolTip("Median error of each keypoint on the held-out frames, in pixels")
        self.fold = Fold("Each keypoint", self.keypoints)
        stack(self, self.line, self.use, self.figures, self.words, self.fold, spacing=6)
        self._result: TrainResult | None = None
        self.setVisible(False)

    def show_result(self, result: TrainResult | None) -> None:
        """Show what a fine-tune came to; None hides it."""
        self.setVisible(result is not None)
        if result is None or result is self._result:
            return
        self._result = result
        self.line.say(*headline(result))
        self.figures.fill(COLUMNS, verdict_rows(result))
        self.words.setText(verdict_words(result))
        self.keypoints.fill(KEYPOINT_COLUMNS, keypoint_rows(result))

    def show_use(self, name: str, in_use: bool) -> None:
        """Say which model is in use."""
        self.use.setText(f"{name} is in use now." if in_use else f"{name} is not in use.")


class Table(QWidget):
    """A few rows of text and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        self._labels: list[QLabel] = []
        self.rows: list[tuple[str, ...]] = []

    def fill(self, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
        """Show other rows; the first column is text, the others are numbers."""
        for old in self._labels:
            self._grid.removeWidget(old)
            old.deleteLater()
        self._labels.clear()
        self.rows = list(rows)
        for row, texts in enumerate([columns, *rows]):
            for column, text in enumerate(texts):
                label: QLabel = QElidingLabel(text) if column == 0 else QLabel(text)
                set_role(label, "hint" if row == 0 else "value")
                if column == 0:
                    label.setToolTip(text)
                else:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
                self._grid.addWidget(label, row, column)
                self._labels.append(label)
