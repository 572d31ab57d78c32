"""One panel of the Trajectories dock: traces of one kind over time, and its axes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QGraphicsSimpleTextItem

from napari_vitface.gui.trajectories.axes import FrameAxis, ValueAxis
from napari_vitface.gui.trajectories.fills_view import FillsView
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import CENTRED, PanelKind
from napari_vitface.gui.trajectories.pg import pg
from napari_vitface.kinematics import Trace
from napari_vitface.kinematics.traces import unit_of

if TYPE_CHECKING:
    from napari_vitface.gui.trajectories.label_rows import LabelRows
    from napari_vitface.gui.trajectories.trace_store import TraceStore

#: Labelled frames that are drawn as dots of one trace at most; beyond, dots would cover all.
_MOST_DOTS = 1500


#: Not on an axis, but in the view: along it, time moves.
IN_VIEW = -1
#: Frames that are shown at least.
_FEWEST = 8


class TimeView(pg.ViewBox):
    """Where traces are drawn: the wheel zooms in time, a drag moves in time or the slider.

    Zooming or dragging on the left axis changes the vertical range.
    """

    #: x of a place that was clicked or dragged to, as the slider is to go there.
    sought = Signal(float)
    #: The user set the vertical range.
    stretched = Signal()

    def __init__(self, near_cursor: Callable[[QPointF], bool]) -> None:
        super().__init__(enableMenu=False)
        self._near_cursor = near_cursor
        self._seeking = False
        #: Frames of the video.
        self.length = 0

    def set_length(self, length: int) -> None:
        """Let as many frames be seen, and no less than a few of them."""
        self.length = length
        self.setLimits(
            xMin=-0.5,
            xMax=max(length - 0.5, 0.5),
            minXRange=min(_FEWEST, max(length, 1)),
            maxXRange=max(length, 1),
        )

    def show_all(self) -> None:
        """Show the whole video."""
        self.show_frames(-0.5, max(self.length - 0.5, 0.5))

    def show_frames(self, start: float, stop: float) -> None:
        """Bring some frames into view."""
        self.setXRange(start, stop, padding=0)

    def bring_into_view(self, frame: int) -> None:
        """Turn the page if a frame is out of view."""
        left, right = self.viewRange()[0]
        if left <= frame <= right:
            return
        width = right - left
        start = frame - 0.1 * width if frame > right else frame - 0.9 * width
        start = float(np.clip(start, -0.5, max(-0.5, self.length - 0.5 - width)))
        self.show_frames(start, start + width)

    def wheelEvent(self, event: Any, axis: int = IN_VIEW) -> None:
        if axis == 1:
            self.stretched.emit()
        super().wheelEvent(event, axis=max(axis, 0))

    def mouseDragEvent(self, event: Any, axis: int = IN_VIEW) -> None:
        if event.button() == Qt.MouseButton.LeftButton and axis == IN_VIEW:
            if event.isStart():
                self._seeking = self._near_cursor(event.buttonDownScenePos())
            if self._seeking:
                event.accept()
                self.sought.emit(self.mapSceneToView(event.scenePos()).x())
                return
        if axis == 1:
            self.stretched.emit()
        if event.button() == Qt.MouseButton.RightButton and axis == IN_VIEW:
            event.ignore()
            return
        super().mouseDragEvent(event, axis=max(axis, 0))

    def mouseClickEvent(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.sceneBoundingRect().contains(
            event.scenePos()
        ):
            event.accept()
            self.sought.emit(self.mapSceneToView(event.scenePos()).x())


class Curve(FillsView, pg.PlotCurveItem):
    """A line that knows without looking at its samples where it is drawn: in all of the view."""

    def dataBounds(self, *_: Any, **__: Any) -> tuple[None, None]:
        """Nothing: the panel sets the ranges itself."""
        return None, None


class Panel(pg.PlotItem):
    """Traces of one kind. Draws what it is told to; knows no session.

    Parameters
    ----------
    kind : PanelKind
    near_cursor : callable
        Whether a point of the scene is so near to the line of the slider that it grabs it.
    """

    def __init__(self, kind: PanelKind, near_cursor: Callable[[QPointF], bool]) -> None:
        view, axis = TimeView(near_cursor), FrameAxis()
        axes = {"left": ValueAxis(), "bottom": axis}
        super().__init__(viewBox=view, axisItems=axes, enableMenu=False)
        self.kind = kind
        self.view = view
        self.axis = axis
        self.hideButtons()
        self.setContentsMargins(0, 0, 0, 0)
        self.view.disableAutoRange()
        self.view.setDefaultPadding(0)
        self.view.invertY(kind.key == "y")
        self._curves: dict[Trace, Any] = {}
        self._dots: dict[Trace, Any] = {}
        self._bands: dict[Trace, Any] = {}
        self._auto = True
        self._title = QGraphicsSimpleTextItem(self.getAxis("left"))
        self._title.setPos(2, 1)
        # Traces of keypoints are named in the list beside the plot.
        self._legends: list[Any] = []
        if kind.of_video:
            self._legends += [self.addLegend(offset=(-4, 1), colCount=8, verSpacing=-6)]
        self.view.stretched.connect(self._on_stretched)

    @property
    def traces(self) -> list[Trace]:
        """What is drawn."""
        return list(self._curves)

    def set_title(self, timed: bool, centred: bool) -> None:
        """Say what it shows, to the left of the axis.

        `timed`: seconds are known; `centred`: x and y are drawn less their medians.
        """
        title = self.kind.title
        if centred and self.kind.key in CENTRED:
            title += " − median"
        unit = unit_of(self.kind.kinds[0], timed) if self.kind.kinds else self.kind.unit
        self._title.setText(f"{title}\n{unit}" if unit else title)

    def set_colours(self, text: QColor) -> None:
        """Colour of axes and title."""
        faint = QColor(text)
        faint.setAlpha(110)
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(faint))
            axis.setTextPen(pg.mkPen(text))
        edge = QColor(text)
        edge.setAlpha(45)
        self.view.setBorder(pg.mkPen(edge))
        self._title.setBrush(text)
        for legend in self._legends:
            legend.setLabelTextColor(text)

    def set_traces(self, traces: dict[Trace, QColor], strong: Collection[str] = ()) -> None:
        """Draw these, in their colours; those of keypoints in `strong` thicker and on top."""
        for trace in [each for each in self._curves if each not in traces]:
            self.removeItem(self._curves.pop(trace))
            self.removeItem(self._dots.pop(trace))
            self.removeItem(self._bands.pop(trace))
        for trace, colour in traces.items():
            if trace not in self._curves:
                self._curves[trace] = Curve(connect="finite", skipFiniteCheck=False)
                self._bands[trace] = Curve(pen=None, fillLevel="enclosed", connect="finite")
                self._bands[trace].setZValue(-1)
                self.addItem(self._bands[trace], ignoreBounds=True)
                self._dots[trace] = pg.ScatterPlotItem(pxMode=True, size=7)
                self._dots[trace].hide()
                self.addItem(self._curves[trace], ignoreBounds=True)
                self.addItem(self._dots[trace], ignoreBounds=True)
                self._dots[trace].setZValue(10)
            stands_out = not trace.derived and trace.keypoints[0] in strong
            pen = pg.mkPen(colour, width=2 if stands_out else 1)
            if isinstance(trace, MeasuredTrace) and trace.dashed:
                pen.setStyle(Qt.PenStyle.DashLine)
            self._curves[trace].setPen(pen)
            self._curves[trace].setZValue(1 if stands_out else 0)
            faint = QColor(colour)
            faint.setAlpha(60)
            self._bands[trace].setBrush(pg.mkBrush(faint))
            self._dots[trace].setPen(pg.mkPen(colour, width=1.5))
            self._dots[trace].setBrush(pg.mkBrush(colour))
        for legend in self._legends:
            legend.clear()
            for trace, curve in self._curves.items():
                legend.addItem(curve, trace.label)

    def draw(
        self,
        store: TraceStore,
        labels: LabelRows,
        start: int,
        stop: int,
        columns: int,
        centred: bool = False,
    ) -> None:
        """Draw frames `start` to `stop` on so many pixel columns.

        Parameters
        ----------
        centred : bool
            Draw each trace less its median, that of the labels where nothing was predicted.
        """
        low, high = np.inf, -np.inf
        for trace, curve in self._curves.items():
            middle = store.middle(trace) if centred else 0.0
            offset = labels.middle(trace) if middle is None else middle
            x, y = store.envelope(trace, start, stop, columns)
            if offset:
                y = y - np.float32(offset)
            curve.setData(x, y)
            x, edge = store.band(trace, start, stop, columns)
            self._bands[trace].setVisible(len(x) > 0)
            self._bands[trace].setData(x, edge - np.float32(offset) if offset else edge)
            frames, values, seen = labels.values(trace, start, stop)
            if offset:
                values = values - np.float32(offset)
            self._draw_dots(trace, frames, values, seen)
            for part in (y, values):
                part = part[np.isfinite(part)]
                if part.size:
                    low, high = min(low, float(part.min())), max(high, float(part.max()))
        if self._auto:
            self._fit_values(low, high)

    def fit(self) -> None:
        """Let the vertical range follow the traces again."""
        self._auto = True

    def _fit_values(self, low: float, high: float) -> None:
        if self.kind.key == "confidence":
            low, high = -0.04, 1.04
        elif low > high:
            return
        else:
            margin = 0.06 * (high - low) or 1.0
            low, high = low - margin, high + margin
        if self.view.viewRange()[1] != [low, high]:
            self.view.setYRange(low, high, padding=0)

    def _draw_dots(
        self,
        trace: Trace,
        frames: NDArray[np.int64],
        values: NDArray[np.float32],
        seen: NDArray[np.bool_],
    ) -> None:
        dots = self._dots[trace]
        # Painting no dots costs as much as painting a line.
        dots.setVisible(len(frames) > 0)
        if not len(frames):
            if len(dots.data):
                dots.clear()
            return
        step = -(-len(frames) // _MOST_DOTS)
        colour = self._curves[trace].opts["pen"].color()
        full, empty = pg.mkBrush(colour), pg.mkBrush(None)
        dots.setData(
            x=frames[::step],
            y=values[::step],
            brush=[full if each else empty for each in seen[::step]],
        )

    def _on_stretched(self) -> None:
        self._auto = False
