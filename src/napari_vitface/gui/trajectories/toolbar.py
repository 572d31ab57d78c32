"""The line of buttons above the plot of the Trajectories dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAction, QCheckBox, QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

from napari_vitface.gui.kept_choices import KeptChoices
from napari_vitface.gui.numbers import digits
from napari_vitface.gui.section import set_role
from napari_vitface.gui.trajectories.axes import clock
from napari_vitface.gui.trajectories.panel_kinds import PANELS

#: Panels that are there at first.
_AT_FIRST = ("x", "y", "confidence")

#: Panels that are offered only once there is a trace for them.
_ON_DEMAND = ("distance", "angle", "near", "spread", "tokens", "state", "likeness")

#: Panels of a table of traces that are shown at first, at most.
_AT_ONCE = 3


class TrajectoryToolbar(QWidget):
    """Which panels, the frame of the slider, and what can be done with the plot."""

    #: Other panels are wanted, or x and y otherwise.
    changed = Signal()
    fit_pressed = Signal()
    filter_toggled = Signal(bool)
    #: Means around onsets are wanted in place of time.
    around_toggled = Signal(bool)

    def __init__(self, kept: KeptChoices) -> None:
        super().__init__()
        self._panels: dict[str, QPushButton] = {}
        #: Panels that were offered, and whether they are ticked.
        self._ticked = kept.of("trajectories.panels", dict.fromkeys(_AT_FIRST, True))
        self._usable = True
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        # There are many panels of traces: they stand in a menu, the first ones ticked.
        self.traces_button = QPushButton("Traces")
        self.traces_button.setToolTip("Show or hide what was measured of the video")
        self.traces_menu = QMenu(self.traces_button)
        self.traces_button.setMenu(self.traces_menu)
        self.traces_button.setHidden(True)
        set_role(self.traces_button, "tool")
        self._of_table: dict[str, QAction] = {}
        for kind in PANELS:
            if kind.of_table:
                action = self._of_table[kind.key] = self.traces_menu.addAction(kind.title)
                action.setToolTip(kind.help)
                action.setCheckable(True)
                action.setVisible(False)
                action.toggled.connect(partial(self._on_ticked, kind.key))
                continue
            button = QPushButton(kind.title)
            button.setCheckable(True)
            button.setChecked(self._ticked.get(kind.key, False))
            button.setToolTip(f"Show or hide: {kind.help}")
            button.setHidden(kind.key in _ON_DEMAND)
            set_role(button, "toggle")
            button.toggled.connect(partial(self._on_ticked, kind.key))
            self._panels[kind.key] = button
            layout.addWidget(button)
        layout.addWidget(self.traces_button)
        self.centred = QCheckBox("centred")
        self.centred.setToolTip(
            "Draw x and y less their medians, so that small movements of keypoints that are far "
            "apart are seen"
        )
        self.centred.setChecked(True)
        self.centred.toggled.connect(lambda *_: self.changed.emit())
        self.place = QLabel("")
        set_role(self.place, "value")
        self.place.setMinimumWidth(150)
        self.place.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.follow = QCheckBox("follow")
        self.follow.setToolTip("Turn the page when the slider leaves what is in view")
        self.follow.setChecked(True)
        self.fit_button = QPushButton("Fit")
        self.fit_button.setToolTip("Show the whole video and all values (double-click in the plot)")
        self.fit_button.clicked.connect(lambda: self.fit_pressed.emit())
        self.filter_button = QPushButton("Filter")
        self.filter_button.setCheckable(True)
        self.filter_button.setToolTip("Smooth predictions and fill gaps")
        self.filter_button.toggled.connect(self.filter_toggled)
        self.around_button = QPushButton("Around onsets")
        self.around_button.setCheckable(True)
        self.around_button.setToolTip(
            "Average traces of states around the onsets of events or trials; latency and size"
        )
        self.around_button.toggled.connect(self._on_around)
        set_role(self.around_button, "toggle")
        self.export_button = QPushButton("Export")
        self.export_menu = QMenu(self.export_button)
        self.export_button.setMenu(self.export_menu)
        layout.addWidget(self.around_button)
        layout.addWidget(self.centred)
        layout.addStretch(1)
        layout.addWidget(self.place)
        layout.addSpacing(6)
        layout.addWidget(self.follow)
        for button in (self.fit_button, self.filter_button, self.export_button):
            set_role(button, "tool")
            layout.addWidget(button)
        kept.follow(self, "centred", "follow")

    @property
    def panels(self) -> list[str]:
        """Keys of the panels that are wanted, from top to bottom."""
        return [key for key in (*self._panels, *self._of_table) if self._ticked.get(key)]

    def show_place(self, frame: int, times: NDArray[np.float64] | None) -> None:
        """Say which frame is on screen, and its time if frames have times."""
        text = f"frame {digits(frame)}"
        if times is not None and frame < len(times):
            text += f"  ·  {clock(float(times[frame]), 3)}"
        self.place.setText(text)

    def panel_button(self, key: str) -> QPushButton:
        """The button that shows and hides a panel."""
        return self._panels[key]

    def offer(self, kinds: set[str]) -> None:
        """Offer the panels for traces of these kinds that there are, and show new ones."""
        for panel in PANELS:
            if panel.key in _ON_DEMAND:
                there = bool(kinds & {panel.key, *panel.kinds})
                self._offer(panel.key, self._panels[panel.key], there, True)
        for key, action in self._of_table.items():
            shown = [each for each in self._of_table if self._ticked.get(each)]
            self._offer(key, action, key in kinds, len(shown) < _AT_ONCE)
        self.traces_button.setHidden(not kinds & set(self._of_table))

    def _offer(self, key: str, box: QPushButton | QAction, there: bool, at_first: bool) -> None:
        """Show the box of a panel, which is ticked `at_first`, or hide it."""
        if there:
            self._ticked.setdefault(key, at_first)
        else:
            self._ticked.pop(key, None)
        box.blockSignals(True)
        box.setChecked(self._ticked.get(key, False))
        box.blockSignals(False)
        box.setVisible(there)

    def _on_ticked(self, key: str, ticked: bool) -> None:
        self._ticked[key] = ticked
        self.changed.emit()

    def add_export(self, text: str, work: Callable[[], None]) -> None:
        """Add an entry to the menu of Export."""
        self.export_menu.addAction(text).triggered.connect(lambda *_: work())

    def set_usable(self, usable: bool) -> None:
        """Whether there is something to plot."""
        self._usable = usable
        self._enable()

    def _on_around(self, on: bool) -> None:
        self._enable()
        self.around_toggled.emit(on)

    def _enable(self) -> None:
        over_time = not self.around_button.isChecked()
        for button in (self.export_button, self.filter_button, self.fit_button):
            button.setEnabled(self._usable and over_time)
        for widget in (*self._panels.values(), self.traces_button, self.centred, self.follow):
            widget.setEnabled(over_time)
