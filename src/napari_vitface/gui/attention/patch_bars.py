"""Which keypoints look at a patch: a line for each, with a bar and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

_ROW = 19
_NUMBER = 62


@dataclass(frozen=True)
class Bar:
    """One line.

    Attributes
    ----------
    name : str
    length : float
        Of the bar, 0 to 1.
    number : str
        What stands behind it.
    colour : str
    chosen : bool
        Its name is written bold.
    """

    name: str
    length: float
    number: str
    colour: str
    chosen: bool = False


class PatchBars(QWidget):
    """Lines that can be clicked."""

    #: The name of the line that was clicked.
    clicked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._bars: list[Bar] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            "How much of its attention each keypoint has on this patch; a full bar is full colour. "
            "Click on a line to see all that this keypoint looks at"
        )

    @property
    def bars(self) -> list[Bar]:
        """What is shown."""
        return list(self._bars)

    def set_bars(self, bars: Sequence[Bar]) -> None:
        """Show these, from top to bottom."""
        if len(bars) != len(self._bars):
            self.updateGeometry()
        self._bars = list(bars)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, _ROW * len(self._bars) + 2)

    def row(self, index: int) -> QRect:
        """Where a line is."""
        return QRect(0, 1 + index * _ROW, self.width(), _ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.palette().text().color()
        metrics = painter.fontMetrics()
        widest = max((metrics.horizontalAdvance(bar.name) for bar in self._bars), default=0)
        left = min(widest + 12, self.width() // 2)
        room = max(1, self.width() - left - _NUMBER)
        for index, bar in enumerate(self._bars):
            row = self.row(index)
            font = painter.font()
            font.setBold(bar.chosen)
            painter.setFont(font)
            painter.setPen(text)
            name = metrics.elidedText(bar.name, Qt.TextElideMode.ElideRight, left - 6)
            middle = int(Qt.AlignmentFlag.AlignVCenter)
            painter.drawText(row.adjusted(2, 0, 0, 0), middle, name)
            length = round(bar.length * room)
            place = QRect(QPoint(left, row.top() + 4), QSize(room, _ROW - 8))
            faint = QColor(text)
            faint.setAlpha(28)
            painter.fillRect(place, faint)
            filled = QRect(place.topLeft(), QSize(length, place.height()))
            painter.fillRect(filled, QColor(bar.colour))
            number = QRect(self.width() - _NUMBER, row.top(), _NUMBER - 2, _ROW)
            painter.drawText(number, middle | int(Qt.AlignmentFlag.AlignRight), bar.number)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for index, bar in enumerate(self._bars):
            if self.row(index).contains(event.pos()):
                self.clicked.emit(bar.name)
                return
        super().mousePressEvent(event)
