"""The timeline: a lane for each label, drawn in with the mouse, with the slider's line.

Knows no session: it draws what it is told and tells what the mouse does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QFont, QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QGraphicsSimpleTextItem

from napari_vitface.events.event_labels import EventLabel
from napari_vitface.events.intervals import Events, Interval
from napari_vitface.gui.events.lanes import Hit, IntervalLanes
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.trajectories.axes import LEFT, FrameAxis
from napari_vitface.gui.trajectories.panel import IN_VIEW, TimeView
from napari_vitface.gui.trajectories.pg import pg

#: Pixels beside the line of the slider in which a press grabs it.
_GRAB = 5
#: Height of a lane in pixels, at most and at least.
_TALLEST, _LOWEST = 30, 9


@dataclass
class _Drawing:
    """A new interval in the lane of a label, while the mouse is down."""

    label: str
    start: float

    def result(self, x: float) -> Interval:
        """What it would make if it ended at `x`."""
        first, last = sorted((round(self.start), round(x)))
        return Interval(max(first, 0), max(last, 0) + 1, self.label)

    def end(self, timeline: Timeline, result: Interval) -> None:
        """Tell what it made."""
        timeline.drawn.emit(result)


@dataclass
class _Moving:
    """An interval that is dragged, or one of its edges, in a video of `length` frames."""

    hit: Hit
    start: float
    length: int

    def result(self, x: float) -> Interval:
        """What it would make if it ended at `x`."""
        old = self.hit.interval
        if self.hit.part == "inside":
            duration = old.offset - old.onset
            latest = self.length - max(duration, 1)
            onset = min(max(0, old.onset + round(x - self.start)), max(latest, 0))
            return Interval(onset, onset + duration, old.label)
        # The edge of a frame lies half a frame before its number.
        edge = max(0, round(x + 0.5))
        if self.hit.part == "onset":
            return Interval(min(edge, old.offset - 1), old.offset, old.label)
        return Interval(old.onset, max(edge, old.onset + 1), old.label)

    def end(self, timeline: Timeline, result: Interval) -> None:
        """Tell what became of the interval, if it is another."""
        if result != self.hit.interval:
            timeline.moved.emit(self.hit.interval, result.onset, result.offset)


class LaneView(TimeView):
    """The wheel zooms in time; a drag draws, drags an event or the slider, and else moves in time.

    What a drag with the left button means is asked of `begin_drag`, with the place where it began.
    """

    #: Place (x) of a drag that `begin_drag` took, and whether it ended there.
    dragged = Signal(float, bool)
    #: (x, y) of a click.
    clicked = Signal(float, float)

    begin_drag: Callable[[float, float], bool]

    def __init__(self, near_cursor: Callable[[QPointF], bool]) -> None:
        super().__init__(near_cursor)
        self._near = near_cursor
        self._drawing = False

    def mouseDragEvent(self, event: Any, axis: int = IN_VIEW) -> None:
        """Draw, if it began where that can be."""
        left = event.button() == Qt.MouseButton.LeftButton and axis == IN_VIEW
        if left and event.isStart():
            pressed = event.buttonDownScenePos()
            place = self.mapSceneToView(pressed)
            self._drawing = not self._near(pressed) and self.begin_drag(place.x(), place.y())
        if not (left and self._drawing):
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        self.dragged.emit(self.mapSceneToView(event.scenePos()).x(), event.isFinish())
        if event.isFinish():
            self._drawing = False

    def mouseClickEvent(self, event: Any) -> None:
        """Tell where."""
        if event.button() == Qt.MouseButton.LeftButton and self.sceneBoundingRect().contains(
            event.scenePos()
        ):
            event.accept()
            place = self.mapSceneToView(event.scenePos())
            self.clicked.emit(place.x(), place.y())


class _Names(pg.AxisItem):
    """The names of the labels beside their lanes. A click chooses one."""

    def __init__(self, clicked: Callable[[float], None]) -> None:
        super().__init__("left")
        self.setWidth(LEFT)
        self.setStyle(tickLength=0, tickTextOffset=4, hideOverlappingLabels=False)
        self._clicked = clicked

    def mouseClickEvent(self, event: Any) -> None:
        """Choose the label at its height."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self._clicked(self.linkedView().mapSceneToView(event.scenePos()).y())


class Timeline(pg.GraphicsLayoutWidget):
    """Intervals over time.

    Signals
    -------
    sought : int
        Frame that the user went to by a click, or by dragging the slider's line.
    drawn : Interval
        A new one was drawn.
    moved : Interval, int, int
        An interval was given other edges.
    selected : Interval or None
    label_chosen : str
        By a click on its name or in its lane.
    range_changed : float, float
        Other frames are in view.

    Parameters
    ----------
    press : callable
        Carries out what a key does to events; False if it does nothing to them.
    """

    sought = Signal(int)
    drawn = Signal(object)
    moved = Signal(object, int, int)
    selected = Signal(object)
    label_chosen = Signal(str)
    range_changed = Signal(float, float)

    def __init__(self, press: Callable[[QKeyEvent], bool]) -> None:
        super().__init__()
        self._press = press
        self._drag: _Drawing | _Moving | None = None
        self.frame = 0
        self.ci.layout.setContentsMargins(2, 2, 24, 2)
        self.ci.setBorder(None)
        self.view = LaneView(self.near_cursor)
        self.view.begin_drag = self._begin_drag
        self.axis = FrameAxis()
        self.names = _Names(self._choose_at)
        self.plot = pg.PlotItem(
            viewBox=self.view,
            axisItems={"left": self.names, "bottom": self.axis},
            enableMenu=False,
        )
        self.plot.hideButtons()
        self.plot.setContentsMargins(0, 0, 0, 0)
        self.view.disableAutoRange()
        self.view.setDefaultPadding(0)
        self.view.setMouseEnabled(x=True, y=False)
        self.view.invertY(True)
        self.lanes = IntervalLanes()
        self.plot.addItem(self.lanes, ignoreBounds=True)
        self.cursor_line = pg.InfiniteLine(0, angle=90, movable=False)
        self.cursor_line.setZValue(20)
        self.plot.addItem(self.cursor_line, ignoreBounds=True)
        self.empty = QGraphicsSimpleTextItem("", self.view)
        self.empty.setPos(12, 8)
        self.ci.addItem(self.plot, row=0, col=0)
        self.view.sought.connect(self._on_sought)
        self.view.dragged.connect(self._on_dragged)
        self.view.clicked.connect(self._on_clicked)
        self.view.sigXRangeChanged.connect(lambda _, seen: self.range_changed.emit(*seen))
        self._seek_to = 0
        self._seek_timer = QTimer(self)
        self._seek_timer.setSingleShot(True)
        self._seek_timer.timeout.connect(self._seek)
        self.viewport().setMouseTracking(True)
        # After a click here, keys are for events.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    # ----------------------------------------------------------------- what is shown

    def set_length(self, length: int, times: NDArray[np.float64] | None) -> None:
        """Another video: number of frames, and seconds of each frame if they are known."""
        self.axis.set_times(times)
        self.view.set_length(length)
        self.fit()

    def fit(self) -> None:
        """Show the whole video."""
        self.view.show_all()

    def show_frames(self, start: float, stop: float) -> None:
        """Bring some frames into view."""
        self.view.show_frames(start, stop)

    def bring_into_view(self, frame: int) -> None:
        """Turn the page if a frame is out of view."""
        self.view.bring_into_view(frame)

    def set_events(self, events: Events, labels: Sequence[EventLabel]) -> None:
        """Draw these, a lane for each label."""
        self.lanes.set_events(events, labels)
        self._name_lanes()
        self._fit_lanes()

    def set_selected(self, interval: Interval | None, label: str) -> None:
        """Let an interval, and the lane of a label, stand out."""
        self.lanes.set_selected(interval, label)
        self._name_lanes(label)

    def set_frame(self, frame: int) -> None:
        """Move the slider's line to a frame."""
        self.frame = frame
        self.cursor_line.setValue(frame)

    def say(self, text: str) -> None:
        """A sentence where there are no lanes."""
        self.empty.setText(text)

    def set_colours(self, text: QColor, back: QColor, line: QColor) -> None:
        """Colours of what is written, of what it stands on, and of the slider's line."""
        self.setBackground(back)
        self.cursor_line.setPen(pg.mkPen(line, width=1))
        self.lanes.set_ink(text)
        faint = QColor(text)
        faint.setAlpha(110)
        self.axis.setPen(pg.mkPen(faint))
        self.axis.setTextPen(pg.mkPen(text))
        self.names.setPen(pg.mkPen(None))
        self.names.setTextPen(pg.mkPen(text))
        font = QFont(self.names.font())
        font.setPointSizeF(9)
        self.names.setTickFont(font)
        self.empty.setBrush(faint)

    def near_cursor(self, place: QPointF) -> bool:
        """Whether a press at a place of the scene grabs the slider's line."""
        x = self.view.mapViewToScene(QPointF(self.frame, 0)).x()
        return bool(abs(place.x() - x) <= _GRAB)

    def _name_lanes(self, chosen: str = "") -> None:
        named = [
            (row + 0.5, f"▸ {each.name}" if each.name == chosen else each.name)
            for row, each in enumerate(self.lanes.labels)
        ]
        self.names.setTicks([[(at, _short(name)) for at, name in named]])

    def _fit_lanes(self) -> None:
        """As tall as there is room for, up to a height at which they are easily drawn in."""
        count = max(len(self.lanes.labels), 1)
        height = float(np.clip(self.view.height() / count, _LOWEST, _TALLEST))
        self.view.setYRange(0, max(self.view.height() / height, 1), padding=0)

    # ----------------------------------------------------------------- the mouse and keys

    def _begin_drag(self, x: float, y: float) -> bool:
        label, hit = self.lanes.label_at(y), self.lanes.hit(x, y)
        if not label or not self.view.length:
            return False
        if hit is not None:
            self._drag = _Moving(hit, x, self.view.length)
            self.selected.emit(hit.interval)
        else:
            self._drag = _Drawing(label, x)
            self.label_chosen.emit(label)
        return True

    @given("_drag")
    def _on_dragged(self, drag: _Drawing | _Moving, x: float, ended: bool) -> None:
        result = drag.result(float(np.clip(x, -0.5, self.view.length - 0.5)))
        if not ended:
            self.lanes.set_ghost(result)
            return
        self._drag = None
        self.lanes.set_ghost(None)
        drag.end(self, result)

    def _on_clicked(self, x: float, y: float) -> None:
        hit = self.lanes.hit(x, y)
        self._choose_at(y)
        self.selected.emit(hit.interval if hit is not None else None)
        self._on_sought(x)

    def _choose_at(self, y: float) -> None:
        if label := self.lanes.label_at(y):
            self.label_chosen.emit(label)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show what a press would do."""
        super().mouseMoveEvent(event)
        if event.buttons() != Qt.MouseButton.NoButton:
            return
        place = self.mapToScene(event.pos())
        at = self.view.mapSceneToView(place)
        hit = self.lanes.hit(at.x(), at.y())
        part, words = ("", "") if hit is None else (hit.part, _words(hit.interval))
        if self.near_cursor(place) or part in ("onset", "offset"):
            self.viewport().setCursor(Qt.CursorShape.SplitHCursor)
        elif part:
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            self.viewport().unsetCursor()
        self.viewport().setToolTip(words)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole video."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys of events; others are for the window."""
        if not self._press(event):
            event.ignore()

    def resizeEvent(self, event: Any) -> None:
        """Give the lanes their height."""
        super().resizeEvent(event)
        if hasattr(self, "lanes"):
            self._fit_lanes()

    def _on_sought(self, x: float) -> None:
        if not self.view.length:
            return
        self._seek_to = int(np.clip(round(x), 0, self.view.length - 1))
        # A drag brings many places; the slider goes to the last one when it has time.
        if not self._seek_timer.isActive():
            self._seek_timer.start(0)

    def _seek(self) -> None:
        if self._seek_to != self.frame:
            self.sought.emit(self._seek_to)


def _words(interval: Interval) -> str:
    if interval.is_point:
        return f"{interval.label}: frame {interval.onset}, a point event"
    frames = interval.offset - interval.onset
    last = interval.offset - 1
    return f"{interval.label}: frames {interval.onset} to {last} ({counted(frames, 'frame')})"


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"
