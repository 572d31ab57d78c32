"""A table of numbers that is read, copied and saved, and whose rows lead to what they are of."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_vitface.atomic import atomic_write
from napari_vitface.gui.background_writing import save_as


class NumbersTable(QTableWidget):
    """Cells of text; Ctrl+C copies the rows that are selected, or all.

    Signals
    -------
    chosen : int
        The row that was clicked.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._cells: list[list[str]] = []
        self._head: list[str] = []
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.cellClicked.connect(lambda row, _: self.chosen.emit(row))

    def show_rows(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], tips: Sequence[str] = ()
    ) -> None:
        """Show other cells; `tips` say more of each row."""
        self._head, self._cells = list(head), [list(row) for row in rows]
        self.setUpdatesEnabled(False)
        self.clear()
        self.setColumnCount(len(head))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels(self._head)
        numbers = [
            all(not row[k] or row[k][0] in "0123456789-" for row in rows) for k in range(len(head))
        ]
        for number, row in enumerate(self._cells):
            for column, text in enumerate(row):
                item = QTableWidgetItem(text)
                if tips:
                    item.setToolTip(tips[number])
                if numbers[column]:
                    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(right)
                self.setItem(number, column, item)
        self.setUpdatesEnabled(True)

    def fit_first(self, narrowest: int) -> None:
        """Let the first column have what the others leave, its text shortened in the middle."""
        header = self.horizontalHeader()
        header.setMinimumSectionSize(30)
        if self.columnCount():
            others = sum(self.sizeHintForColumn(k) for k in range(1, self.columnCount()))
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
            heads = sum(header.sectionSizeHint(k) for k in range(1, self.columnCount()))
            room = self.viewport().width() - max(others, heads) - 12
            self.setColumnWidth(0, max(narrowest, room))

    @property
    def cells(self) -> list[list[str]]:
        """What is shown, below the head."""
        return self._cells

    def copy(self) -> None:
        """Put the selected rows, or all, on the clipboard, as a spreadsheet takes them."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        chosen = [self._cells[row] for row in rows] or self._cells
        clipboard = QApplication.clipboard()
        clipboard.setText("\n".join("\t".join(row) for row in [self._head, *chosen]))

    def write(self, path: Path) -> None:
        """Write all rows as CSV."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([self._head, *self._cells])
        with atomic_write(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="")

    def ask_to_save(self, start: Path, written: Callable[[Path], object]) -> None:
        """Let the user name a CSV file, write it, and say so."""

        def write(path: Path) -> None:
            self.write(path)
            written(path)

        save_as(self, "Save table", start, "CSV (*.csv)", ".csv", write, others=True)

    def keyPressEvent(self, event: object) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):  # type: ignore[attr-defined]
            self.copy()
            return
        super().keyPressEvent(event)  # type: ignore[arg-type]
