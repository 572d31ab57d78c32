"""Section 6: from trials to a classifier of states that is judged honestly, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QFileDialog,
    QPushButton,
)

from napari_vitface.errors import VitFaceError
from napari_vitface.events.trials import Trials
from napari_vitface.gui.eliding_box import ElidingComboBox
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.plugin_docks import EVENTS, TRAJECTORIES
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import Note, Section, WrappedLabel, row_of, set_look, tipped_button
from napari_vitface.gui.session_dock import open_session_dock
from napari_vitface.gui.states.event_trials import without_video
from napari_vitface.gui.states.form import StatesForm
from napari_vitface.gui.states.results import Judgement, told_words
from napari_vitface.gui.states.told_table import ToldTable
from napari_vitface.gui.states.trials_dialog import TrialsDialog
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.outputs import find_predictions

_BEGIN = (
    "Open a table of trials (one video a row, with its animal and what was done), or draw events "
    "on the timeline and make a table of them."
)

T = TypeVar("T")

#: Remarks that are shown of a run.
_MOST = 3
_WORKING = {
    "features": "features",
    "train": "training",
    "responses": "responses",
    "predict": "predicting",
    "predict all": "predicting",
}


class StatesSection(Section):
    """Trials, what is chosen, the buttons, how it goes, and what came of it."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(6, "States")
        self._session = session
        self._states = states = session.classifying
        self.table_button = tipped_button("Open table…", "A CSV or TSV file with one trial a row")
        self.table_button.clicked.connect(lambda: self.ask_for_table())
        self.events_button = tipped_button(
            "From events…", "Make a table in which each event is a trial"
        )
        self.events_button.clicked.connect(lambda: self.ask_for_events())
        self.timeline_button = tipped_button("Timeline of events", "Open it below the canvas")
        self.timeline_button.clicked.connect(lambda: self._open_dock(EVENTS))
        self.about = WrappedLabel("", "value")
        self.videos = ElidingComboBox()
        self.videos.setToolTip("Show a video of the table")
        self.videos.activated.connect(lambda place: self._show_trial(place))
        self.form = StatesForm()
        self.picture = WrappedLabel("", "hint")
        self.refused = Note()
        self.features_button = tipped_button(
            "Compute features", "Of this video, into a file beside it"
        )
        self.features_button.clicked.connect(lambda: self.compute_features())
        self.responses_button = tipped_button(
            "Responses",
            "How each trial becomes like the typical face of each state, aligned to its onset: "
            "mean, interval, size and latency, below the canvas",
        )
        self.responses_button.clicked.connect(lambda: self.compute_responses())
        self.train_button = tipped_button(
            "Train", "Train on the trials, and judge on what is left out"
        )
        self.train_button.clicked.connect(lambda: self.train())
        self.progress = RunProgress(states.runner, "", "Stop")
        self.error = Note()
        self.notices = Note()
        self.judgement = Judgement()
        self.model = WrappedLabel("", "value")
        self.model_button = tipped_button("Open classifier…", "Use one that was trained before")
        self.model_button.clicked.connect(lambda: self.ask_for_model())
        self.predict_button = tipped_button(
            "Predict", "Say what state each frame of this video shows"
        )
        self.predict_button.clicked.connect(lambda: states.predict())
        self.all_button = tipped_button(
            "Predict all videos",
            "Of the table, else those that are open; a table of each frame lies beside each video",
        )
        self.all_button.clicked.connect(lambda: states.predict_all())
        self.all_told = ToldTable()
        self.all_told.chosen.connect(lambda path: session.show_video(path))
        self.all_told.written.connect(lambda path: session.tell(f"Wrote {path}.", "info"))
        self.plot_button = tipped_button("Plot", "Open the trajectories below the canvas")
        self.plot_button.clicked.connect(lambda: self._open_dock(TRAJECTORIES))
        self.report_button = tipped_button("Report", "All figures, as a page")
        self.report_button.clicked.connect(lambda: states.report())
        self.said = Note()
        self.add(row_of(self.table_button, self.events_button), self.timeline_button, self.about)
        self.add(self.videos, self.form, self.picture)
        self.add(row_of(self.features_button, self.responses_button), self.train_button)
        self.add(self.refused, self.progress, self.error, self.notices, self.judgement, self.model)
        self.add(row_of(self.model_button, self.report_button))
        self.add(row_of(self.predict_button, self.plot_button), self.said, self.all_button)
        self.add(self.all_told)
        self._without_poses: list[Path] = []
        #: What is wrong with what was typed, until something else is.
        self._typo = ""
        states.trials_changed.connect(self._on_trials)
        states.changed.connect(self.refresh)
        states.runner.changed.connect(self.refresh)
        states.reported.connect(lambda page: QDesktopServices.openUrl(QUrl.fromLocalFile(page)))
        session.responses.found.connect(self._show_responses)
        self.form.changed.connect(self._on_form)
        session.video_changed.connect(self._on_form)
        session.poses_changed.connect(self._on_form)
        session.crop_changed.connect(self.refresh)
        self._on_trials()

    # ----------------------------------------------------------------- what is pressed

    def ask_for_table(self) -> None:
        """Ask for a table of trials."""
        name, _ = QFileDialog.getOpenFileName(
            self, "Trials", self._session.folder, "Tables (*.csv *.tsv *.txt);;All files (*)"
        )
        if name:
            self._states.open_table(Path(name))

    def ask_for_events(self) -> None:
        """Ask which animal each video with events shows, and make a table of their events."""
        videos, path = self._states.annotated(), self._states.proposed_table()
        if not videos or path is None:
            self.error.say("There are no events yet: draw some on the timeline.", "info")
            self._open_dock(EVENTS)
            return
        if gone := without_video(self._session):
            names = ", ".join(gone)
            self._session.tell(
                f"Left out, for there are events but the video is not there: {names}.", "warning"
            )
        dialog = TrialsDialog(videos, path, self)
        if dialog.exec_():
            self._states.make_table(path, dialog.videos())
        dialog.deleteLater()

    def ask_for_model(self) -> None:
        """Ask for a classifier that was trained before."""
        trials = self._states.trials
        start = str(trials.path.parent) if trials is not None else ""
        name, _ = QFileDialog.getOpenFileName(self, "Classifier", start, "*.vitstate")
        if name:
            self._states.use_model(Path(name))

    def compute_features(self) -> None:
        """Compute the chosen features of the video on screen."""
        names, follow = ",".join(self.form.features.names), self.form.follow.currentData()
        compute = partial(self._states.compute_features, names, follow)
        self._with(self.form.feature_settings, compute)

    def compute_responses(self) -> None:
        """Compare trials with prototypes, and show that below the canvas."""
        self._with(self.form.values, self._compute_responses)

    def _compute_responses(self, settings: dict[str, Any]) -> None:
        if settings["window"] is None:
            self._typo = (
                "Responses begin at the first frame of a window: type it, for example 40:80, with "
                "as many frames before it."
            )
            self.refresh()
            return
        self._session.responses.compute(settings)

    def train(self) -> None:
        """Train with what is set."""
        self._with(self.form.values, self._states.train)

    def _with(self, read: Callable[[], T], work: Callable[[T], object]) -> None:
        """Do something with what is set; say why not, if a text is none of what can be set."""
        try:
            values = read()
        except VitFaceError as error:
            self._typo = str(error)
            self.refresh()
        else:
            work(values)

    def _on_form(self) -> None:
        self._typo = ""
        self._look_for_poses()
        self.refresh()

    def _open_dock(self, name: str) -> None:
        open_session_dock(self._session.viewer, name)

    def _show_responses(self) -> None:
        open_session_dock(self._session.viewer, TRAJECTORIES).panel.show_around()

    def _show_trial(self, place: int) -> None:
        video = self.videos.itemData(place)
        if video is not None:
            self._session.show_video(video)

    # ----------------------------------------------------------------- what is shown

    def _on_trials(self) -> None:
        self._take_trials()
        self._look_for_poses()
        self.refresh()

    @given("_states.trials")
    def _take_trials(self, trials: Trials) -> None:
        self.form.set_trials(trials)
        self.videos.clear()
        shown = list(dict.fromkeys(trial.video for trial in trials.trials))
        self.videos.addItem(f"Show one of {counted(len(shown), 'video')}", None)
        for video in shown:
            self.videos.addItem(video.name, video)

    def refresh(self) -> None:
        """Bring everything up to date with the session."""
        session, states = self._session, self._states
        trials, run, there_is_video = states.trials, states.runner.last, not session.made.waiting
        active, model = states.runner.active, states.model
        there, trained, idle = trials is not None, model is not None, not active
        self.set_waiting(not there and not trained)
        self.hint.setText("" if there else _BEGIN)
        self.about.setText(self._trials_words() or "")
        problem = self.form.problem() if there else ""
        self.refused.say(self._typo or problem, "error" if self._typo else "info")
        self.picture.setText(self._picture_words())
        for widget in (self.videos, self.form, self.picture):
            widget.setVisible(there)
        for button in (self.train_button, self.responses_button):
            button.setEnabled(there and idle and not problem)
        self.features_button.setEnabled(there_is_video and idle)
        self.model.setText(f"Classifier: {model.name}" if model is not None else "")
        self.predict_button.setEnabled(trained and there_is_video and idle)
        self.all_button.setEnabled(trained and bool(states.all_videos) and idle)
        self.all_told.show_result(states.told_of_all, 0 if active else states.asked_of)
        self.report_button.setEnabled(trained and idle)
        self.progress.show_run(run, stopping="Stopping after what is in progress …")
        failure = states.runner.failure
        self.error.say(failure or states.problem, "error")
        notices = run.notices if idle and not failure else []
        more = [f"… and {len(notices) - _MOST} more."] if len(notices) > _MOST else []
        self.notices.say("\n".join([*notices[:_MOST], *more]), "warning")
        self.judgement.show_result(states.trained)
        told = states.told
        self.said.say(told_words(told) if told is not None else "", "info")
        self.plot_button.setEnabled(told is not None and told.trials[0].table is not None)
        next_button = self._next_button(there, trained)
        for button in (self.table_button, self.train_button, self.predict_button):
            set_look(button, "primary" if button is next_button else "")
        self.status = self._status_words(there, trained)

    def _next_button(self, there: bool, trained: bool) -> QPushButton | None:
        """What to press next, by whether there are trials and a classifier."""
        if not trained:
            return self.train_button if there else self.table_button
        return self.predict_button if self._states.told is None else None

    @given("_states.trials")
    def _trials_words(self, trials: Trials) -> str:
        animals = {trial.animal for trial in trials.trials} - {""}
        of = f" of {counted(len(animals), 'animal')}" if animals else ", no animal named"
        return f"{trials.path.name}: {counted(len(trials), 'trial')}{of}"

    def _picture_words(self) -> str:
        return " ".join(filter(None, (self._crop_words(), self._poses_words())))

    def _poses_words(self) -> str:
        """What has to be predicted before, if something has."""
        if not self.form.needs_poses:
            return ""
        names = [path.name for path in self._without_poses]
        if not names:
            return "The face is found by the keypoints that were predicted of each video."
        some = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
        return (
            f"Keypoints of {self._session.model_name} are needed beside each video, and are not "
            f"there for {some}: press Predict there, or use the list of videos."
        )

    def _look_for_poses(self) -> None:
        """Find the videos of the table whose keypoints are not predicted; looks at the disk."""
        model = str(self._session.model)
        videos = self._states.all_videos if self.form.needs_poses else []
        self._without_poses = [path for path in videos if find_predictions(path, model) is None]

    def _crop_words(self) -> str:
        crop = self._states.crop
        if crop is not None:
            x, y, width, height = crop
            return f"Features are of {width} × {height} px at x {x}, y {y} in every video."
        if self.form.follows:
            return "Features are of the surroundings of the keypoints."
        return (
            "Features are of the whole frame: to leave out what is not the face, show a video and "
            "draw its crop under Predict."
        )

    def _status_words(self, there: bool, trained: bool) -> str:
        if work := self._states.working:
            return _WORKING.get(work, "working")
        if trained:
            return "trained"
        return "ready" if there else "waits for trials"
