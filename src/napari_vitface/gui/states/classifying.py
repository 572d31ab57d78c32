"""Classifiers of states as the window runs them: trials, training, what they say of videos.

Knows napari's viewer model through the session, but no widget and no Qt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_vitface.errors import LabelError
from napari_vitface.events.trials import AnnotatedVideo, Onset, Trials, read_trials, write_trials
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import JobRun, Runner
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.states.event_trials import annotated_videos
from napari_vitface.gui.states.state_traces import state_traces
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.classifying import (
    PredictStatesResult,
    ReportStatesResult,
    TrainStatesResult,
    TrialStates,
)
from napari_vitface.jobs.results.videos import FailedVideo
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished

if TYPE_CHECKING:
    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session

#: What a run does.
Work = Literal["features", "train", "responses", "predict", "predict all", "report"]
ENDING = ".vitstate"
#: Of all videos, before any was asked about.
NOTHING_TOLD = PredictStatesResult(model="", states=(), trials=())


@dataclass(kw_only=True)
class StatesRun(JobRun):
    """A run in progress or the last one.

    Attributes
    ----------
    work : Work
    opened : OpenVideo or None
        The video that it is about.
    """

    work: Work
    opened: OpenVideo | None = None


@dataclass
class Told:
    """What a classifier said of an open video."""

    model: Path
    trials: tuple[TrialStates, ...]
    states: tuple[str, ...] = field(default=())
    plotted: bool = False


class Classifying:
    """What the States section calls and shows.

    Attributes
    ----------
    runner : Runner
    trials : Trials or None
        What a classifier is trained on.
    problem : str
        Why the table that was chosen last cannot be used; empty if it can.
    model : Path or None
        The classifier that is used.
    trained : TrainStatesResult or None
        How it was judged, if it was trained in this window.
    """

    #: Another table of trials.
    trials_changed = Signal()
    #: Another classifier, or what one said.
    changed = Signal()
    #: Where the report that was asked for was written.
    reported = Signal(str)

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runner: Runner[StatesRun] = Runner(session)
        self.trials: Trials | None = None
        self.problem = ""
        self.model: Path | None = None
        self.trained: TrainStatesResult | None = None
        self._told: dict[Path, Told] = {}
        self._drawn: Crop | None = None
        #: What was said of all videos the last time that this was asked, and of how many it was.
        self.told_of_all = NOTHING_TOLD
        self.asked_of = 0
        self.runner.started.connect(self._on_started)
        session.crop_changed.connect(self._on_crop)
        session.video_changed.connect(self._plot)

    @property
    def crop(self) -> Crop | None:
        """What features are computed of in all videos: the crop of the one on screen, else the one
        that was drawn last."""
        return self._session.made.crop or self._drawn

    @on_video
    def _on_crop(self, opened: OpenVideo) -> None:
        self._drawn = opened.crop

    @property
    @given("runner.run")
    def working(self, run: StatesRun) -> Work | None:
        """What is being done; None while nothing is."""
        return run.work if run.active else None

    def _on_started(self) -> None:
        self.problem = ""

    def _forget_failure(self) -> None:
        """What was opened since is what there is something to say of."""
        if self.runner.failure:
            self.runner.run = None

    # ----------------------------------------------------------------- trials

    def open_table(self, path: Path) -> bool:
        """Train on the trials of a table."""
        self.problem = ""
        self._forget_failure()
        try:
            self.trials = read_trials(path)
        except Exception as error:
            self.problem = sentence_of("reading the trials", error)
        self.trials_changed.emit()
        return not self.problem

    def annotated(self) -> list[AnnotatedVideo]:
        """The videos of the project, or those that are open, that have events."""
        return annotated_videos(self._session, self.proposed_table())

    @on_video
    def proposed_table(self, opened: OpenVideo) -> Path | None:
        """Where a table made of events goes."""
        folder = opened.project_folder
        if folder is not None:
            return folder / "vitface" / "trials.csv"
        return opened.path.with_name("trials_of_events.csv")

    def make_table(self, path: Path, videos: Sequence[AnnotatedVideo]) -> bool:
        """Write a table in which each event is a trial, and train on it."""
        self.problem = ""
        self._forget_failure()
        try:
            write_trials(path, videos)
        except Exception as error:
            self.problem = sentence_of("writing the trials", error)
            self.trials_changed.emit()
            return False
        return self.open_table(path)

    # ----------------------------------------------------------------- running

    @on_video
    def compute_features(
        self, opened: OpenVideo, features: str, follow: str | None, settings: Mapping[str, Any]
    ) -> None:
        """Compute features of the video on screen."""
        arguments: dict[str, object] = {
            "video": opened.path,
            "white": opened.white,
            **self._computing(),
            "features": features,
            "settings": dict(settings),
            "crop": self.crop,
            "follow": follow,
            "overwrite": True,
        }
        self._begin("features", "features", arguments, opened)

    @given("trials")
    def train(self, trials: Trials, settings: Mapping[str, Any]) -> None:
        """Train a classifier on the trials, beside their table; none that is there is replaced."""
        arguments = {
            "trials": trials.path,
            "output": free_file(trials.path, settings["label"]),
            "crop": self.crop,
            **self._computing(),
            **settings,
        }
        self._begin("train", "train_states", arguments)

    @on_video
    @given("model")
    def predict(self, model: Path, opened: OpenVideo) -> None:
        """Say what state each frame of the video on screen shows."""
        arguments = {
            **self._computing(),
            "model": model,
            "videos": [opened.path],
            "onsets": self._onsets,
        }
        self._begin("predict", "predict_states", arguments, opened)

    @property
    def _onsets(self) -> dict[str, list[Onset]]:
        """From which windows are counted."""
        return self.trials.onsets() if self.trials is not None else {}

    @property
    def all_videos(self) -> list[Path]:
        """The videos of the table, else those that are open."""
        if self.trials is not None:
            return list(dict.fromkeys(trial.video for trial in self.trials.trials))
        return [opened.path for opened in self._session.videos]

    @given("model")
    def predict_all(self, model: Path) -> None:
        """Say what state each frame of every video shows; tables lie beside the videos."""
        if not self.all_videos or self.runner.active:
            return
        self.told_of_all, self.asked_of = NOTHING_TOLD, len(self.all_videos)
        arguments = {
            **self._computing(),
            "model": model,
            "videos": self.all_videos,
            "onsets": self._onsets,
            "keep_going": True,
        }
        self._begin("predict all", "predict_states", arguments)

    @given("model")
    def report(self, model: Path) -> None:
        """Write the report of the classifier."""
        self._begin("report", "report_states", {"model": model})

    def _computing(self) -> dict[str, str]:
        session = self._session
        return {
            "model": session.model,
            "device": session.device,
            "precision": session.precision,
        }

    def _begin(
        self, work: Work, job: str, arguments: dict[str, object], opened: OpenVideo | None = None
    ) -> None:
        if self.runner.active:
            return
        run = StatesRun(work=work, opened=opened)
        self.runner.begin(run, job, arguments, lambda event: self._on_event(run, event))

    def _on_event(self, run: StatesRun, event: Event) -> bool:
        match event:
            case VideoFinished(result=PredictStatesResult() as said):
                self._take(run, said)
            case VideoFailed(video=video, failed=failed):
                self._add(failed=(FailedVideo(video, failed.message),))
                self.changed.emit()
            case Finished(result=TrainStatesResult() as trained):
                self.trained = trained
                self.model = Path(trained.model)
                self.told_of_all = NOTHING_TOLD
                self.changed.emit()
            case Finished(result=ReportStatesResult(report=page)):
                self.reported.emit(page)
        return False

    # ----------------------------------------------------------------- what it says

    def use_model(self, path: Path) -> None:
        """Use a classifier that was trained before."""
        self._forget_failure()
        self.model = path
        self.told_of_all = NOTHING_TOLD
        if self.trained is not None and Path(self.trained.model) != path:
            self.trained = None
        self.changed.emit()

    @property
    def told(self) -> Told | None:
        """What the classifier said of the video on screen; None if it was not asked."""
        told = self._told.get(self._session.made.path.resolve())
        return told if told is not None and told.model == self.model else None

    def _take(self, run: StatesRun, predicted: PredictStatesResult) -> None:
        """Keep what was said of one video: so that it stays if the others are not reached."""
        told = Told(Path(predicted.model), predicted.trials, predicted.states)
        self._told[Path(predicted.trials[0].video).resolve()] = told
        if run.work == "predict all":
            self._add(predicted.states, predicted.trials)
        self._plot()
        self.changed.emit()

    def _add(
        self,
        states: tuple[str, ...] = (),
        trials: tuple[TrialStates, ...] = (),
        failed: tuple[FailedVideo, ...] = (),
    ) -> None:
        so_far = self.told_of_all
        self.told_of_all = replace(
            so_far,
            model=str(self.model),
            states=states or so_far.states,
            trials=(*so_far.trials, *trials),
            failed=(*so_far.failed, *failed),
        )

    @on_video
    @given("told")
    def _plot(self, told: Told, opened: OpenVideo) -> None:
        """Have what was said of the video on screen plotted."""
        if told.plotted:
            return
        told.plotted = True
        table = told.trials[0].table
        if table is not None:
            try:
                traces = state_traces(Path(table), len(opened.video), opened.events.labels)
            except LabelError as error:
                self._session.tell(str(error), "error")
            else:
                self._session.put_traces(opened, traces, opened.elsewhere)


def free_file(table: Path, label: str) -> Path:
    """The first file for a classifier of a label, beside the table, that is not there yet."""
    plain = re.sub(r"[^\w.-]+", "-", label)
    base = f"{table.stem}_{plain}"
    names = (f"{base}{'' if number == 1 else f'-{number}'}{ENDING}" for number in count(1))
    return next(path for name in names if not (path := table.with_name(name)).exists())
