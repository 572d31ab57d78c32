"""The looks of points, drawn small for lists and legend as they are drawn on the canvas."""

from __future__ import annotations

from functools import lru_cache

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

#: Looks of a keypoint in a frame.
PREDICTED, LABELLED, OCCLUDED = "predicted", "labelled", "occluded"
NOT_VISIBLE, MISSING = "not visible", "missing"


@lru_cache(maxsize=512)
def point_icon(look: str, colour: str, alpha: float = 1.0, size: int = 16) -> QIcon:
    """A point of a colour ``#rrggbb`` as it looks in one of the five states."""
    scale = 4
    picture = QPixmap(size * scale, size * scale)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    shade = QColor(colour)
    centre, edge = size / 2, size * 0.16
    box = QRectF(edge, edge, size - 2 * edge, size - 2 * edge)
    if look == PREDICTED:
        shade.setAlphaF(max(0.25, alpha))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        painter.drawEllipse(box)
    elif look == LABELLED:
        painter.setPen(QPen(QColor("white"), 2.2))
        painter.setBrush(shade)
        painter.drawEllipse(box)
    elif look == OCCLUDED:
        for colour_of_line, width in (("white", 4.6), (colour, 2.6)):
            painter.setPen(QPen(QColor(colour_of_line), width))
            painter.drawLine(box.topLeft(), box.bottomRight())
            painter.drawLine(box.topRight(), box.bottomLeft())
    elif look == NOT_VISIBLE:
        painter.setPen(QPen(shade, 1.6))
        painter.drawLine(QPointF(edge, centre), QPointF(size - edge, centre))
    else:
        pen = QPen(shade, 1.2)
        pen.setDashPattern([1.6, 1.6])
        painter.setPen(pen)
        painter.drawEllipse(box)
    painter.end()
    return QIcon(picture)
