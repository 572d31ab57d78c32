"""The plot of the Trajectories dock: panels below each other, lanes of ticks, the slider's line.

A step of the slider moves the line and nothing else. So the line is no part of pyqtgraph's scene:
the scene is drawn to a picture when something in it changes, and each paint puts the picture on
screen with the line over it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap, QPolygonF

from napari_vitface.gui.trajectories.panel import Panel
from napari_vitface.gui.trajectories.panel_kinds import CENTRED, PANELS
from napari_vitface.gui.trajectories.pg import pg
from napari_vitface.gui.trajectories.ticks import Lanes
from napari_vitface.kinematics import Trace

if TYPE_CHECKING:
    from napari_vitface.gui.trajectories.label_rows import LabelRows
    from napari_vitface.gui.trajectories.trace_store import TraceStore

#: Pixels beside the line of the slider in which a press grabs it.
_GRAB = 5


class TrajectoryPlot(pg.GraphicsLayoutWidget):
    """Panels of traces with one time axis.

    Signals
    -------
    sought : int
        Frame that the user went to by a click, or by dragging the slider's line.
    range_changed
        Other frames are in view.
    threshold_moved : float
        The line of the confidence threshold was dragged there.
    """

    sought = Signal(int)
    range_changed = Signal()
    threshold_moved = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        #: Where the line of the slider stands.
        self.frame = 0
        self._times: NDArray[np.float64] | None = None
        self._picture: QPixmap | None = None
        self._cursor_colour = QColor("white")
        self._light = False
        #: Times that the scene was drawn, for tests.
        self.pictures = 0
        self.ci.layout.setSpacing(5)
        self.ci.layout.setContentsMargins(2, 2, 24, 2)
        self.ci.setBorder(None)
        self.lanes = Lanes(self.near_cursor)
        self.panels = {kind.key: Panel(kind, self.near_cursor) for kind in PANELS}
        self._shown: list[str] = []
        #: Has no content of its own; every panel's time axis is linked to it.
        self.time = self.lanes.view
        for view in (self.lanes.view, *(panel.view for panel in self.panels.values())):
            view.sought.connect(self._on_sought)
        for panel in self.panels.values():
            panel.view.setXLink(self.time)
        self.time.sigXRangeChanged.connect(lambda *_: self.range_changed.emit())
        self.threshold = pg.InfiniteLine(
            0.5, angle=0, movable=True, bounds=(0.0, 1.0), label="low below {value:.2f}",
            labelOpts={"position": 0.99, "anchors": [(1, 0), (1, 1)], "movable": False},
        )  # fmt: skip
        self.threshold.setZValue(20)
        self.threshold.sigDragged.connect(lambda line: self.threshold_moved.emit(line.value()))
        self.panels["confidence"].addItem(self.threshold, ignoreBounds=True)
        # Every change of the scene comes by here before it is painted.
        self.scene().changed.connect(self._on_scene_changed)
        self._seek_to = 0
        self._seek_timer = QTimer(self)
        self._seek_timer.setSingleShot(True)
        self._seek_timer.timeout.connect(self._seek)
        self.viewport().setMouseTracking(True)
        # A click here leaves the keyboard with the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    # ----------------------------------------------------------------- what is shown

    @property
    def shown(self) -> list[str]:
        """Keys of the panels that are there, from top to bottom."""
        return list(self._shown)

    def set_panels(self, keys: Iterable[str]) -> None:
        """Show these panels below the lanes."""
        keys = [key for key in self.panels if key in set(keys)]
        if keys == self._shown and self.lanes.scene() is not None:
            return
        self._shown = keys
        for item in list(self.ci.items):
            self.ci.removeItem(item)
        self.ci.addItem(self.lanes, row=0, col=0)
        for row, key in enumerate(keys):
            panel = self.panels[key]
            panel.showAxis("bottom", key == keys[-1])
            self.ci.addItem(panel, row=row + 1, col=0)
        for row in range(self.ci.layout.rowCount()):
            self.ci.layout.setRowStretchFactor(row, 1 if 0 < row <= len(keys) else 0)
            axis = self.panels[keys[-1]].axis.height() if keys and row == len(keys) else 0.0
            self.ci.layout.setRowPreferredHeight(row, 40 + axis if row else 0)
        # Taking items out shrank the layout to the least that it needs.
        self.ci.layout.activate()
        self.ci.setGeometry(self.range)

    def set_length(self, length: int, times: NDArray[np.float64] | None) -> None:
        """Another video: number of frames, and seconds of each frame if they are known."""
        self._times = times
        for panel in self.panels.values():
            panel.axis.set_times(times)
        self.time.set_length(length)
        self.fit()

    def fit(self) -> None:
        """Show the whole video, and all values."""
        self.fit_values()
        self.time.show_all()
        self.range_changed.emit()

    def fit_values(self) -> None:
        """Let vertical ranges follow the traces."""
        for panel in self.panels.values():
            panel.fit()

    @property
    def frames(self) -> tuple[int, int]:
        """First frame in view and the one after the last."""
        left, right = self.time.viewRange()[0]
        start, stop = int(np.floor(left)), int(np.ceil(right)) + 1
        return max(0, start), min(self.time.length, stop)

    def show_frames(self, start: float, stop: float) -> None:
        """Bring some frames into view."""
        self.time.show_frames(start, stop)

    def bring_into_view(self, frame: int) -> None:
        """Turn the page if a frame is out of view."""
        self.time.bring_into_view(frame)

    def set_colours(self, text: QColor, back: QColor, line: QColor) -> None:
        """Colours of what is written, of what it stands on, and of the slider's line."""
        self.setBackground(back)
        self._light = back.lightness() > 128
        self._cursor_colour = line
        self.lanes.set_colours(text)
        for panel in self.panels.values():
            panel.set_colours(text)
        warm = QColor("#f2555a")
        self.threshold.setPen(pg.mkPen(warm, width=1, style=Qt.PenStyle.DashLine))
        self.threshold.setHoverPen(pg.mkPen(warm, width=2))
        self.threshold.label.setColor(warm)
        self._on_scene_changed()

    def set_traces(self, colours: dict[Trace, QColor], strong: Collection[str] = ()) -> None:
        """Draw these, each in the panel of its kind; those of keypoints in `strong` stand out."""
        if self._light:
            # Colours are made for grey video; on a light ground they need more weight.
            colours = {trace: colour.darker(150) for trace, colour in colours.items()}
        for panel in self.panels.values():
            mine = {t: c for t, c in colours.items() if panel.kind.takes(t)}
            panel.set_traces(mine, strong)

    def set_titles(self, timed: bool, centred: bool) -> None:
        """Say beside each panel what it shows."""
        for panel in self.panels.values():
            panel.set_title(timed, centred)

    def draw(self, store: TraceStore, labels: LabelRows, centred: bool = False) -> None:
        """Draw the traces of the frames in view."""
        start, stop = self.frames
        columns = max(50, round(self.time.width()))
        for key in self._shown:
            less_middle = centred and key in CENTRED
            self.panels[key].draw(store, labels, start, stop, columns, less_middle)

    # ----------------------------------------------------------------- the slider's line

    def set_frame(self, frame: int) -> None:
        """Move the line to a frame."""
        if frame == self.frame:
            return
        before = self._cursor_strip()
        self.frame = frame
        viewport = self.viewport()
        viewport.update(before)
        viewport.update(self._cursor_strip())

    def cursor_x(self) -> float:
        """Where the line stands, in pixels of the widget; may be outside of what is in view."""
        return float(self.time.mapViewToScene(QPointF(self.frame, 0)).x())

    def near_cursor(self, place: QPointF) -> bool:
        """Whether a press at a place of the scene grabs the line."""
        return abs(place.x() - self.cursor_x()) <= _GRAB

    def _cursor_strip(self) -> QRect:
        return QRect(round(self.cursor_x()) - 6, 0, 13, self.viewport().height())

    def _on_scene_changed(self, *_: Any) -> None:
        if self._picture is not None:
            self._picture = None
            self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._picture is None:
            self._picture = self._scene_picture()
        viewport = self.viewport()
        painter = QPainter(viewport)
        area = event.rect()
        ratio = self._picture.devicePixelRatio()
        source = QRectF(
            area.x() * ratio, area.y() * ratio, area.width() * ratio, area.height() * ratio
        )
        painter.drawPixmap(QRectF(area), self._picture, source)
        self._paint_cursor(painter)
        painter.end()

    def _scene_picture(self) -> QPixmap:
        self.pictures += 1
        viewport = self.viewport()
        ratio = viewport.devicePixelRatioF()
        picture = QPixmap(round(viewport.width() * ratio), round(viewport.height() * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(self.backgroundBrush().color())
        painter = QPainter(picture)
        self.render(painter, QRectF(viewport.rect()), viewport.rect())
        painter.end()
        return picture

    def _paint_cursor(self, painter: QPainter) -> None:
        area = self.time.sceneBoundingRect()
        x = self.cursor_x()
        if not area.left() - 0.5 <= x <= area.right() + 0.5 or not self.time.length:
            return
        bottom = area.bottom()
        if self._shown:
            bottom = self.panels[self._shown[-1]].view.sceneBoundingRect().bottom()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pg.mkPen(self._cursor_colour, width=1))
        middle = round(x) + 0.5
        painter.drawLine(QPointF(middle, area.top()), QPointF(middle, bottom))
        painter.setBrush(self._cursor_colour)
        painter.setPen(Qt.PenStyle.NoPen)
        top = area.top()
        painter.drawPolygon(
            QPolygonF(
                [QPointF(middle - 5, top), QPointF(middle + 5, top), QPointF(middle, top + 7)]
            )
        )

    def picture(self, scale: float = 2.0) -> QImage:
        """What is plotted, without the slider's line, so many times as fine as on screen."""
        size = self.viewport().size() * scale
        image = QImage(size, QImage.Format.Format_RGB32)
        # As on a finer screen: lines are as thick as they were.
        image.setDevicePixelRatio(scale)
        painter = QPainter(image)
        self.paint_on(painter, QRectF(self.viewport().rect()))
        painter.end()
        return image

    def paint_on(self, painter: QPainter, area: QRectF) -> None:
        """Paint what is plotted, without the slider's line, on something else than the screen."""
        items = [item for item in self.scene().items() if hasattr(item, "setExportMode")]
        painter.fillRect(area, self.backgroundBrush())
        for item in items:
            # Smooth lines, and dots as shapes rather than as small pictures.
            item.setExportMode(True, {"antialias": True, "resolutionScale": 1.0})
        try:
            self.render(painter, area, self.viewport().rect())
        finally:
            for item in items:
                item.setExportMode(False)

    # ----------------------------------------------------------------- the mouse

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        if event.buttons() == Qt.MouseButton.NoButton:
            place = self.mapToScene(event.pos())
            if self.lanes.sceneBoundingRect().contains(place):
                self.lanes.setToolTip(self.lanes.describe(place))
            if self.near_cursor(place):
                self.viewport().setCursor(Qt.CursorShape.SplitHCursor)
            else:
                self.viewport().unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.fit()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._picture = None
        if hasattr(self, "lanes"):
            self.range_changed.emit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        self._picture = None

    def _on_sought(self, x: float) -> None:
        if not self.time.length:
            return
        self._seek_to = int(np.clip(round(x), 0, self.time.length - 1))
        # A drag brings many places; the slider goes to the last one when it has time.
        if not self._seek_timer.isActive():
            self._seek_timer.start(0)

    def _seek(self) -> None:
        if self._seek_to != self.frame:
            self.sought.emit(self._seek_to)
