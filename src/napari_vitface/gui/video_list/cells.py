"""How cells of the list are drawn: a progress bar, and a sentence that may be too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_vitface.gui.style import ground_colours
from napari_vitface.gui.video_list.items import State
from napari_vitface.gui.video_list.table_model import SHARE, STATE, Index

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass
class _Colours:
    text: QColor
    trough: QColor
    full: QColor
    rest: QColor
    error: QColor


class ProgressDelegate(QStyledItemDelegate):
    """Draws how far a video is, and the state in words on it."""

    _colours: _Colours | None = None

    def set_theme(self, viewer: ViewerModel) -> None:
        """Take the colours of the viewer's theme."""
        colours = ground_colours(viewer)
        self._colours = _Colours(**{name: QColor(*rgb) for name, rgb in colours.items()})

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        colours = self._colours
        if colours is None:
            super().paint(painter, option, index)
            return
        state, share = State(index.data(STATE)), float(index.data(SHARE))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, option.palette.highlight())
        bar = QRectF(option.rect).adjusted(3, 3.5, -3, -3.5)
        painter.setPen(Qt.PenStyle.NoPen)
        if state is not State.FAILED:
            painter.setBrush(colours.trough)
            painter.drawRoundedRect(bar, 3, 3)
        else:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colours.error, 1.2))
            painter.drawRoundedRect(bar, 3, 3)
            painter.setPen(Qt.PenStyle.NoPen)
        if share > 0 and state is not State.FAILED:
            painter.save()
            painter.setClipRect(QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()))
            # What is over is quiet; the one in progress is what the eye is to find.
            painter.setBrush(colours.full if state is State.RUNNING else colours.rest)
            painter.drawRoundedRect(bar, 3, 3)
            painter.restore()
        painter.setPen(colours.text)
        painter.drawText(bar, int(Qt.AlignmentFlag.AlignCenter), str(index.data()))
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(130, 24)


class SentenceDelegate(QStyledItemDelegate):
    """Cuts a sentence off at its end, where names of files are cut in the middle."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight
