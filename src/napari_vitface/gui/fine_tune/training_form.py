"""The folded form of the Fine-tune section: what most users leave as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox, LineEdit
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.sentences import start_name
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import labelled_rows, stack
from napari_vitface.gui.settings_widgets import (
    device_box,
    offer,
    precision_box,
    value_of,
    widget_of,
)
from napari_vitface.settings.computing import PRECISIONS
from napari_vitface.settings.option import declared
from napari_vitface.settings.training import SCRATCH, TIMM, TrainingSettings

_QUICK, _FULL = "quick", "full"
_IN_USE, _FILE = "", "file"
_TIME, _RANDOM, _VIDEO = "time", "random", "video:"
_SHARE = 0.25
_BACKBONE = "vit_tiny_patch16_224"

_HELP = {
    "way": "Quick trains the head on features of a network that stays as it is: for a few frames "
    "of a recording that the model half knows already. Full trains everything: slower, and better "
    "from about 50 frames on or where the recording looks unlike what the model knows.",
    "name": "Name of the new model, and of its files. The old model stays as it is.",
    "start": "The model in use is mostly best. On one set of frames a ViT-S/14 with weights of "
    "photographs came near it, and did better than a ViT-Ti/16 with random ones, which need "
    "hundreds of labelled frames. Large networks need a GPU.",
    "backbone": "A name that timm knows, as vit_small_patch16_224. Larger networks need a GPU. "
    "With weights of timm, NAME=FILE takes them from a .safetensors file, not the internet.",
    "val": "Frames that are never trained on and tell how good the model is. The last part of each "
    "video is honest for more frames of these videos; a whole video, for videos yet to come; at "
    "random is too kind where labelled frames are near each other.",
    "share": "Share of the labelled frames that is held out. More makes the verdict surer, and "
    "leaves fewer to learn from.",
    "device": "Automatic takes a GPU where there is one that works.",
    "precision": "Automatic measures which is faster here. fp32 is the most exact.",
}


class FineTuneForm(QWidget):
    """Every choice with its default, and when to change it as a tooltip.

    What is chosen by the labels and models that there are has rows made by hand; other settings of
    a training have the widgets that they are declared with, where they have a label.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._models: list[str] = []
        self._videos: list[str] = []
        self._file = ""
        self._filling = False
        self.way = ComboBox(
            choices=[("quick: the head alone", _QUICK), ("full: the whole network", _FULL)]
        )
        self.name = LineEdit()
        self.start = ComboBox(choices=self._starts())
        self.backbone = LineEdit()
        self.backbone.native.setPlaceholderText(_BACKBONE)
        self.val = ComboBox(choices=self._held())
        self.share = FloatSpinBox(min=0.05, max=0.9, step=0.05, value=_SHARE)
        self.device = device_box()
        self.precision = precision_box([name for name in PRECISIONS if name != "int8"])
        #: Device and precision that came from elsewhere; others were chosen here.
        self._given = ("auto", "auto")
        self._settings = {
            name: setting
            for name, setting in declared(TrainingSettings).items()
            if setting.option.label
        }
        self.widgets = {
            name: widget_of(setting, self._on_changed) for name, setting in self._settings.items()
        }
        rows: tuple[tuple[str, Any, str], ...] = (
            ("Way", self.way, "way"),
            ("Name", self.name, "name"),
            ("Start from", self.start, "start"),
            ("Network", self.backbone, "backbone"),
            ("Held out", self.val, "val"),
            ("Share", self.share, "share"),
            *((each.label, each, name) for name, each in self.widgets.items()),
            ("Device", self.device, "device"),
            ("Precision", self.precision, "precision"),
        )
        grid, labels = labelled_rows(*((title, field.native) for title, field, _ in rows))
        for label, (_, field, key) in zip(labels, rows, strict=True):
            if key in _HELP:
                field.native.setToolTip(_HELP[key])
                field.changed.connect(self._on_changed)
            label.setToolTip(field.native.toolTip())
        self._labels = dict(zip((key for *_, key in rows), labels, strict=True))
        stack(self, grid, margins=(10, 0, 0, 4))
        self.start.changed.connect(self._on_start)
        self._show_what_counts()

    # ----------------------------------------------------------------- what is chosen

    def options(self) -> FineTuneOptions:
        """What is set."""
        start, backbone = str(self.start.value or ""), str(self.backbone.value or "").strip()
        if start == TIMM:
            start = TIMM + (backbone or _BACKBONE)
        elif start == _FILE:
            start = self._file
        return FineTuneOptions(
            quick=self.way.value == _QUICK,
            name=str(self.name.value or ""),
            start=start,
            backbone=backbone if start == SCRATCH else "",
            val=self._val(),
            device=str(self.device.value),
            precision=str(self.precision.value),
            **{name: value_of(each, self.widgets[name]) for name, each in self._settings.items()},
        )

    def _val(self) -> str:
        kind, share = str(self.val.value), round(float(self.share.value), 2)
        if kind == _TIME:
            return _TIME if share == _SHARE else f"{_TIME}:{share}"
        return f"{_RANDOM}:{share}" if kind == _RANDOM else kind

    def summary(self, model: str) -> str:
        """The choices in a few words, for when the form is folded."""
        options = self.options()
        parts = ["quick" if options.trains_head_only else "full"]
        parts.append(f"from {start_name(options.start or model)}")
        if options.steps:
            parts.append(f"{counted(options.steps, 'step')}")
        if options.val != _TIME:
            parts.append("other frames held out")
        # What follows Predict is said there.
        chosen = zip((options.device, options.precision), self._given, strict=True)
        parts += [what for what, given in chosen if what not in ("auto", given)]
        return ", ".join(parts)

    def compute_with(self, device: str, precision: str) -> None:
        """Take over device and precision where nothing else was chosen here."""
        given, self._given = self._given, (device, precision)
        for box, before, now in zip((self.device, self.precision), given, self._given, strict=True):
            if box.value == before and now in box.choices:
                box.value = now

    # ----------------------------------------------------------------- what there is to choose

    def set_models(self, choices: Sequence[str]) -> None:
        """Offer models to start from beside the one in use."""
        if list(choices) != self._models:
            self._models = list(choices)
            self._refill(self.start, self._starts())

    def set_videos(self, videos: Sequence[str]) -> None:
        """Offer labelled videos to be held out."""
        if list(videos) != self._videos:
            self._videos = list(videos)
            self._refill(self.val, self._held())

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer (text, name) devices beside the automatic choice."""
        self._refill(self.device, [("automatic", "auto"), *devices])

    def set_proposed_name(self, name: str) -> None:
        """What the model will be called unless a name is given."""
        self.name.native.setPlaceholderText(name)

    def _starts(self) -> list[tuple[str, str]]:
        models = [(start_name(choice), choice) for choice in self._models]
        chosen = [(Path(self._file).stem, _FILE)] if self._file else [("model file…", _FILE)]
        return [
            ("the model in use", _IN_USE),
            *models,
            *chosen,
            ("weights of timm", TIMM),
            ("random weights", SCRATCH),
        ]

    def _held(self) -> list[tuple[str, str]]:
        # Of one video alone, nothing would be left to train on.
        videos = [(f"video {name}", _VIDEO + name) for name in self._videos]
        return [
            ("end of each video", _TIME),
            ("at random", _RANDOM),
            *(videos if len(videos) > 1 else []),
        ]

    def _refill(self, box: ComboBox, choices: list[tuple[str, str]]) -> None:
        """Change what a box offers; its choice stays if it is still there."""
        self._filling = True
        try:
            offer(box, choices)
        finally:
            self._filling = False
        self._on_changed()

    # ----------------------------------------------------------------- when something is chosen

    def _on_start(self, value: Any) -> None:
        if value == _FILE and not self._filling and not self._file:
            path, _ = QFileDialog.getOpenFileName(
                self, "Choose a model to start from", "", "Models (*.safetensors)"
            )
            self.start_from_file(path)

    def start_from_file(self, path: str) -> None:
        """Start from a checkpoint; without one, from the model in use."""
        self._file = path
        self._refill(self.start, self._starts())
        self.start.value = _FILE if path else _IN_USE

    def _on_changed(self, *_: Any) -> None:
        if not self._filling:
            self._show_what_counts()
            self.changed.emit()

    def _show_what_counts(self) -> None:
        """Hide fields that mean nothing for the other choices."""
        start = self.start.value
        conditions: tuple[tuple[str, Any, bool], ...] = (
            ("backbone", self.backbone, start in (TIMM, SCRATCH)),
            ("share", self.share, self.val.value in (_TIME, _RANDOM)),
        )
        for key, field, counts in conditions:
            field.native.setVisible(counts)
            self._labels[key].setVisible(counts)
        self.way.native.setEnabled(start != SCRATCH)
