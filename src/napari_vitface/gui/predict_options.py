"""The folded form of the Predict section: which frames, which part of them, on what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, ComboBox, FileEdit, SpinBox
from napari.layers import Shapes
from psygnal import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_vitface.gui.crop import SMALLEST, crop_of_rectangle
from napari_vitface.gui.overlays import frame_size
from napari_vitface.gui.prediction import PredictOptions
from napari_vitface.gui.section import WrappedLabel, labelled_rows
from napari_vitface.gui.session import Session

#: Where predictions go by default.
_BESIDE = Path()


class PredictOptionsForm(QWidget):
    """What most users leave as it is."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._crop_layer: Shapes | None = None
        self.first = SpinBox(min=0, max=0, value=0)
        self.last = SpinBox(min=0, max=0, value=0)
        self.step = SpinBox(min=1, max=10000, value=1)
        self.step.tooltip = "1 takes every frame, 10 every tenth"
        self.device = ComboBox(choices=[("automatic", "auto"), ("CPU", "cpu")])
        self.precision = ComboBox(
            choices=[
                ("automatic (measured)", "auto"),
                ("fp32", "fp32"),
                ("bf16", "bf16"),
                ("fp16", "fp16"),
            ],
        )
        self.folder = FileEdit(mode=FileDialogMode.EXISTING_DIRECTORY, value=_BESIDE, nullable=True)
        self.folder.line_edit.native.setPlaceholderText("beside the video")
        self.folder.choose_btn.text = "…"
        self.folder.choose_btn.native.setFixedWidth(30)
        self.overlay = CheckBox(text="Also write a labelled video", value=False)
        self.crop_text = WrappedLabel("", "hint")
        self.draw_button = QPushButton("Draw crop")
        self.draw_button.setToolTip("Draw a rectangle; models look at nothing outside it")
        self.draw_button.clicked.connect(lambda: self.draw_crop())
        self.clear_button = QPushButton("Whole frame")
        self.clear_button.clicked.connect(lambda: self.clear_crop())
        buttons = QHBoxLayout()
        buttons.addWidget(self.draw_button)
        buttons.addWidget(self.clear_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 0, 0, 4)
        layout.setSpacing(5)
        layout.addLayout(
            labelled_rows(
                ("First frame", self.first.native),
                ("Last frame", self.last.native),
                ("Every", self.step.native),
                ("Device", self.device.native),
                ("Precision", self.precision.native),
                ("Save in", self.folder.native),
            )[0]
        )
        layout.addWidget(self.overlay.native)
        layout.addWidget(self.crop_text)
        layout.addLayout(buttons)
        for widget in (self.first, self.last, self.step):
            widget.changed.connect(self._on_frames)
        self.folder.changed.connect(lambda _=None: self.changed.emit())
        self.overlay.changed.connect(lambda _=None: self.changed.emit())
        self.device.changed.connect(self._on_computing)
        self.precision.changed.connect(self._on_computing)
        session.video_changed.connect(self._on_video)
        session.crop_changed.connect(self._on_crop)
        self._on_video()

    def options(self, *, overwrite: bool = False) -> PredictOptions:
        """What is set, for a run."""
        frames = range(self.first.value, self.last.value + 1, self.step.value)
        opened = self._session.current
        everything = opened is not None and frames == range(len(opened.video))
        return PredictOptions(
            frames=None if everything else frames,
            device=self.device.value,
            precision=self.precision.value,
            overlay=self.overlay.value,
            overwrite=overwrite,
            output_dir=self.output_dir,
        )

    @property
    def output_dir(self) -> Path | None:
        """Folder for the results; None for that of the video."""
        folder = self.folder.value
        return folder if isinstance(folder, Path) and folder != _BESIDE else None

    @property
    def frame_count(self) -> int:
        """How many frames are chosen."""
        return len(range(self.first.value, self.last.value + 1, self.step.value))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer (text, name) devices beside the automatic choice."""
        chosen = self.device.value
        self.device.choices = [("automatic", "auto"), *devices]
        if chosen in [name for _, name in devices]:
            self.device.value = chosen

    def summary(self) -> str:
        """The settings in a few words, for when the form is folded."""
        opened = self._session.current
        if opened is None:
            return "all frames, whole picture"
        everything = self.frame_count == len(opened.video)
        parts = ["all frames" if everything else f"{self.frame_count} frames"]
        parts.append("cropped" if opened.crop else "whole picture")
        if self.device.value != "auto":
            parts.append(str(self.device.value))
        if self.precision.value != "auto":
            parts.append(str(self.precision.value))
        if self.overlay.value:
            parts.append("labelled video")
        return ", ".join(parts)

    def draw_crop(self) -> None:
        """Add a layer to draw the crop in, with the rectangle tool in hand."""
        viewer, opened = self._session.viewer, self._session.current
        if viewer is None or opened is None:
            return
        if self._crop_layer is None or self._crop_layer not in viewer.layers:
            layer = Shapes(
                ndim=2,
                name="crop",
                face_color="transparent",
                edge_color="#ffd54a",
                edge_width=max(1.0, 0.004 * max(frame_size(opened.layer))),
                scale=opened.layer.scale[-2:],
                translate=opened.layer.translate[-2:],
            )
            viewer.layers.append(layer)
            layer.events.data.connect(self._on_rectangle)
            self._crop_layer = layer
        viewer.layers.selection.active = self._crop_layer
        self._crop_layer.mode = "add_rectangle"
        self._on_crop()

    def clear_crop(self) -> None:
        """Look at the whole frame again."""
        viewer = self._session.viewer
        layer, self._crop_layer = self._crop_layer, None
        if viewer is not None and layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)
        self._session.set_crop(None)
        self._on_crop()

    def _on_rectangle(self, event: Any) -> None:
        layer, opened = self._crop_layer, self._session.current
        # While the mouse draws, napari says so many times a second; the last one counts.
        if layer is None or opened is None or str(event.action) not in _SETTLED:
            return
        if len(layer.data) > 1:
            with layer.events.data.blocker(self._on_rectangle):
                layer.data = [np.asarray(layer.data[-1])]
        crop = crop_of_rectangle(layer.data[0], frame_size(opened.layer)) if layer.data else None
        self._session.set_crop(crop)
        if layer.data and crop is None:
            self.crop_text.setText(
                f"That rectangle is smaller than {SMALLEST} pixels inside the frame; "
                "draw a larger one."
            )
        elif crop is not None:
            layer.mode = "select"

    def _on_video(self) -> None:
        opened = self._session.current
        last = len(opened.video) - 1 if opened is not None else 0
        for widget in (self.first, self.last):
            widget.max = last
        self.first.value, self.last.value, self.step.value = 0, last, 1
        self._on_crop()

    def _on_frames(self) -> None:
        if self.first.value > self.last.value:
            self.last.value = self.first.value
        self.changed.emit()

    def _on_computing(self) -> None:
        self._session.device = self.device.value
        self._session.precision = self.precision.value
        self._session.attention.update()
        self.changed.emit()

    def _on_crop(self) -> None:
        opened = self._session.current
        self.draw_button.setEnabled(opened is not None)
        self.clear_button.setEnabled(
            opened is not None and (opened.crop is not None or self._crop_layer is not None)
        )
        if opened is None or opened.crop is None:
            drawing = self._crop_layer is not None
            self.crop_text.setText(
                "Drag a rectangle around the face on the canvas."
                if drawing
                else "The model looks at the whole frame."
            )
        else:
            x, y, width, height = opened.crop
            self.crop_text.setText(
                f"The model looks at {width} × {height} px from x {x}, y {y} only."
            )
        self.changed.emit()


#: Shapes' data events after which the rectangle stays as it is.
_SETTLED = ("added", "changed", "removed", "ActionType.ADDED", "ActionType.CHANGED")
