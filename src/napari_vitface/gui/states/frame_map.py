"""The map of frames: a point each; a click goes to its frame, a lasso selects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QPolygonF

from napari_vitface.gui.states.matrix import ClickView
from napari_vitface.gui.trajectories.pg import pg

#: Pixels from a point within which a click means it.
_REACH = 15


class FrameMap(pg.PlotWidget):
    """Points of frames.

    Signals
    -------
    clicked : int
        Position of the point.
    lassoed : (n,) array of bool
        The points that were circled.
    """

    clicked = Signal(int)
    lassoed = Signal(object)

    def __init__(self) -> None:
        self._view = _LassoView(self)
        super().__init__(viewBox=self._view)
        self._points = np.zeros((0, 2), np.float32)
        self._colours = np.zeros((0, 4), np.uint8)
        self._dots = _Dots(size=7, pen=None, pxMode=True)
        self._chosen = _Dots(size=11, brush=None, pxMode=True)
        self._here = _Dots(size=17, brush=None, pxMode=True)
        self._path = pg.PlotCurveItem()
        for item in (self._dots, self._chosen, self._here, self._path):
            self.addItem(item)
        self._path.setZValue(10)
        self.hideButtons()
        self.setMenuEnabled(False)
        # A click here leaves the keyboard with the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.set_colours("#ffffff", "#000000")

    @property
    def lasso(self) -> bool:
        """Whether dragging draws a lasso rather than moving the map."""
        return self._view.lasso

    @lasso.setter
    def lasso(self, on: bool) -> None:
        self._view.lasso = on
        self.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)

    def set_colours(self, text: Any, back: Any) -> None:
        """Draw in the colours of a theme."""
        self.setBackground(back)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(text)
            self.getAxis(side).setTextPen(text)
        self._here.setPen(pg.mkPen(text, width=2.5))
        self._chosen.setPen(pg.mkPen(text, width=1))
        self._path.setPen(pg.mkPen(text, width=1.5, style=Qt.PenStyle.DashLine))

    def show_points(
        self, points: NDArray[np.float32], colours: NDArray[np.uint8], titles: tuple[str, str]
    ) -> None:
        """Show other points (n, 2), NaN for frames that have none, and what the axes are."""
        self._points = points
        brushes = {tuple(row): pg.mkBrush(*row) for row in np.unique(colours, axis=0).tolist()}
        there = np.isfinite(points).all(axis=1)
        self._dots.setData(
            points[there, 0],
            points[there, 1],
            brush=[brushes[tuple(row)] for row in colours[there].tolist()],
        )
        self.setLabel("bottom", titles[0])
        self.setLabel("left", titles[1])
        self.mark(None)
        self.show_chosen(np.zeros(len(points), np.bool_))
        self.autoRange()

    def show_chosen(self, chosen: NDArray[np.bool_]) -> None:
        """Ring the points that are selected."""
        seen = self._points[chosen]
        self._chosen.setData(seen[:, 0], seen[:, 1])

    def mark(self, position: int | None) -> None:
        """Ring the point of the frame on screen."""
        seen = self._points[[] if position is None else [position]]
        self._here.setData(seen[:, 0], seen[:, 1])

    @property
    def marked(self) -> NDArray[np.float32]:
        """(1, 2) or (0, 2): where the frame on screen is."""
        return np.stack(self._here.getData(), axis=1)

    def click_at(self, place: QPointF) -> None:
        """Go to the nearest point, if one is near a place in the map."""
        if not len(self._points):
            return
        pixel = np.array(self._view.viewPixelSize())
        away = np.linalg.norm((self._points - (place.x(), place.y())) / pixel, axis=1)
        if np.isfinite(away).any() and np.nanmin(away) <= _REACH:
            self.clicked.emit(int(np.nanargmin(away)))

    def draw_lasso(self, corners: list[QPointF], *, done: bool) -> None:
        """Show a lasso as it is drawn, in places of the map; select what is in it when `done`."""
        self._path.setData([corner.x() for corner in corners], [corner.y() for corner in corners])
        if not done:
            return
        self._path.setData([], [])
        polygon = QPolygonF(corners)
        rule = Qt.FillRule.OddEvenFill
        inside = [
            bool(np.isfinite((x, y)).all()) and polygon.containsPoint(QPointF(x, y), rule)
            for x, y in self._points.tolist()
        ]
        self.lassoed.emit(np.array(inside, np.bool_))


class _Dots(pg.ScatterPlotItem):
    """Leaves clicks to the map, which finds the nearest of all points."""

    def mouseClickEvent(self, event: Any) -> None:
        event.ignore()


class _LassoView(ClickView):
    """What is dragged in is the map, or a lasso."""

    def __init__(self, owner: FrameMap) -> None:
        super().__init__(owner.click_at)
        self._owner = owner
        self._corners: list[QPointF] = []
        self.lasso = False

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Draw the lasso."""
        if not self.lasso or event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            self._corners = [self.mapToView(event.buttonDownPos())]
        self._corners.append(self.mapToView(event.pos()))
        self._owner.draw_lasso(self._corners, done=event.isFinish())
