"""Section 7: what is measured over time, where, and what it looks like."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_vitface.errors import VitFaceError
from napari_vitface.gui.kinds_button import KindsButton
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.plugin_docks import TRAJECTORIES
from napari_vitface.gui.run_progress import RunProgress, say_end
from napari_vitface.gui.section import (
    Fold,
    Note,
    Section,
    WrappedLabel,
    row_of,
    set_look,
    stack,
    tipped_button,
)
from napari_vitface.gui.session_dock import open_session_dock
from napari_vitface.gui.setting_rows import SettingRows
from napari_vitface.gui.traces.files_form import TraceFilesForm
from napari_vitface.gui.traces.measured import NOTHING
from napari_vitface.gui.video_list.dock import open_video_list
from napari_vitface.gui.video_list.kinds import TRACES_OF_VIDEOS
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.outputs import find_predictions
from napari_vitface.settings.kind import settings_of
from napari_vitface.settings.traces import DEFAULT, EYE, TRACES

_HINT = "Open a video to measure motion, the pupil and movements of the face over time."
_NAMES = (EYE, "whisker pad", "nose", "mouth", "paws")


class TracesSection(Section):
    """Kinds, their settings, regions, the buttons, how it goes, and what came of it."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(7, "Traces")
        self._session = session
        self._measuring = measuring = session.measuring
        self.kinds = KindsButton(list(TRACES.values()), DEFAULT)
        self.kinds.setToolTip("What is measured of each frame, in one reading of the video")
        self.rows = {
            name: SettingRows({name: setting})
            for name, setting in settings_of(TRACES.values()).items()
            if setting.option.offered
        }
        self.settings = Fold("Settings", _column(*self.rows.values()))
        self.files = TraceFilesForm(session, measuring)
        self.files_fold = Fold("Files and times", self.files)
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.addItems(_NAMES)
        self.name.setToolTip("Which region; the pupil is looked for in the one named eye")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.draw_button = tipped_button(
            "Draw region", "Draw a rectangle of this name on the video"
        )
        self.draw_button.clicked.connect(lambda: self.draw())
        self.clear_button = tipped_button("Whole frame", "Take all regions away")
        self.clear_button.clicked.connect(lambda: session.region_tool.clear())
        self.where = WrappedLabel("", "hint")
        self.refused = Note()
        self.measure_button = tipped_button(
            "Measure", "This video; its table of traces is replaced"
        )
        self.measure_button.clicked.connect(lambda: self.measure())
        self.list_button = tipped_button(
            "Measure the list", "All videos of the list of videos, one after the other"
        )
        self.list_button.clicked.connect(lambda: self.measure_list())
        keeps = "Stop; what is done is kept and gone on with"
        self.progress = RunProgress(measuring.runner, "frame", keeps)
        self.note = Note()
        self.told = WrappedLabel("", "value")
        self.plot_button = tipped_button("Plot", "Open the trajectories below the canvas")
        self.plot_button.clicked.connect(lambda: open_session_dock(session.viewer, TRAJECTORIES))
        self.pupil = QCheckBox("Pupil on the video")
        self.pupil.setToolTip("Draw the ellipse of the pupil on each frame")
        self.pupil.setChecked(True)
        self.pupil.toggled.connect(session.trace_layers.show_pupil)
        self.component = QComboBox()
        self.component.setToolTip("Draw a spatial component of a region on the video")
        self.component.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.number = QSpinBox()
        self.number.setMinimum(1)
        self.number.setToolTip("Which component; the first one explains most")
        self.components = row_of(self.component, self.number)
        self.component.currentIndexChanged.connect(lambda *_: self._on_component())
        self.number.valueChanged.connect(lambda *_: self._show_component())
        self.add(self.kinds, self.settings, self.files_fold)
        self.add(row_of(self.name, self.draw_button, self.clear_button), self.where, self.refused)
        self.add(row_of(self.measure_button, self.list_button), self.progress, self.note, self.told)
        self.add(row_of(self.plot_button, self.pupil), self.components)
        self._typo = ""
        self._shown = NOTHING
        self._without_poses = False
        self._offer_components()
        self.kinds.changed.connect(self._on_form)
        for rows in self.rows.values():
            rows.changed.connect(self._on_form)
        for signal in (session.video_changed, session.poses_changed, session.model_changed):
            signal.connect(self._on_form)
        for signal in (session.region_tool.changed, measuring.shown, measuring.runner.changed):
            signal.connect(self._look)
        measuring.chosen.connect(self.refresh)
        session.video_list.changed.connect(self.refresh)
        self._on_form()

    # ----------------------------------------------------------------- what is pressed

    def draw(self) -> None:
        """Let the user draw the region whose name is chosen."""
        name = self.name.currentText().strip()
        if name:
            self._session.region_tool.draw(name)

    def measure(self) -> None:
        """Measure what is chosen of the video on screen."""
        if self._take_form():
            self._measuring.measure()

    def measure_list(self) -> None:
        """Measure what is chosen of all videos of the list, and show that."""
        if not self._take_form():
            return
        queue = self._session.video_list
        if queue.going:
            return
        queue.set_kind(TRACES_OF_VIDEOS)
        dock = open_video_list(self._session)
        if dock is not None and len(queue.items):
            dock.start_or_stop()

    def _take_form(self) -> bool:
        try:
            values = {k: v for name in self._asked() for k, v in self.rows[name].values().items()}
            for name in self.kinds.names:
                own = settings_of([TRACES[name]])
                for setting, value in values.items():
                    if setting in own:
                        own[setting].check(value)
        except VitFaceError as error:
            self._typo = str(error)
            self.refresh()
            return False
        self._measuring.choose(self.kinds.names, values)
        return True

    def _asked(self) -> list[str]:
        """The settings that the chosen kinds have."""
        own = settings_of(TRACES[name] for name in self.kinds.names)
        return [name for name in self.rows if name in own]

    # ----------------------------------------------------------------- what is shown

    def _on_form(self) -> None:
        self._typo = ""
        asked = self._asked()
        for name, rows in self.rows.items():
            rows.setVisible(name in asked)
        self._take_form()
        self._look()

    def _look(self) -> None:
        """Look on the disk for keypoints that are needed."""
        self._without_poses = bool(self._lacks_poses())
        self.refresh()

    @on_video
    def _lacks_poses(self, opened: OpenVideo) -> bool:
        if not self._measuring.needs_poses or opened.source or opened.saved:
            return False
        return find_predictions(opened.path, str(self._session.model)) is None

    def refresh(self) -> None:
        """Bring everything up to date with the session."""
        session, measuring = self._session, self._measuring
        waits, run = bool(session.made.waiting), measuring.runner.last
        active = measuring.runner.active
        self.set_waiting(waits)
        self.hint.setText(_HINT if waits else "")
        self.where.setText(self._where() or "")
        self.files.refresh()
        self.files_fold.set_summary(self.files.words)
        problem = self._typo or session.region_tool.problem
        self.refused.say(problem, "error")
        self.draw_button.setEnabled(not waits)
        self.clear_button.setEnabled(bool(session.made.regions))
        self.measure_button.setEnabled(not (waits or active or self._typo or self._without_poses))
        self.list_button.setEnabled(not self._typo and not session.video_list.going)
        self.progress.show_run(run)
        say_end(self.note, run)
        measured = measuring.measured
        there = measured is not NOTHING
        words = counted(len(measured.names), "trace") if there else ""
        self.told.setText(f"{measured.path.name}: {words}" if there else "")
        self.plot_button.setVisible(there)
        self.pupil.setVisible(bool(measured.pupil))
        if measured is not self._shown:
            self._shown = measured
            self._offer_components()
        set_look(self.measure_button, "" if there else "primary")
        self.status = "measuring" if active else words

    @on_video
    def _where(self, opened: OpenVideo) -> str:
        """Where it is measured, and what has to be there before."""
        parts = [
            f"{name}: {w} × {h} px at {x}, {y}." for name, (x, y, w, h) in opened.regions.items()
        ] or ["Of the whole frame."]
        if self._without_poses:
            parts.append(
                f"Keypoints of {self._session.model_name} are needed and are not there: press "
                "Predict in section 2"
                + (f", or draw the region {EYE}." if "pupil" in self.kinds.names else ".")
            )
        elif "pupil" in self.kinds.names and EYE not in opened.regions:
            parts.append("The pupil is looked for about the keypoints of the eye.")
        return " ".join(parts)

    def _offer_components(self) -> None:
        """Offer the components that the table on screen has."""
        counts: dict[str, int] = {}
        measured = self._shown
        if measured.components is not None:
            for name in measured.names:
                region, _, number = name.rpartition(" ")
                if number.isdigit() and region.partition(" ")[0] in ("motion", "movie"):
                    counts[region] = int(number)
        self.component.blockSignals(True)
        self.component.clear()
        self.component.addItem("No component", 0)
        for region, most in counts.items():
            self.component.addItem(region, most)
        self.component.blockSignals(False)
        self.components.setVisible(bool(counts))
        self.number.setEnabled(False)

    def _on_component(self) -> None:
        most = self.component.currentData() or 0
        self.number.blockSignals(True)
        self.number.setMaximum(max(most, 1))
        self.number.blockSignals(False)
        self.number.setEnabled(most > 0)
        self._show_component()

    def _show_component(self) -> None:
        region = self.component.currentText() if self.component.currentData() else ""
        self._session.trace_layers.show_component(region, self.number.value())


def _column(*widgets: QWidget) -> QWidget:
    column = QWidget()
    stack(column, *widgets)
    return column
