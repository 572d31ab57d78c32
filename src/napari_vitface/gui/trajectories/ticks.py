"""Lanes above the traces with a tick for each frame that was labelled, suggested, found with low
confidence or by looking elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter

from napari_vitface.gui.trajectories.axes import LEFT
from napari_vitface.gui.trajectories.fills_view import FillsView
from napari_vitface.gui.trajectories.panel import TimeView
from napari_vitface.gui.trajectories.pg import pg


@dataclass(frozen=True)
class Lane:
    """One kind of frames.

    Attributes
    ----------
    key : str
        Its name in code.
    title : str
        What stands beside it.
    colour : str
    help : str
        One sentence.
    """

    key: str
    title: str
    colour: str
    help: str


LANES = (
    Lane("labelled", "labelled", "#4cc38a", "Frames in which you labelled something"),
    Lane("suggested", "suggested", "#f5c542", "Frames that were suggested for labelling"),
    Lane("low", "low conf.", "#f2555a", "Frames with a keypoint below the confidence threshold"),
    Lane(
        "elsewhere",
        "elsewhere",
        "#b98cf2",
        "Frames in which a keypoint is tracked while the network looks elsewhere, of those that "
        "were measured (Attention, Over many frames, Measure)",
    ),
)

#: Height of a lane in pixels.
_HEIGHT = 13


class Ticks(FillsView, pg.GraphicsObject):
    """A tick at each of some frames, in one lane; as cheap for a million frames as for ten."""

    def __init__(self, row: int, colour: str) -> None:
        super().__init__()
        self._row = row
        self._colour = QColor(colour)
        self.frames: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def set_frames(self, frames: NDArray[np.int64]) -> None:
        """Draw a tick at each of these frames, which are sorted."""
        self.frames = frames
        self.update()

    def paint(self, painter: QPainter, *_: Any) -> None:
        view = self.getViewBox()
        if view is None:
            return
        (left, right), _ = view.viewRange()
        track = QColor(self._colour)
        track.setAlpha(28)
        painter.fillRect(QRectF(left, self._row + 0.08, right - left, 0.84), track)
        if not len(self.frames):
            return
        width = max(1, round(view.width()))
        per_pixel = (right - left) / width
        # One stroke a pixel column, however many frames are in it.
        # (Whole numbers: numpy would turn all frames into floats to find a float among them.)
        edges = np.ceil(left + per_pixel * np.arange(width + 1)).astype(np.int64)
        columns = np.flatnonzero(np.diff(np.searchsorted(self.frames, edges)))
        top, bottom = self._row + 0.12, self._row + 0.88
        # A frame is never thinner than two pixels.
        least = 2.0 if per_pixel > 0.5 else max(2.0, min(1.0 / per_pixel, 8.0))
        wide = least * per_pixel
        for column in columns.tolist():
            x = left + (column + 0.5) * per_pixel
            painter.fillRect(QRectF(x - wide / 2, top, wide, bottom - top), self._colour)


class Lanes(pg.PlotItem):
    """The lanes, one below the other. A click goes to the nearest tick of its lane."""

    def __init__(self, near_cursor: Callable[[QPointF], bool]) -> None:
        view = _LaneView(near_cursor)
        axis = pg.AxisItem("left")
        axis.setWidth(LEFT)
        axis.setStyle(tickLength=0, tickTextOffset=4)
        super().__init__(viewBox=view, axisItems={"left": axis}, enableMenu=False)
        self.view = view
        view.place = self.nearest
        self.hideButtons()
        self.hideAxis("bottom")
        self.setContentsMargins(0, 0, 0, 0)
        self.view.disableAutoRange()
        self.view.setDefaultPadding(0)
        self.view.setMouseEnabled(x=True, y=False)
        self.view.invertY(True)
        self.ticks: dict[str, Ticks] = {}
        for row, lane in enumerate(LANES):
            self.ticks[lane.key] = Ticks(row, lane.colour)
            self.addItem(self.ticks[lane.key], ignoreBounds=True)
        axis.setTicks([[(row + 0.5, lane.title) for row, lane in enumerate(LANES)]])
        self.setFixedHeight(_HEIGHT * len(LANES) + 4)
        self.view.setYRange(0, len(LANES), padding=0)
        #: What there is to say of single frames, by lane and frame.
        self.words: dict[str, dict[int, str]] = {}

    def set_colours(self, text: QColor) -> None:
        """Colour of what stands beside the lanes."""
        axis = self.getAxis("left")
        axis.setPen(pg.mkPen(None))
        axis.setTextPen(pg.mkPen(text))
        font = axis.font()
        font.setPointSizeF(8)
        axis.setTickFont(font)

    def describe(self, place: QPointF) -> str:
        """What the lane at a place of the scene shows, and why the frame there is in it."""
        at = self.view.mapSceneToView(place)
        lane = LANES[self._row(at.y())]
        frame = round(self.nearest(at.x(), at.y(), 6 * self.view.viewPixelSize()[0]))
        why = self.words.get(lane.key, {}).get(frame)
        return f"{lane.help}\nframe {frame}: {why}" if why else lane.help

    def _row(self, y: float) -> int:
        return int(np.clip(np.floor(y), 0, len(LANES) - 1))

    def nearest(self, x: float, y: float, within: float) -> float:
        """The tick in the lane at height `y` that is nearest to `x`, or `x` if none is near."""
        frames = self.ticks[LANES[self._row(y)].key].frames
        if not len(frames):
            return x
        after = int(np.searchsorted(frames, int(np.ceil(x))))
        near = frames[max(0, after - 1) : after + 1]
        best = float(near[np.argmin(np.abs(near - x))])
        return best if abs(best - x) <= within else x


class _LaneView(TimeView):
    """Goes to the tick that was clicked rather than to the pixel."""

    place: Callable[[float, float, float], float]

    def mouseClickEvent(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        place = self.mapSceneToView(event.scenePos())
        self.sought.emit(self.place(place.x(), place.y(), 12 * self.viewPixelSize()[0]))
