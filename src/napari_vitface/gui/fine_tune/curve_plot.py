"""The curve of a fine-tune: held-out error with the mean pose as a line, and the loss below."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import QSizePolicy

from napari_vitface.gui.fine_tune.training_run import Curve
from napari_vitface.gui.trajectories.pg import pg

#: Width of the axes on the left, so that steps stand below each other.
_LEFT = 40
_HEIGHT = 210
ERROR_COLOUR, POSE_COLOUR, LOSS_COLOUR = "#4fc3f7", "#ffb74d", "#9aa5b1"


class CurvePlot(pg.GraphicsLayoutWidget):
    """Two small plots over the steps of a training; nothing in them reacts to the mouse."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.ci.layout.setContentsMargins(0, 7, 6, 2)
        self.ci.layout.setSpacing(2)
        self.setToolTip(
            "Above: median error in video pixels on frames that are not trained on; the dashed "
            "line is what always guessing the mean pose would get. Below: the loss on the frames "
            "trained on, on a scale of powers of ten."
        )
        self.error = self._panel(0, "held-out error (px)", 0.0)
        # The loss falls, so that there is room on the right.
        self.loss = self._panel(1, "loss", 1.0)
        self.error.hideAxis("bottom")
        self.loss.setXLink(self.error)
        self.loss.setMaximumHeight(82)
        self.errors = self.error.plot(
            pen=pg.mkPen(ERROR_COLOUR, width=2),
            symbol="o",
            symbolSize=5,
            symbolBrush=ERROR_COLOUR,
            symbolPen=None,
        )
        self.losses = self.loss.plot(pen=pg.mkPen(LOSS_COLOUR, width=1.5))
        self.pose = pg.InfiniteLine(
            angle=0,
            pen=pg.mkPen(POSE_COLOUR, width=1.5, style=Qt.PenStyle.DashLine),
            label="mean pose {value:.1f}",
            labelOpts={"position": 0.98, "anchors": [(1, 1), (1, 1)], "color": POSE_COLOUR},
        )
        self.error.addItem(self.pose, ignoreBounds=True)
        self.pose.setVisible(False)

    def _panel(self, row: int, title: str, side: float) -> Any:
        panel = self.addPlot(row=row, col=0, enableMenu=False)
        panel.setMouseEnabled(False, False)
        panel.hideButtons()
        panel.getAxis("left").setWidth(_LEFT)
        panel.getAxis("left").setStyle(hideOverlappingLabels=False)
        panel.getAxis("bottom").setHeight(18)
        panel.name = pg.LabelItem(title)
        panel.name.setParentItem(panel.vb)
        panel.name.anchor(itemPos=(side, 0), parentPos=(side, 0), offset=(4 - 8 * side, 0))
        return panel

    def show_curve(self, curve: Curve, steps: int) -> None:
        """Draw the course of a training of so many steps."""
        self.errors.setData([e[0] for e in curve.errors], [e[1] for e in curve.errors])
        self._draw_losses(curve)
        constant = curve.mean_pose[0]
        self.pose.setVisible(constant is not None)
        if constant is not None:
            self.pose.setValue(constant)
        highest = max([constant or 0.0, *(e[1] for e in curve.errors)])
        # Room above for the title and for the label of the line.
        self.error.setYRange(0, highest * 1.3 or 1.0, padding=0)
        known = [e[0] for e in curve.errors] + [one[0] for one in curve.losses]
        self.error.setXRange(0, max([steps, *known, 1]), padding=0.01)

    def _draw_losses(self, curve: Curve) -> None:
        """The logarithm of the loss, with its highest and lowest value written beside it."""
        there = [(step, loss) for step, loss in curve.losses if loss > 0]
        powers = [math.log10(loss) for _, loss in there]
        self.losses.setData([step for step, _ in there], powers)
        low, high = (min(powers), max(powers)) if powers else (-1.0, 0.0)
        self.loss.setYRange(low, max(high, low + 0.3), padding=0.2)
        ends = {low, high} if high - low > 0.05 else {high}
        ticks = [(power, _short(10**power)) for power in sorted(ends)] if powers else []
        self.loss.getAxis("left").setTicks([ticks])

    def set_colours(self, text: QColor, back: QColor) -> None:
        """Colours of what is written, and of what it stands on."""
        self.setBackground(back)
        quiet = QColor(text)
        quiet.setAlpha(170)
        for panel in (self.error, self.loss):
            panel.name.setText(panel.name.text, color=quiet)
            for side in ("left", "bottom"):
                panel.getAxis(side).setPen(quiet)
                panel.getAxis(side).setTextPen(quiet)

    def sizeHint(self) -> QSize:
        return QSize(280, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, _HEIGHT)

    def wheelEvent(self, event: QWheelEvent) -> None:
        # The dock scrolls, not the plot.
        event.ignore()


def _short(loss: float) -> str:
    """A loss in the few characters that the axis has room for; it leaves out longer ones."""
    return f"{loss:.2f}" if loss >= 0.01 else f"{loss:.0e}".replace("e-0", "e-")
