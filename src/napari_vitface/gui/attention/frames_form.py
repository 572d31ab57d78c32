"""The folded part of the Attention section for many frames: mean map, numbers, video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QWidget,
)

from napari_vitface.gui.attention.attention_frames import AttentionFrames, Measured
from napari_vitface.gui.attention.tools import AttentionTools
from napari_vitface.gui.background_writing import save_as, write_in_background
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.plugin_docks import TRAJECTORIES
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import Note, WrappedLabel, row_of, stack, tipped_button
from napari_vitface.gui.session_dock import open_session_dock
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.outputs import output_path
from napari_vitface.jobs.results.attention import KeypointAttention
from napari_vitface.settings.attention_method import AttentionMethod


class AttentionFramesForm(QWidget):
    """Which frames, and what to do with them."""

    def __init__(self, session: Workbench, tools: AttentionTools) -> None:
        super().__init__()
        self._session = session
        self._frames: AttentionFrames = tools.frames
        self._export = tools.export
        self._follower = session.attention
        self.first, self.last, self.step = NumberBox(), NumberBox(), NumberBox()
        self.step.set_range(1, 100_000)
        row = QHBoxLayout()
        row.setSpacing(4)
        for text, box in (("Frames", self.first), ("to", self.last), ("every", self.step)):
            row.addWidget(QLabel(text))
            row.addWidget(box, 1)
        self.mean_button = tipped_button("Mean map", "Show the mean of these frames' maps")
        self.measure_button = tipped_button(
            "Measure",
            "How spread the attention on each keypoint is, how much of it is near the keypoint, "
            "and which keypoints are tracked while the network looks elsewhere",
        )
        self.video_button = tipped_button("Video…", "Write these frames with the map over each")
        self.progress = RunProgress(self._frames, "frame", "Stop; what was measured is kept")
        self.problem = Note()
        self.measured = WrappedLabel("", "value")
        self.flagged = Note()
        self.save_button = tipped_button("Save table…", "Write the numbers as CSV")
        self.plot_button = tipped_button(
            "Plot",
            "Show them in the Trajectories dock, beside the predictions (press Predict first)",
        )
        self.results = QWidget()
        line = QHBoxLayout(self.results)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(5)
        line.addWidget(self.save_button, 1)
        line.addWidget(self.plot_button, 1)
        buttons = row_of(self.mean_button, self.measure_button, self.video_button)
        told = self.progress, self.problem, self.measured, self.flagged, self.results
        stack(self, row, buttons, *told, spacing=6, margins=(10, 0, 0, 4))

        self.mean_button.clicked.connect(lambda: self._frames.mean(self.frames))
        self.measure_button.clicked.connect(lambda: self._frames.measure(self.frames))
        self.video_button.clicked.connect(lambda: self.ask_for_video())
        self.save_button.clicked.connect(lambda: self.ask_to_save())
        self.plot_button.clicked.connect(lambda: open_session_dock(session.viewer, TRAJECTORIES))
        self._frames.changed.connect(self.refresh)
        session.video_changed.connect(self._on_video)
        self._on_video()

    @property
    def frames(self) -> range:
        """The frames that were chosen."""
        first, last = sorted((self.first.value(), self.last.value()))
        return range(first, last + 1, self.step.value())

    def refresh(self) -> None:
        """Show where the run stands and what came of it."""
        active = self._frames.active
        there = self._follower.enabled and not self._session.made.waiting
        for button in (self.mean_button, self.measure_button, self.video_button):
            button.setEnabled(there and not active)
        self.progress.show_run(self._frames.last)
        self.problem.say(self._frames.failure, "error")
        self.plot_button.setEnabled(self._session.predictions is not None)
        if active or not self._show_measured():
            self.results.setVisible(False)
            self.measured.setText("")
            self.flagged.say("")

    @given("_frames.measured")
    def _show_measured(self, measured: Measured) -> bool:
        """Show what was measured, if it is of the video on screen."""
        if measured.opened is not self._session.current:
            return False
        self.results.setVisible(True)
        self.measured.setText(_about(measured))
        result = measured.result
        self.flagged.say("" if result is None else flagged_words(result.keypoints), "warning")
        return True

    @on_video
    def ask_for_video(self, opened: OpenVideo) -> None:
        """Ask where to write the video, and write it."""
        start = self._export.suggested(opened, ".mp4")

        def write(path: Path) -> None:
            self._frames.video(self.frames, path, self._export.caption_of_many())

        save_as(self, "Video with attention", start, "MP4 (*.mp4)", ".mp4", write, others=True)

    @given("_frames.measured")
    def ask_to_save(self, measured: Measured) -> None:
        """Ask where to write the table, and write it."""

        def write(path: Path) -> None:
            write_in_background(self._session, lambda: measured.save(path), path)

        start = output_path(measured.opened.path, "_attention.csv", model=measured.key.model)
        save_as(self, "Save table", start, "CSV (*.csv)", ".csv", write, others=True)

    def _on_video(self) -> None:
        last = max(self._session.made.frame_count - 1, 0)
        for box, value in ((self.first, 0), (self.last, last)):
            box.set_range(0, last)
            box.set_value(value)
        # About a hundred frames say what a long video looks like.
        self.step.set_value(max(1, round((last + 1) / 100)))
        self.refresh()


class NumberBox(QLineEdit):
    """A whole number in little room; napari's boxes with arrows are too wide for three in a row."""

    def __init__(self) -> None:
        super().__init__()
        self._low, self._high = 0, 0
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(36)
        self.editingFinished.connect(lambda: self.set_value(self.value()))

    def set_range(self, low: int, high: int) -> None:
        """Take numbers from `low` to `high`."""
        self._low, self._high = low, high
        self.setValidator(QIntValidator(low, high, self))
        self.set_value(self.value())

    def value(self) -> int:
        """The number; the nearest possible one to what was typed."""
        text = self.text().strip()
        number = int(text) if text.lstrip("-").isdigit() else self._low
        return min(max(number, self._low), self._high)

    def set_value(self, value: int) -> None:
        """Show a number."""
        self.setText(str(value))


def _about(measured: Measured) -> str:
    """What was measured, in words."""
    text = f"Measured {counted(measured.count, 'frame')}"
    if measured.result is None:
        return f"{text}; cancelled before the end."
    near = f"near: within {measured.result.radius:.0f} px"
    words = measured_words(measured.result.keypoints, measured.key.how)
    return f"{text} ({near}). {words}"


def measured_words(keypoints: Sequence[KeypointAttention], how: AttentionMethod) -> str:
    """What was measured, in a sentence or two.

    Parameters
    ----------
    keypoints : sequence of dict
        Of the result of the job `attention_data`.
    how : AttentionMethod
        By which the maps were computed.
    """
    tracked = [each for each in keypoints if each.tracked]
    if not tracked:
        return "No keypoint was found with confidence, so nothing can be said."
    near = [each for each in tracked if each.looks_near > each.tracked / 2]
    even = [each for each in tracked if each.looks_even > each.tracked / 2]
    is_where = (
        "is mostly looked at where it is"
        if len(near) == 1
        else "are mostly looked at where they are"
    )
    text = f"{digits(len(near))} of {counted(len(tracked), 'keypoint')} {is_where}."
    if even:
        points = "it points" if len(even) == 1 else "they point"
        maps = counted(len(even), "map is", "maps are")
        text += f" {maps} so even that {points} nowhere{how.if_even}."
    return text


def flagged_words(keypoints: Sequence[KeypointAttention]) -> str:
    """Which keypoints are tracked while the network looks elsewhere; empty if none is."""
    parts = [
        f"{each.name} (in {100 * each.looks_elsewhere / each.tracked:.0f} % of "
        f"{counted(each.tracked, 'frame')})"
        for each in keypoints
        if each.flagged and each.tracked
    ]
    if not parts:
        return ""
    return (
        f"Tracked while looking elsewhere: {', '.join(parts)}. The model may have learnt the "
        "background; look at these maps."
    )
