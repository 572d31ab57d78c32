"""The table of the list of videos: rows that are selected, dragged and dropped on."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QShortcut, QTableView

from napari_vitface.gui.video_list.cells import ProgressDelegate, SentenceDelegate
from napari_vitface.gui.video_list.table_model import Column, VideoTable


class VideoTableView(QTableView):
    """Shows a `VideoTable`; whole rows are selected, and nothing is written in them."""

    def __init__(self, table: VideoTable) -> None:
        super().__init__()
        self.bars = ProgressDelegate(self)
        self.setModel(table)
        self.setItemDelegateForColumn(Column.STATE, self.bars)
        self.setItemDelegateForColumn(Column.MESSAGE, SentenceDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setShowGrid(False)
        self.verticalHeader().setDefaultSectionSize(25)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        for column, width in (
            (Column.VIDEO, 190),
            (Column.FOLDER, 150),
            (Column.FACE, 95),
            (Column.STATE, 130),
            (Column.SPEED, 70),
        ):
            self.setColumnWidth(column, width)

    def add_key(self, key: str, work: Callable[[], object]) -> None:
        """Do something when a key is pressed in the table."""
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(work)
