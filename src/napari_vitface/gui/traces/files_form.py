"""Which files traces are written to, and where the times of their frames come from."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QPushButton, QWidget

from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.section import WrappedLabel, row_of, stack
from napari_vitface.gui.session import Session
from napari_vitface.gui.traces.measuring import TraceMeasuring
from napari_vitface.jobs.camera_triggers import ENDINGS, naming_rule
from napari_vitface.jobs.outputs import NAME

_OWN = "Times of frames: those in the video's file."


class TraceFilesForm(QWidget):
    """Form of the table, NWB, and the camera's triggers of the video on screen."""

    def __init__(self, session: Session, measuring: TraceMeasuring) -> None:
        super().__init__()
        self._session, self._measuring = session, measuring
        self.table = QComboBox()
        self.table.addItem("CSV", "csv")
        self.table.addItem("Parquet", "parquet")
        self.table.setToolTip("Form of the table; Parquet needs pyarrow")
        self.nwb = QCheckBox("NWB too")
        self.nwb.setToolTip("Write the same traces as <video>_traces.nwb; needs pynwb")
        self.times = WrappedLabel(_OWN)
        self.triggers_button = QPushButton("Triggers…")
        self.triggers_button.setToolTip(
            "Take the times of frames from those of the camera's triggers, one a frame: CSV, "
            "TSV, plain text or .npy. For the video on screen, and by the same rule for the list"
        )
        self.own_button = QPushButton("Video's times")
        self.own_button.setToolTip("Take the times in the video's file again")
        buttons = row_of(self.triggers_button, self.own_button)
        stack(self, row_of(self.table, self.nwb), self.times, buttons)
        self.table.currentIndexChanged.connect(lambda *_: self._write_as())
        self.nwb.toggled.connect(lambda *_: self._write_as())
        self.triggers_button.clicked.connect(lambda: self.ask())
        self.own_button.clicked.connect(lambda: measuring.take_times(None))

    @property
    def words(self) -> str:
        """What is chosen, in a few words."""
        triggers = self._triggers
        parts = [self.table.currentText(), "NWB" if self.nwb.isChecked() else ""]
        return ", ".join(filter(None, [*parts, triggers.name if triggers is not None else ""]))

    @on_video
    def ask(self, opened: OpenVideo) -> None:
        """Let the user choose the file of triggers."""
        name, _ = QFileDialog.getOpenFileName(
            self,
            "Times of the camera's triggers",
            str(opened.path.parent),
            f"Times ({' '.join(f'*{ending}' for ending in ENDINGS)});;All files (*)",
        )
        if name:
            self._measuring.take_times(Path(name))

    def refresh(self) -> None:
        """Say where the times come from."""
        triggers = self._triggers
        self.times.setText(_OWN if triggers is None else self._from(triggers))
        self.triggers_button.setEnabled(not self._session.made.waiting)
        self.own_button.setEnabled(triggers is not None)

    def _from(self, triggers: Path) -> str:
        """Where the times of the video on screen come from, and those of a list."""
        rule = naming_rule(triggers, self._session.made.path)
        if rule is None:
            of_list = "the times in the video's file, for its name does not hold the video's"
        else:
            of_list = rule.name.replace(NAME, "<video>")
        return f"Times of frames: {triggers.name}. For each video of a list: {of_list}."

    @property
    def _triggers(self) -> Path | None:
        return self._session.made.triggers

    def _write_as(self) -> None:
        self._measuring.write_as(self.table.currentData(), nwb=self.nwb.isChecked())
