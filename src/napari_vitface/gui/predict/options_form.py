"""The folded form of the Predict section: which frames, and on what."""

from __future__ import annotations

from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, FileEdit, SpinBox
from psygnal import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_vitface.gui.numbers import counted
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.gui.section import labelled_rows
from napari_vitface.gui.settings_widgets import device_box, offer_devices, precision_box
from napari_vitface.gui.workbench import Workbench


class PredictOptionsForm(QWidget):
    """What most users leave as it is."""

    changed = Signal()

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.first = SpinBox(min=0, max=0, value=0)
        self.last = SpinBox(min=0, max=0, value=0)
        self.step = SpinBox(min=1, max=10000, value=1)
        self.step.tooltip = "1 takes every frame, 10 every tenth"
        self.device, self.precision = device_box(), precision_box()
        self.folder = FileEdit(mode=FileDialogMode.EXISTING_DIRECTORY, value=None, nullable=True)
        self.folder.line_edit.native.setPlaceholderText("beside the video")
        self.folder.choose_btn.text = "…"
        self.folder.choose_btn.native.setFixedWidth(30)
        self.overlay = CheckBox(text="Also write a labelled video", value=False)
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
        for widget in (self.first, self.last, self.step):
            widget.changed.connect(self._on_frames)
        self.folder.changed.connect(lambda _=None: self.changed.emit())
        self.overlay.changed.connect(lambda _=None: self.changed.emit())
        self.device.changed.connect(self._on_computing)
        self.precision.changed.connect(self._on_computing)
        session.video_changed.connect(self._on_video)
        self.changed.connect(self._offer)
        self._on_video()

    def options(self, *, overwrite: bool = False) -> PredictOptions:
        """What is set, for a run."""
        frames = range(self.first.value, self.last.value + 1, self.step.value)
        everything = frames == range(self._session.made.frame_count)
        return PredictOptions(
            frames=None if everything else frames,
            device=self.device.value,
            precision=self.precision.value,
            overlay=self.overlay.value,
            overwrite=overwrite,
            output_dir=self.output_dir,
        )

    def _offer(self) -> None:
        self._session.prediction.options = self.options()

    @property
    def output_dir(self) -> Path | None:
        """Folder for the results; None for that of the video."""
        folder = self.folder.value
        return folder if isinstance(folder, Path) else None

    @property
    def frame_count(self) -> int:
        """How many frames are chosen."""
        return len(range(self.first.value, self.last.value + 1, self.step.value))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer (text, name) devices beside the automatic choice."""
        offer_devices(self.device, devices)

    def summary(self) -> str:
        """The settings in a few words, for when the form is folded."""
        everything = self.frame_count >= self._session.made.frame_count
        parts = ["all frames" if everything else f"{counted(self.frame_count, 'frame')}"]
        if self.device.value != "auto":
            parts.append(str(self.device.value))
        if self.precision.value != "auto":
            parts.append(str(self.precision.value))
        if self.overlay.value:
            parts.append("labelled video")
        return ", ".join(parts)

    def _on_video(self) -> None:
        last = max(self._session.made.frame_count - 1, 0)
        for widget in (self.first, self.last):
            widget.max = last
        self.first.value, self.last.value, self.step.value = 0, last, 1
        self.changed.emit()

    def _on_frames(self) -> None:
        if self.first.value > self.last.value:
            self.last.value = self.first.value
        self.changed.emit()

    def _on_computing(self) -> None:
        # int8 gives points alone: other work goes on measuring.
        shared = "auto" if self.precision.value == "int8" else self.precision.value
        self._session.compute_with(self.device.value, shared)
        self.changed.emit()
