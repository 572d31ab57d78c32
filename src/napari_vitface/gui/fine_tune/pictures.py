"""A few held-out frames as small pictures: where a person put the points, and where the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy

from napari_vitface.gui.tile_view import GAP, Picture, TileView
from napari_vitface.jobs.events import HeldOutShown

_COLUMNS = 2
_RING, _DOT = 3.6, 2.4


class HeldOutPictures(TileView):
    """Frames of a `HeldOutShown` in two columns, as wide as the dock.

    Signals
    -------
    chosen : str, int
        Video and frame of a picture that was clicked.
    """

    chosen = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setToolTip(
            "Frames that are not trained on. White ring: your label. Dot: the model now. The line "
            "between them is the error. Click to go to the frame."
        )
        self._frames: list[tuple[str, int]] = []
        self._labels: NDArray[np.float32] = np.empty((0, 0, 2), np.float32)
        self._found = self._labels
        self._colours: list[QColor] = []
        self.clicked.connect(self._on_clicked)

    def show_frames(self, shown: HeldOutShown, colours: dict[str, str]) -> None:
        """Draw these; `colours` are those of the keypoints by name."""
        self._labels, self._found = shown.labels, shown.xy
        self._colours = [QColor(colours.get(name, "#ff9a3d")) for name in shown.names]
        self._frames = list(zip(shown.videos, map(int, shown.frames), strict=True))
        several = len(set(shown.videos)) > 1
        pictures = [
            Picture(image, _title(video if several else "", frame))
            for image, (video, frame) in zip(shown.images, self._frames, strict=True)
        ]
        height, width = shown.images[0].shape[:2] if len(shown.images) else (0, 0)
        self.set_pictures(pictures, QSize(width, height))

    def columns(self, width: int) -> int:
        return _COLUMNS

    def tile_size(self, width: int) -> QSize:
        across = (width - (_COLUMNS + 1) * GAP) // _COLUMNS
        return QSize(across, round(across * self._size.height() / max(1, self._size.width())))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.heightForWidth(self.width() or 280))

    def draw_on(self, painter: QPainter, index: int, place: QRect) -> None:
        """Draw what a person and what the model said about a frame."""
        scale = place.width() / self._size.width()

        def at(xy: NDArray[np.float32]) -> QPointF:
            # (0, 0) is the middle of the first pixel.
            return QPointF(place.topLeft()) + QPointF(*((xy.astype(float) + 0.5) * scale).tolist())

        labels, found = self._labels[index], self._found[index]
        for k, colour in enumerate(self._colours):
            if not np.isfinite(labels[k]).all():
                continue
            painter.setPen(QPen(colour, 1.2))
            painter.drawLine(at(labels[k]), at(found[k]))
            painter.setPen(QPen(QColor("white"), 1.2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(at(labels[k]), _RING, _RING)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, colour in enumerate(self._colours):
            if np.isfinite(labels[k]).all() and np.isfinite(found[k]).all():
                painter.setBrush(colour)
                painter.drawEllipse(at(found[k]), _DOT, _DOT)

    def _on_clicked(self, index: int) -> None:
        video, frame = self._frames[index]
        if frame >= 0:
            self.chosen.emit(video, frame)


def _title(video: str, frame: int) -> str:
    return f"{video} frame {frame}".strip() if frame >= 0 else video
