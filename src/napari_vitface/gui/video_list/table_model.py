"""The list as Qt's model of a table: one row a video, moved by dragging, filled by dropping."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from napari_vitface.errors import escaped
from napari_vitface.gui.connections import Connections
from napari_vitface.gui.video_list.items import Item, Items
from napari_vitface.gui.video_list.sentences import crop_words, folders, share_done, state_words

Index = QModelIndex | QPersistentModelIndex

_ROWS = "application/x-vitface-rows"

#: Roles beside Qt's: share of the bar that is full, and the state.
SHARE, STATE = Qt.ItemDataRole.UserRole + 1, Qt.ItemDataRole.UserRole + 2


class Column(IntEnum):
    """The columns, from left to right."""

    VIDEO = 0
    FOLDER = 1
    FACE = 2
    STATE = 3
    SPEED = 4
    MESSAGE = 5


_TITLES = ("Video", "Folder", "Looks at", "State", "Frames/s", "What came of it")


class VideoTable(QAbstractTableModel):
    """`Items` as rows."""

    #: Files and folders were dropped: a list of Path.
    dropped = Signal(object)
    #: (Item, place) after a row was dragged.
    dragged = Signal(object, int)

    def __init__(self, items: Items, parent: QObject | None) -> None:
        super().__init__(parent)
        self.items = items
        self._folders = folders(items)
        events = items.events
        self._connections = Connections()
        for signal, slot in (
            (events.inserting, self._on_inserting),
            (events.inserted, self._on_inserted),
            (events.removing, self._on_removing),
            (events.removed, self._on_removed),
            (events.moving, self._on_moving),
            (events.moved, self._on_moved),
            (items.item_changed, self._on_item),
        ):
            self._connections.connect(signal, slot)

    def close(self) -> None:
        """Stop listening to the list."""
        self._connections.undo()

    @property
    def in_several_folders(self) -> bool:
        """Whether the column of folders says anything."""
        return bool(self._folders)

    # ----------------------------------------------------------------- what Qt asks

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.items)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section] if orientation == Qt.Orientation.Horizontal else section + 1
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Horizontal:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        item = self.items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return escaped(self._text(item, Column(index.column())))
        if role == Qt.ItemDataRole.ToolTipRole:
            return escaped(item.message if index.column() == Column.MESSAGE else str(item.path))
        if role == SHARE:
            return share_done(item)
        if role == STATE:
            return str(item.state)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        return (
            Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled
        )

    def _text(self, item: Item, column: Column) -> str:
        match column:
            case Column.VIDEO:
                return item.path.name
            case Column.FOLDER:
                return self._folders.get(id(item), "")
            case Column.FACE:
                return crop_words(item.crop)
            case Column.STATE:
                return state_words(item)
            case Column.SPEED:
                return f"{item.speed:.3g}" if item.speed else ""
            case Column.MESSAGE:
                return item.message

    # ----------------------------------------------------------------- dragging and dropping

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction | Qt.DropAction.CopyAction

    def mimeTypes(self) -> list[str]:
        return [_ROWS, "text/uri-list"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:
        data = QMimeData()
        rows = sorted({index.row() for index in indexes})
        data.setData(_ROWS, json.dumps(rows).encode())
        return data

    def canDropMimeData(
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index
    ) -> bool:
        return bool(data.hasFormat(_ROWS)) or bool(dropped_paths(data))

    def dropMimeData(
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index
    ) -> bool:
        if data.hasFormat(_ROWS):
            place = row if row >= 0 else (parent.row() if parent.isValid() else len(self.items))
            rows = json.loads(bytes(data.data(_ROWS).data()))
            chosen = [self.items[each] for each in rows]
            above = sum(each < place for each in rows)
            moves = [(item, place - above + offset) for offset, item in enumerate(chosen)]
            # Rows that go down make way for each other from the last one on.
            for item, to in moves[:above][::-1] + moves[above:]:
                self.dragged.emit(item, to)
            return True
        paths = dropped_paths(data)
        if paths:
            self.dropped.emit(paths)
        return bool(paths)

    # ----------------------------------------------------------------- what the list does

    def _on_inserting(self, row: int) -> None:
        self.beginInsertRows(QModelIndex(), row, row)

    def _on_inserted(self, row: int) -> None:
        self.endInsertRows()
        self._on_paths()

    def _on_removing(self, row: int) -> None:
        self.beginRemoveRows(QModelIndex(), row, row)

    def _on_removed(self, row: int) -> None:
        self.endRemoveRows()
        self._on_paths()

    def _on_moving(self, row: int, place: int) -> None:
        self.beginMoveRows(QModelIndex(), row, row, QModelIndex(), place)

    def _on_moved(self) -> None:
        self.endMoveRows()

    def _on_paths(self) -> None:
        self._folders = folders(self.items)
        if self.items:
            self.dataChanged.emit(
                self.index(0, Column.FOLDER), self.index(len(self.items) - 1, Column.FOLDER)
            )

    def _on_item(self, item: Item, what: frozenset[str]) -> None:
        if item in self.items:
            row = self.items.index(item)
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))


def dropped_paths(data: QMimeData) -> list[Path]:
    """The local files and folders that are being dropped."""
    urls: Sequence[Any] = data.urls() if data.hasUrls() else ()
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
