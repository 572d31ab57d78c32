"""The similarity of frames as a picture: row and column are frames, in an order of choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, Signal

from napari_vitface.gui.trajectories.pg import pg

#: Shares of the pairs whose similarity is at or below the darkest and the brightest colour.
_RANGE = (2, 98)


class SimilarityPlot(pg.PlotWidget):
    """A similarity matrix.

    Signals
    -------
    clicked : int
        Position of the frame whose row was clicked, whatever the order.
    """

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__(viewBox=ClickView(self.click_at))
        self._order = np.zeros(0, np.int64)
        self._place = np.zeros(0, np.int64)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.colormap.get("magma"))
        self._strip = pg.ImageItem(axisOrder="row-major")
        self._lines = [pg.InfiniteLine(angle=angle) for angle in (0, 90)]
        for item in (self._image, self._strip, *self._lines):
            self.addItem(item)
        self.getPlotItem().invertY(True)
        self.setAspectLocked(True)
        for side in ("left", "bottom"):
            self.hideAxis(side)
        self.hideButtons()
        self.setMenuEnabled(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.set_colours("#ffffff", "#000000")
        self.mark(None)

    def set_colours(self, text: Any, back: Any) -> None:
        """Draw in the colours of a theme."""
        self.setBackground(back)
        for line in self._lines:
            line.setPen(pg.mkPen("#35d0ff", width=1.2))

    def show_matrix(
        self, matrix: NDArray[np.float16], order: NDArray[np.int64], colours: NDArray[np.uint8]
    ) -> None:
        """Show a matrix (n, n) in an order, with the colours (n, 4) of its frames beside it."""
        self._order = order
        self._place = np.argsort(order)
        count = len(order)
        ordered = matrix[np.ix_(order, order)].astype(np.float32)
        off = ordered[~np.eye(count, dtype=bool)]
        off = off[np.isfinite(off)]
        low, high = np.percentile(off, _RANGE) if len(off) else (0.0, 1.0)
        self._image.setImage(
            np.nan_to_num(ordered, nan=float(low)), levels=(float(low), max(high, low + 1e-6))
        )
        width = max(1, round(count / 40))
        self._strip.setImage(np.repeat(colours[order][:, None], width, axis=1))
        self._strip.setRect(-1.5 * width, 0, width, count)
        self.getPlotItem().vb.setRange(
            xRange=(-1.5 * width, count), yRange=(0, count), padding=0.01
        )
        self.mark(None)

    def mark(self, position: int | None) -> None:
        """Cross row and column of the frame on screen."""
        for line in self._lines:
            line.setVisible(position is not None)
            if position is not None:
                line.setValue(float(self._place[position]) + 0.5)

    @property
    def marked(self) -> float | None:
        """Row of the frame on screen in the picture."""
        line = self._lines[0]
        return float(line.value()) - 0.5 if line.isVisible() else None

    def click_at(self, place: QPointF) -> None:
        """Go to the frame of a row."""
        row = int(np.floor(place.y()))
        if 0 <= row < len(self._order):
            self.clicked.emit(int(self._order[row]))


class ClickView(pg.ViewBox):
    """Gives the place of a click; two show all of the plot."""

    def __init__(self, on_click: Callable[[QPointF], None]) -> None:
        super().__init__()
        self._on_click = on_click

    def mouseClickEvent(self, event: Any) -> None:
        event.accept()
        if event.double():
            self.autoRange()
        else:
            self._on_click(self.mapToView(event.pos()))
