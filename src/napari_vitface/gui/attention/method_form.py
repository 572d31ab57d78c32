"""The folded part of the Attention section: how a map is computed and coloured."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QWidget

from napari_vitface.gui.attention.colours import ATTENTION_COLOURS
from napari_vitface.gui.section import labelled_rows
from napari_vitface.gui.settings_widgets import sentence, show_value, widget_of
from napari_vitface.gui.workbench import Workbench
from napari_vitface.settings.attention import settable
from napari_vitface.settings.attention_method import FusedMethod, LayeredMethod
from napari_vitface.settings.network_layers import name_heads, name_layers
from napari_vitface.settings.option import Value, declared


class AttentionForm(QWidget):
    """Settings of the method, and colours; shows and changes the follower's settings.

    Layers and heads are those of the model, so their rows are made by hand; all other settings have
    the widgets that they are declared with.
    """

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self._follower = session.attention
        settings = settable()
        self.first, self.last = QSpinBox(), QSpinBox()
        self.to_label = QLabel("to")
        for box in (self.first, self.last):
            box.setMinimumWidth(84)
            box.setAlignment(Qt.AlignmentFlag.AlignCenter)
            box.setKeyboardTracking(False)
        self._fusions = settings["head_fusion"].choices
        self.heads = combo({})
        self.heads.setToolTip(sentence(settings["head"].option.help))
        self.colours = combo({name: name for name in ATTENTION_COLOURS})
        layers = QHBoxLayout()
        layers.setSpacing(5)
        for widget in (self.first, self.to_label, self.last):
            layers.addWidget(widget)
        layers.addStretch(1)
        self.widgets = {
            name: widget_of(setting, partial(self._on_setting, name))
            for name, setting in settings.items()
            if setting.option.label and setting.option.offered
        }
        rows = {
            name: each for name, each in self.widgets.items() if settings[name].kind is not bool
        }
        grid, labels = labelled_rows(
            ("Layers", layers),
            ("Heads", self.heads),
            *((each.label, each.native) for each in rows.values()),
            ("Colours", self.colours),
        )
        grid.setContentsMargins(10, 0, 0, 0)
        for name, each in self.widgets.items():
            if name not in rows:
                grid.addWidget(each.native, grid.rowCount(), 0, 1, 2)
        self.setLayout(grid)
        self._parts: dict[str, tuple[QWidget, ...]] = {
            "layers": (labels[0], self.first, self.to_label, self.last),
            "head": (labels[1], self.heads),
            **{name: (each.native,) for name, each in self.widgets.items()},
        }
        for label, name in zip(labels[2:], rows, strict=False):
            self._parts[name] += (label,)
        self.first.valueChanged.connect(lambda _: self._on_layers(first=True))
        self.last.valueChanged.connect(lambda _: self._on_layers(first=False))
        self.heads.activated.connect(lambda _: self._on_heads())
        self.colours.activated.connect(
            lambda _: setattr(session.overlays, "attention_colours", self.colours.currentData())
        )

    def refresh(self) -> None:
        """Show the settings."""
        how = self._follower.settings.how
        values = how.values()
        for name, parts in self._parts.items():
            for part in parts:
                part.setVisible(name in values)
        for name, widget in self.widgets.items():
            if name in values:
                show_value(widget, values[name])
        self._refresh_layers(isinstance(how, LayeredMethod) and how.one_layer)
        self._refresh_heads()
        if self.colours.currentData() != self._session.overlays.attention_colours:
            self.colours.setCurrentIndex(
                self.colours.findData(self._session.overlays.attention_colours)
            )

    def summary(self) -> str:
        """What is not as it is by default, in a few words."""
        chosen, depth = self._follower.settings, self._follower.depth
        how, parts = chosen.how, []
        layers = getattr(how, "layers", None)
        if layers is not None and (not depth or range(*layers) != how.usual_layers(depth)):
            parts.append(name_layers(layers).replace(" to ", "-"))
        if isinstance(how, FusedMethod) and how.head is not None:
            parts.append(name_heads(f"head {how.head}"))
        elif isinstance(how, FusedMethod) and how.head_fusion != "mean":
            parts.append(name_heads(how.head_fusion))
        own = {name: each for name, each in declared(type(how)).items() if name in self.widgets}
        values = how.values()
        parts += [own[n].said(values[n]) for n in own if values[n] != own[n].default]
        return ", ".join(filter(None, parts))

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
        how = self._follower.settings.how
        if not isinstance(how, FusedMethod):
            return
        count = self._follower.store.heads.get(self._session.model, 0)
        if self.heads.count() != len(self._fusions) + count:
            self.heads.clear()
            for fusion in self._fusions:
                self.heads.addItem(f"{fusion} of heads", fusion)
            for head in range(count):
                self.heads.addItem(f"head {head + 1} of {count}", head)
        chosen = how.head_fusion if how.head is None else how.head
        self.heads.setCurrentIndex(max(0, self.heads.findData(chosen)))

    def _on_layers(self, *, first: bool) -> None:
        how = self._follower.settings.how
        start, stop = self.first.value() - 1, self.last.value()
        if isinstance(how, LayeredMethod) and how.one_layer:
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

    def _on_setting(self, name: str, value: Value) -> None:
        # Steps add up to 0.15000000000000002.
        value = round(value, 6) if isinstance(value, float) else value
        self._follower.configure(**{name: value})


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
