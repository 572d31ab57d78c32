"""Making a table of trials from events: which animal and session each video shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.events.trials import AnnotatedVideo
from napari_vitface.gui.section import WrappedLabel

_WHY = (
    "Each event becomes a trial. Say which animal each video shows: a classifier is judged on "
    "animals that are left out, and without their names nobody can say whether it carries over to "
    "others."
)


class TrialsDialog(QDialog):
    """Videos with events; animal and session are typed."""

    def __init__(
        self, videos: Sequence[AnnotatedVideo], path: Path, parent: QWidget | None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Trials from events")
        self._videos = list(videos)
        self.table = QTableWidget(len(videos), 4)
        self.table.setHorizontalHeaderLabels(["video", "animal", "session", "events"])
        for row, each in enumerate(videos):
            counts = Counter(event.label for event in each.events)
            events = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
            for column, text in enumerate((each.video.name, each.animal, each.session, events)):
                item = QTableWidgetItem(text)
                if column in (0, 3):
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                    item.setToolTip(str(each.video) if column == 0 else events)
                self.table.setItem(row, column, item)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.verticalHeader().setVisible(False)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(WrappedLabel(_WHY, "value"))
        layout.addWidget(self.table)
        layout.addWidget(WrappedLabel(f"Written to {path}"))
        layout.addWidget(buttons)
        self.resize(640, 360)

    def videos(self) -> list[AnnotatedVideo]:
        """The videos with what was typed."""
        return [
            replace(each, animal=self._text(row, 1), session=self._text(row, 2))
            for row, each in enumerate(self._videos)
        ]

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item is not None else ""
