"""A few held-out frames as small pictures: where a person put the points, and where the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vitface.jobs.events import HeldOutShown

#: Pictures beside each other, and pixels between them.
_COLUMNS, _GAP = 2, 4
_RING, _DOT = 3.6, 2.4


class HeldOutPictures(QWidget):
    """Frames of a `HeldOutShown` in two columns.

    Signals
    -------
    chosen : str, int
        Video and frame of a picture that was clicked.
    """

    chosen = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setToolTip(
            "Frames that are not trained on. White ring: your label. Dot: the model now. The line "
            "between them is the error. Click to go to the frame."
        )
        self._shown: HeldOutShown | None = None
        self._images: list[QImage] = []
        self._colours: list[QColor] = []

    def show_frames(self, shown: HeldOutShown | None, colours: dict[str, str]) -> None:
        """Draw these; `colours` are those of the keypoints by name."""
        same = shown is not None and self._shown is not None
        self._shown = shown
        self._images = [_image(picture) for picture in shown.images] if shown is not None else []
        names = shown.names if shown is not None else ()
        self._colours = [QColor(colours.get(name, "#ff9a3d")) for name in names]
        if not same:
            self.updateGeometry()
        self.update()

    # ----------------------------------------------------------------- size

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if not self._images:
            return 0
        rows = -(-len(self._images) // _COLUMNS)
        return round(rows * self._height(width) + (rows - 1) * _GAP)

    def sizeHint(self) -> QSize:
        return QSize(280, self.heightForWidth(self.width() or 280))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.heightForWidth(self.width() or 280))

    def _width(self, width: float) -> float:
        return (width - (_COLUMNS - 1) * _GAP) / _COLUMNS

    def _height(self, width: float) -> float:
        image = self._images[0]
        return self._width(width) * image.height() / image.width()

    def _box(self, number: int) -> QRectF:
        across, down = self._width(self.width()), self._height(self.width())
        row, column = divmod(number, _COLUMNS)
        return QRectF(column * (across + _GAP), row * (down + _GAP), across, down)

    # ----------------------------------------------------------------- drawing and clicks

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._shown is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for number, image in enumerate(self._images):
            box = self._box(number)
            painter.drawImage(box, image)
            painter.setClipRect(box)
            self._draw_points(painter, number, box)
            self._draw_caption(painter, number, box)
            painter.setClipping(False)
        painter.end()

    def _draw_points(self, painter: QPainter, number: int, box: QRectF) -> None:
        assert self._shown is not None
        scale = box.width() / self._images[number].width()

        def place(xy: NDArray[np.float32]) -> QPointF:
            # (0, 0) is the middle of the first pixel.
            return box.topLeft() + QPointF(*((xy.astype(float) + 0.5) * scale).tolist())

        labels, found = self._shown.labels[number], self._shown.xy[number]
        white = QPen(QColor("white"), 1.2)
        for k, colour in enumerate(self._colours):
            if not np.isfinite(labels[k]).all():
                continue
            painter.setPen(QPen(colour, 1.2))
            painter.drawLine(place(labels[k]), place(found[k]))
            painter.setPen(white)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(place(labels[k]), _RING, _RING)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, colour in enumerate(self._colours):
            if np.isfinite(labels[k]).all() and np.isfinite(found[k]).all():
                painter.setBrush(colour)
                painter.drawEllipse(place(found[k]), _DOT, _DOT)

    def _draw_caption(self, painter: QPainter, number: int, box: QRectF) -> None:
        assert self._shown is not None
        several = len(set(self._shown.videos)) > 1
        frame = int(self._shown.frames[number])
        words = f"frame {frame}" if frame >= 0 else ""
        if several:
            words = f"{self._shown.videos[number]} {words}".strip()
        if not words:
            return
        font = self.font()
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.8))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        words = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, int(box.width()) - 8)
        size = QSize(metrics.horizontalAdvance(words) + 8, metrics.height() + 2)
        back = QRectF(box.left(), box.bottom() - size.height(), size.width(), size.height())
        painter.fillRect(back, QColor(0, 0, 0, 150))
        painter.setPen(QColor("white"))
        painter.drawText(back, Qt.AlignmentFlag.AlignCenter, words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._shown is None:
            return
        for number in range(len(self._images)):
            if self._box(number).contains(event.position()):
                frame = int(self._shown.frames[number])
                if frame >= 0:
                    self.chosen.emit(self._shown.videos[number], frame)


def _image(picture: NDArray[np.uint8]) -> QImage:
    """A copy of (H, W) or (H, W, 3) pixels as Qt has them."""
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if picture.ndim == 2 else QImage.Format.Format_RGB888
    return QImage(picture.tobytes(), width, height, picture.strides[0], kind).copy()
