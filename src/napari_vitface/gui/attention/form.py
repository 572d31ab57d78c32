"""The folded part of the Attention section: how a map is computed and coloured."""

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

from napari_vitface.gui.attention.colours import ATTENTION_COLOURS
from napari_vitface.gui.attention.settings import METHODS
from napari_vitface.gui.section import labelled_rows
from napari_vitface.gui.session import Session

_FUSIONS = {"mean": "mean of heads", "max": "maximum of heads", "min": "minimum of heads"}


class AttentionForm(QWidget):
    """Layers, heads, discard, own patch, colours; shows and changes the follower's settings."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._follower = session.attention
        self.first, self.last = QSpinBox(), QSpinBox()
        self.to_label = QLabel("to")
        for box in (self.first, self.last):
            box.setMinimumWidth(84)
            box.setAlignment(Qt.AlignmentFlag.AlignCenter)
            box.setKeyboardTracking(False)
        self.heads = combo(_FUSIONS)
        self.heads.setToolTip("How a layer's attention heads become one, or which one to look at")
        self.discard = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.discard.setRange(0.0, 0.95)
        self.discard.setSingleStep(0.05)  # type: ignore[arg-type]
        self.discard.setDecimals(2)
        self.discard.setToolTip("Share of the weakest attention weights that is set to zero")
        self.hide_self = QCheckBox("Hide the keypoint's own patch")
        self.hide_self.setToolTip(
            "A patch passes itself on through the residual connections and outshines the rest"
        )
        self.colours = combo({name: name for name in ATTENTION_COLOURS})
        layers = QHBoxLayout()
        layers.setSpacing(5)
        for widget in (self.first, self.to_label, self.last):
            layers.addWidget(widget)
        layers.addStretch(1)
        grid, labels = labelled_rows(
            ("Layers", layers),
            ("Heads", self.heads),
            ("Discard", self.discard),
            ("Colours", self.colours),
        )
        grid.setContentsMargins(10, 0, 0, 0)
        grid.addWidget(self.hide_self, grid.rowCount(), 0, 1, 2)
        self.setLayout(grid)
        self._rows = {
            "attends": (labels[0], self.first, self.to_label, self.last),
            "fuses": (labels[1], self.heads),
            "discards": (labels[2], self.discard),
        }
        configure = self._follower.configure
        self.first.valueChanged.connect(lambda _: self._on_layers(first=True))
        self.last.valueChanged.connect(lambda _: self._on_layers(first=False))
        self.heads.activated.connect(lambda _: self._on_heads())
        self.discard.valueChanged.connect(lambda value: configure(discard=round(value, 2)))
        self.hide_self.toggled.connect(lambda on: configure(hide_self=on))
        self.colours.activated.connect(
            lambda _: setattr(session.overlays, "attention_colours", self.colours.currentData())
        )

    def refresh(self) -> None:
        """Show the settings."""
        settings = self._follower.settings
        method = METHODS[settings.method]
        for part, widgets in self._rows.items():
            for widget in widgets:
                widget.setVisible(bool(getattr(method, part)))
        set_checked(self.hide_self, settings.hide_self)
        self.discard.blockSignals(True)
        self.discard.setValue(settings.discard)
        self.discard.blockSignals(False)
        self._refresh_layers(method.one_layer)
        self._refresh_heads()
        if self.colours.currentData() != self._session.overlays.attention_colours:
            self.colours.setCurrentIndex(
                self.colours.findData(self._session.overlays.attention_colours)
            )

    def summary(self) -> str:
        """What is not as it is by default, in a few words."""
        settings, depth = self._follower.settings, self._follower.depth
        method = METHODS[settings.method]
        parts = []
        if method.attends and settings.layers is not None:
            start, stop = settings.layers
            one = method.one_layer or stop - start == 1
            if not (method.one_layer and stop == depth):
                parts.append(f"layer {stop}" if one else f"layers {start + 1}-{stop}")
        if method.fuses and settings.head is not None:
            parts.append(f"head {settings.head + 1}")
        elif method.fuses and settings.head_fusion != "mean":
            parts.append(f"heads: {settings.head_fusion}")
        if method.discards and settings.discard:
            parts.append(f"{100 * settings.discard:.0f} % discarded")
        if settings.hide_self:
            parts.append("own patch hidden")
        return ", ".join(parts)

    def _refresh_layers(self, one_layer: bool) -> None:
        depth = self._follower.depth
        start, stop = self._follower.layers or (0, depth or 1)
        for box, value in ((self.first, start + 1), (self.last, stop)):
            box.blockSignals(True)
            box.setRange(1, depth or max(stop, 1))
            box.setValue(value)
            box.setEnabled(depth is not None)
            box.blockSignals(False)
        if one_layer:
            self.first.setVisible(False)
            self.to_label.setVisible(False)
        self.last.setSuffix(f" of {depth}" if depth else "")

    def _refresh_heads(self) -> None:
        settings = self._follower.settings
        count = self._follower.store.heads.get(self._session.model, 0)
        if self.heads.count() != len(_FUSIONS) + count:
            self.heads.clear()
            for key, text in _FUSIONS.items():
                self.heads.addItem(text, key)
            for head in range(count):
                self.heads.addItem(f"head {head + 1} of {count}", head)
        chosen = settings.head_fusion if settings.head is None else settings.head
        self.heads.setCurrentIndex(max(0, self.heads.findData(chosen)))

    def _on_layers(self, *, first: bool) -> None:
        settings = self._follower.settings
        start, stop = self.first.value() - 1, self.last.value()
        if METHODS[settings.method].one_layer:
            start = stop - 1
        elif stop <= start:
            # The box that the user turned counts; the other one goes along.
            start, stop = (start, start + 1) if first else (stop - 1, stop)
        usual = self._follower.usual_layers
        self._follower.configure(layers=None if (start, stop) == usual else (start, stop))

    def _on_heads(self) -> None:
        chosen: Any = self.heads.currentData()
        if isinstance(chosen, int):
            self._follower.configure(head=chosen)
        else:
            self._follower.configure(head=None, head_fusion=chosen)


def combo(choices: dict[str, str]) -> QComboBox:
    """A box that gives way to its neighbours, with data and texts."""
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for data, text in choices.items():
        box.addItem(text, data)
    return box


def set_checked(box: Any, on: bool) -> None:
    """Tick a box without telling that it was ticked."""
    if box.isChecked() != on:
        box.blockSignals(True)
        box.setChecked(on)
        box.blockSignals(False)
