"""Means around onsets with their intervals, beside the numbers of trials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QWidget,
)

from napari_vitface.gui.numbers_table import NumbersTable
from napari_vitface.gui.section import WrappedLabel, set_role, stack
from napari_vitface.gui.trajectories.peri_event import PeriEvent
from napari_vitface.gui.trajectories.pg import pg
from napari_vitface.jobs.results.responses import Curve

_MEANS, _TRIALS = "means", "each trial"


class PeriEventView(QWidget):
    """A plot of one trace, a line a state, and a table.

    Signals
    -------
    source_chosen : int
        Position of what is to be shown among those of `set_sources`.
    sought : Path, int
        The video and the frame of a trial that was clicked.
    written : Path
        The file that the table was saved in.
    """

    source_chosen = Signal(int)
    sought = Signal(object, int)
    written = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._shown = PeriEvent("")
        self._colours: Mapping[str, str] = {}
        self._text = QColor("#ffffff")
        self.source = _box("Whose responses are shown")
        self.trace = _box("Which trace is plotted")
        self.rows = _box("What the table has a row for")
        self.rows.addItems([_MEANS, _TRIALS])
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the table, or its selected rows, for a spreadsheet")
        self.save_button = QPushButton("Save CSV…")
        self.save_button.setToolTip("Write the table to a file")
        self.plot = pg.PlotWidget()
        self.plot.hideButtons()
        for side in ("left", "bottom"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.plot.setMenuEnabled(False)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._legend = self.plot.addLegend(offset=(8, 4), verSpacing=-6)
        self.table = NumbersTable()
        self.about = WrappedLabel("", "hint")
        bar = QHBoxLayout()
        bar.setSpacing(5)
        bar.addWidget(self.source)
        bar.addWidget(QLabel("trace"))
        bar.addWidget(self.trace)
        bar.addStretch(1)
        bar.addWidget(self.rows)
        for button in (self.copy_button, self.save_button):
            set_role(button, "tool")
            bar.addWidget(button)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.addWidget(self.plot)
        self.split.addWidget(self.table)
        self.split.setChildrenCollapsible(False)
        self.split.setSizes([480, 520])
        layout = stack(self, bar, spacing=3)
        layout.addWidget(self.split, 1)
        layout.addStretch(0)
        layout.addWidget(self.about)
        self.source.activated.connect(lambda place: self.source_chosen.emit(place))
        self.trace.currentIndexChanged.connect(lambda *_: self._draw())
        self.rows.currentIndexChanged.connect(lambda *_: self._fill())
        self.copy_button.clicked.connect(lambda: self.table.copy())
        self.save_button.clicked.connect(lambda: self.save())
        self.table.chosen.connect(self._on_row)

    def set_sources(self, names: list[str], chosen: int) -> None:
        """Offer what can be shown, and say what is."""
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItems(names)
        self.source.setCurrentIndex(chosen)
        self.source.blockSignals(False)

    def show_responses(self, shown: PeriEvent, colours: Mapping[str, str]) -> None:
        """Show other responses, states in their colours."""
        self._shown, self._colours = shown, colours
        self.split.setVisible(bool(shown.curves))
        for widget in (self.trace, self.rows, self.copy_button, self.save_button):
            widget.setEnabled(bool(shown.curves))
        self.about.setText(shown.about)
        before = self.trace.currentText()
        self.trace.blockSignals(True)
        self.trace.clear()
        self.trace.addItems(shown.traces)
        last = len(shown.traces) - 1
        self.trace.setCurrentIndex(self.trace.findText(before) if before in shown.traces else last)
        self.trace.blockSignals(False)
        self._draw()
        self._fill()

    def save(self) -> None:
        """Ask for a file, and write the table."""
        self.table.ask_to_save(self._shown.file, self.written.emit)

    def set_colours(self, text: QColor, back: Any) -> None:
        """Draw in the colours of a theme."""
        self._text = QColor(text)
        self.plot.setBackground(back)
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        self._legend.setLabelTextColor(text)
        self._draw()

    # ----------------------------------------------------------------- drawing

    def _draw(self) -> None:
        self.plot.clear()
        self._legend.clear()
        shown = self._shown
        if not shown.curves:
            return
        faint = QColor(self._text)
        faint.setAlpha(110)
        self.plot.addItem(pg.InfiniteLine(0, pen=pg.mkPen(faint)))
        for curve in shown.curves:
            if curve.trace == self.trace.currentText():
                self._draw_curve(curve, QColor(self._colours[curve.state]))
        unit = "seconds" if shown.timed else "frames"
        self.plot.setLabel("bottom", f"{unit} from the onset")
        self.plot.setLabel("left", shown.quantity)
        self.plot.autoRange()

    def _draw_curve(self, curve: Curve, colour: QColor) -> None:
        shade = QColor(colour)
        shade.setAlpha(60)
        known = np.isfinite(curve.low) & np.isfinite(curve.high)
        if known.any():
            times = curve.times[known]
            edges = [pg.PlotCurveItem(times, y[known]) for y in (curve.low, curve.high)]
            self.plot.addItem(pg.FillBetweenItem(*edges, brush=shade))
        line = pg.PlotCurveItem(
            curve.times, curve.mean, pen=pg.mkPen(colour, width=2), connect="finite"
        )
        self.plot.addItem(line)
        self._legend.addItem(line, f"{curve.state} (n = {curve.trials})")

    def _fill(self) -> None:
        shown = self._shown
        late = "latency (s)" if shown.timed else "latency (frames)"
        if self.rows.currentText() == _MEANS:
            self.table.show_rows(
                ["state", "trace", "trials", "size", "95 %", "respond", late],
                [
                    [
                        each.state,
                        each.prototype,
                        str(each.trials),
                        _number(each.size),
                        f"{_number(each.low)} to {_number(each.high)}"
                        if np.isfinite(each.low)
                        else "",
                        f"{100 * each.responding:.0f} %",
                        _number(each.latency),
                    ]
                    for each in shown.summaries
                ],
            )
            return
        grouped = any(each.group for each in shown.trials)
        self.table.show_rows(
            ["trial", *([shown.unit] if grouped else []), "state", "trace", "size", "peak", late],
            [
                [
                    each.name,
                    *([each.group] if grouped else []),
                    each.state,
                    each.trace,
                    *(_number(value) for value in (each.size, each.peak, each.latency)),
                ]
                for each in shown.trials
            ],
            [f"Show {each.video.name} at frame {each.onset}" for each in shown.trials],
        )

    def _on_row(self, row: int) -> None:
        shown = self._shown
        if self.rows.currentText() == _TRIALS and row < len(shown.trials):
            self.sought.emit(Path(shown.trials[row].video), shown.trials[row].onset)


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else ""


def _box(tip: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.setMaximumWidth(280)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return box
