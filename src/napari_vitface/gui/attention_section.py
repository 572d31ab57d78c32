"""Section 3: where the network looked, on the frame on screen."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_vitface.gui.describe import describe_map, method_help
from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL
from napari_vitface.gui.overlays import ATTENTION_COLOURS
from napari_vitface.gui.section import Fold, Note, Section, WrappedLabel, labelled_rows
from napari_vitface.gui.session import Session

_METHODS = {"rollout": "Rollout (through the layers)", "raw": "Raw (one layer)"}
_FUSIONS = {"mean": "mean", "max": "maximum", "min": "minimum"}


class AttentionSection(Section):
    """On or off, of what, by which method; and exactly what is shown."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(3, "Attention", parent)
        self._session = session
        self._follower = session.attention
        self.switch = QCheckBox("Show where the network looks")
        self.target = _combo({})
        self.target.setToolTip("Which map to look at")
        self.method = _combo(_METHODS)
        self.fusion = _combo(_FUSIONS)
        self.fusion.setToolTip("How a layer's attention heads become one")
        self.first, self.last = QSpinBox(), QSpinBox()
        self.to_label = QLabel("to")
        for box in (self.first, self.last):
            box.setMinimumWidth(84)
            box.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.discard = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.discard.setRange(0.0, 0.95)
        self.discard.setSingleStep(0.05)  # type: ignore[arg-type]
        self.discard.setDecimals(2)
        self.discard.setToolTip("Share of the weakest attention weights that is set to zero")
        self.hide_self = QCheckBox("Hide the keypoint's own patch")
        self.hide_self.setToolTip(
            "A patch passes itself on through the residual connections and outshines the rest"
        )
        self.opacity = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0.0, 1.0)
        self.opacity.setDecimals(2)
        self.opacity.setValue(session.overlays.attention_opacity)
        self.colours = _combo({name: name for name in ATTENTION_COLOURS})
        self.label = WrappedLabel("", "value")
        self.problem = Note()

        main, _ = labelled_rows(("Of", self.target), ("Opacity", self.opacity))
        main.setContentsMargins(0, 0, 0, 0)
        self.choices = QWidget()
        self.choices.setLayout(main)
        layers = QHBoxLayout()
        layers.setSpacing(5)
        for widget in (self.first, self.to_label, self.last):
            layers.addWidget(widget)
        layers.addStretch(1)
        form = QWidget()
        grid, _ = labelled_rows(
            ("Method", self.method),
            ("Layers", layers),
            ("Heads", self.fusion),
            ("Discard", self.discard),
            ("Colours", self.colours),
        )
        grid.setContentsMargins(10, 0, 0, 0)
        grid.addWidget(self.hide_self, grid.rowCount(), 0, 1, 2)
        form.setLayout(grid)
        self.settings = Fold("Settings", form)
        self.content.addWidget(self.switch)
        self.content.addWidget(self.choices)
        self.content.addWidget(self.settings)
        self.content.addWidget(self.label)
        self.content.addWidget(self.problem)

        follower = self._follower
        self.switch.toggled.connect(lambda on: setattr(follower, "enabled", on))
        self.target.activated.connect(lambda _: self._configure(target=self.target.currentData()))
        self.method.activated.connect(lambda _: self._configure(method=self.method.currentData()))
        self.fusion.activated.connect(
            lambda _: self._configure(head_fusion=self.fusion.currentData())
        )
        self.first.valueChanged.connect(lambda _: self._on_layers())
        self.last.valueChanged.connect(lambda _: self._on_layers())
        self.discard.valueChanged.connect(lambda value: self._configure(discard=round(value, 2)))
        self.hide_self.toggled.connect(lambda on: self._configure(hide_self=on))
        overlays = session.overlays
        self.opacity.valueChanged.connect(lambda v: setattr(overlays, "attention_opacity", v))
        self.colours.activated.connect(
            lambda _: setattr(overlays, "attention_colours", self.colours.currentData())
        )
        follower.changed.connect(self.refresh)
        session.video_changed.connect(self.refresh)
        session.poses_changed.connect(self._list_targets)
        self._list_targets()
        self.refresh()

    def set_keypoints(self, names: list[str]) -> None:
        """Offer the keypoints of the chosen model."""
        wanted = [ALL_KEYPOINTS, GLOBAL, *names]
        if wanted == [self.target.itemData(i) for i in range(self.target.count())]:
            return
        self.target.clear()
        self.target.addItem("All keypoints (mean)", ALL_KEYPOINTS)
        self.target.addItem("Whole image (global)", GLOBAL)
        for name in names:
            self.target.addItem(name, name)
        index = self.target.findData(self._follower.settings.target)
        self.target.setCurrentIndex(max(index, 0))
        if index < 0:
            self._configure(target=ALL_KEYPOINTS)

    def refresh(self) -> None:
        """Bring every line up to date with the session."""
        follower, opened = self._follower, self._session.current
        self.set_waiting(opened is None)
        _set(self.switch, follower.enabled)
        self.switch.setEnabled(opened is not None or follower.enabled)
        self.choices.setVisible(follower.enabled)
        self.settings.setVisible(follower.enabled)
        chosen = follower.settings
        _set(self.hide_self, chosen.hide_self)
        self.method.setToolTip(method_help(chosen.method))
        self._refresh_layers()
        self.problem.say(follower.message if follower.status == "failed" else "", "error")
        match follower.status:
            case "off" if opened is None:
                self.hint.setText("Waits for a video.")
                self.status = ""
            case "off":
                self.hint.setText("Tick to see it as heat on the frame on screen.")
                self.status = "off"
            case "waiting":
                self.hint.setText("Waits for a video.")
                self.status = ""
            case "computing":
                self.hint.setText("")
                self.status = "computing …"
                self.label.setText(f"Computing frame {self._session.frame} …")
                return
            case "shown":
                self.hint.setText("")
                self.status = "on"
            case "failed":
                self.hint.setText("")
                self.status = "failed"
        if follower.status == "shown" and follower.shown is not None and follower.picture:
            names = follower.shown.names
            self.set_keypoints([name for name in names if name != GLOBAL])
            depth = follower.depths.get(self._session.model)
            self.label.setText(
                describe_map(follower.shown, chosen.target, follower.picture, follower.limit, depth)
            )
        else:
            self.label.setText("")

    def _refresh_layers(self) -> None:
        depth = self._follower.depths.get(self._session.model)
        raw = self._follower.settings.method == "raw"
        start, stop = self._follower.settings.layers or (0, depth or 1)
        for box, value in ((self.first, start + 1), (self.last, stop)):
            box.blockSignals(True)
            box.setRange(1, depth or max(stop, 1))
            box.setValue(value)
            box.setEnabled(depth is not None)
            box.blockSignals(False)
        self.first.setVisible(not raw)
        self.to_label.setVisible(not raw)
        self.last.setSuffix(f" of {depth}" if depth else "")

    def _on_layers(self) -> None:
        depth = self._follower.depths.get(self._session.model)
        start, stop = self.first.value() - 1, self.last.value()
        if stop <= start:
            start = stop - 1
        everything = self._follower.settings.method == "rollout" and (start, stop) == (0, depth)
        self._configure(layers=None if everything else (start, stop))

    def _configure(self, **changes: Any) -> None:
        if "method" in changes:
            changes["layers"] = None
        self._follower.configure(**changes)
        self.refresh()

    def _list_targets(self) -> None:
        opened = self._session.current
        if opened is not None and opened.poses is not None:
            self.set_keypoints(list(opened.poses.keypoints.names))
        elif self.target.count() == 0:
            self.set_keypoints([])


def _combo(choices: dict[str, str]) -> QComboBox:
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for data, text in choices.items():
        box.addItem(text, data)
    return box


def _set(box: Any, on: bool) -> None:
    if box.isChecked() != on:
        box.blockSignals(True)
        box.setChecked(on)
        box.blockSignals(False)
