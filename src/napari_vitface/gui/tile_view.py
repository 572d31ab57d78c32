"""Pictures with a line below each, in as many columns as there is room for; one can be clicked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

GAP = 6
_CAPTION = 18


@dataclass(frozen=True)
class Picture:
    """What one place shows.

    Attributes
    ----------
    image : (h, w) or (h, w, 3) uint8, or None
        None: not known yet; `text` says why.
    title : str
        The line below it.
    text : str
        What stands in place of an image.
    tip : str
        What the mouse shows.
    chosen : bool
        It has a frame.
    """

    image: NDArray[np.uint8] | None
    title: str
    text: str = ""
    tip: str = ""
    chosen: bool = False


class TileView(QWidget):
    """Draws pictures of one size in rows.

    Signals
    -------
    clicked : int
        Which picture was clicked.
    """

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._pictures: list[Picture] = []
        self._size = QSize(150, 112)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMouseTracking(True)

    @property
    def pictures(self) -> list[Picture]:
        """What is shown."""
        return list(self._pictures)

    def set_pictures(self, pictures: list[Picture], size: QSize) -> None:
        """Show these, each as large as `size` without its line."""
        layout_changed = len(pictures) != len(self._pictures) or size != self._size
        self._pictures, self._size = pictures, size
        if layout_changed:
            self.updateGeometry()
        self.update()

    def tile_size(self, width: int) -> QSize:
        """Size of each picture, without its line, in a widget of this width."""
        return self._size

    def columns(self, width: int) -> int:
        """How many pictures stand beside each other: as many as there is room for."""
        return max(1, (width - GAP) // (self.tile_size(width).width() + GAP))

    def place(self, index: int) -> QRect:
        """Where a picture is drawn, its line below not counted."""
        row, column = divmod(index, self.columns(self.width()))
        size = self.tile_size(self.width())
        across, down = size.width() + GAP, size.height() + _CAPTION + GAP
        return QRect(QPoint(GAP + column * across, GAP + row * down), size)

    def draw_on(self, painter: QPainter, index: int, place: QRect) -> None:
        """Draw on a picture that is there; nothing, unless a kind of view has something to add."""

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = -(-max(1, len(self._pictures)) // self.columns(width))
        return int(GAP + rows * (self.tile_size(width).height() + _CAPTION + GAP))

    def sizeHint(self) -> QSize:
        width = max(self.width(), self._size.width() + 2 * GAP)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        width = max(self.width(), self._size.width() + 2 * GAP)
        return QSize(self._size.width() + 2 * GAP, self.heightForWidth(width))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # Fewer columns need more height.
        self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        text = self.palette().text().color()
        for index, picture in enumerate(self._pictures):
            place = self.place(index)
            if not place.adjusted(0, 0, 0, _CAPTION).intersects(event.rect()):
                continue
            if picture.image is not None:
                painter.drawImage(place, as_image(picture.image))
                painter.setClipRect(place)
                self.draw_on(painter, index, place)
                painter.setClipping(False)
            else:
                painter.fillRect(place, QColor(0, 0, 0, 60))
                painter.setPen(text)
                painter.drawText(
                    place.adjusted(6, 6, -6, -6),
                    int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap),
                    picture.text,
                )
            if picture.chosen:
                painter.setPen(QPen(QColor("#00e5ff"), 2))
                painter.drawRect(place.adjusted(1, 1, -1, -1))
            painter.setPen(text)
            below = QRect(place.left(), place.bottom() + 2, place.width(), _CAPTION)
            title = painter.fontMetrics().elidedText(
                picture.title, Qt.TextElideMode.ElideRight, below.width()
            )
            painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), title)
        painter.end()

    def index_at(self, point: QPoint) -> int | None:
        """The picture at a point of the widget."""
        for index in range(len(self._pictures)):
            if self.place(index).adjusted(0, 0, 0, _CAPTION).contains(point):
                return index
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.pos())
        if index is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(index)
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self.index_at(event.pos()) is not None
        shape = Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)
        super().mouseMoveEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.index_at(event.pos())
            if index is not None and self._pictures[index].tip:
                QToolTip.showText(event.globalPos(), self._pictures[index].tip, self)
                return True
        return bool(super().event(event))


def as_image(array: NDArray[np.uint8]) -> QImage:
    """Pixels, grey or in colour, for Qt in a picture that owns them."""
    array = np.ascontiguousarray(array)
    height, width = array.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if array.ndim == 2 else QImage.Format.Format_RGB888
    return QImage(array.data, width, height, array.strides[0], kind).copy()
