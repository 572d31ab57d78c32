"""Fine-tuning as the window sees it: save the labels, ask the engine, take in how it goes.

Knows no widget and no Qt. The training runs in the engine process; the user goes on looking and
correcting, and what is corrected meanwhile counts for the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.planner import Plan, Planner
from napari_vitface.gui.fine_tune.training_run import (
    NO_RUN,
    Curve,
    TrainingRun,
    Unfinished,
    files_of,
    free_name,
    last_finished,
    unfinished_runs,
)
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import Runner
from napari_vitface.gui.model_info import ModelInfo, model_info
from napari_vitface.jobs.events import EpochFinished, Event, Finished, HeldOutShown, LossMeasured
from napari_vitface.jobs.results.models import ModelsResult
from napari_vitface.jobs.training.run import home_of

if TYPE_CHECKING:
    from napari_vitface.gui.correct.labelling import Labelling
    from napari_vitface.gui.session import Session
    from napari_vitface.project.project import Project

_log = logging.getLogger(__name__)

_NOT_SAVED = "Nothing was trained, because the labels could not be saved: "


class FineTune(Runner[TrainingRun]):
    """Trains a model on the labels of the session's project; one training at a time."""

    #: The loss, the held-out error or the held-out frames are others.
    measured = Signal()
    #: What the press would do is another.
    planned = Signal()
    #: Models of the project were found or made: a list of `ModelInfo`.
    models_found = Signal(object)

    def __init__(self, session: Session, labelling: Labelling) -> None:
        super().__init__(session)
        self.run: TrainingRun = NO_RUN
        self._labelling = labelling
        self._project: Project | None = None
        #: Runs of the project that can go on, the last one first.
        self.unfinished: list[Unfinished] = []
        #: Why the last press did not begin a training; empty if it did.
        self.refused = ""
        self.planner = Planner(session, labelling)
        self.planner.changed.connect(self.planned.emit)
        labelling.documents.changed.connect(self._on_project)
        labelling.document_changed.connect(self._on_project)

    # ----------------------------------------------------------------- what there is

    @property
    def plan(self) -> Plan:
        """What pressing the button would do."""
        return self.planner.plan

    @property
    def options(self) -> FineTuneOptions:
        return self.planner.options

    def configure(self, options: FineTuneOptions) -> None:
        """Choose otherwise."""
        self.planner.configure(options)

    @property
    def proposed_name(self) -> str:
        """Name of the next model unless the user gives one."""
        project = self._labelling.project
        return free_name(project.labels_path) if project is not None else ""

    # ----------------------------------------------------------------- beginning and ending

    @given("_labelling.project")
    def start(self, project: Project) -> bool:
        """Save the labels of the project and train on them; False if that cannot be begun."""
        session = self._session
        if self.active:
            return False
        self.refused = ""
        try:
            arguments = self.options.arguments(session.model)
        except Exception as error:
            return self._refuse(sentence_of("the fine-tune", error))
        problem = self._labelling.saving.save_all(project)
        if problem:
            return self._refuse(_NOT_SAVED + problem)
        source = project.labels_path
        name = self.options.name.strip() or free_name(source)
        return self._train(
            TrainingRun(name, home_of(source) / "runs" / name, session.model),
            {
                **arguments,
                "labels": source,
                "name": name,
                "crop": session.made.crop,
                "resume": False,
            },
        )

    @given("_labelling.project")
    def resume(self, project: Project, folder: Path | None = None, *, finish: bool = False) -> bool:
        """Go on with a run of the project (by its folder), or with the last one.

        Parameters
        ----------
        folder : Path, optional
        finish : bool
            Train no further: judge what was reached and make it a model.
        """
        session = self._session
        if self.active:
            return False
        before = self.run
        if folder is None:
            if not before.can_continue:
                return False
            folder = before.folder
        same = before.folder == folder
        run = TrainingRun(folder.name, folder, before.old_model if same else session.model)
        run.curve = Curve.read(files_of(folder).curves)
        for one in self.unfinished:
            if one.folder == folder:
                run.step, run.steps = one.step, one.steps
        if same:
            run.curve.mean_pose, run.shown = before.curve.mean_pose, before.shown
            run.settings = before.settings
            run.step, run.steps = before.step, before.steps
        # The run's own options count, whatever is set now; the device may be another.
        return self._train(
            run,
            {
                "labels": project.labels_path,
                "name": run.name,
                "resume": True,
                "finish": finish,
                "device": self.options.device,
            },
        )

    def discard(self, folder: Path) -> bool:
        """Give up a run that was not finished; its state is deleted."""
        if self.active:
            return False
        files = files_of(folder)
        try:
            with files.locked():
                files.clear()
        except Exception as error:
            return self._refuse(sentence_of("discarding the run", error))
        if self.run.folder == folder:
            self.run = NO_RUN
        self._find_runs()
        self.changed.emit()
        return True

    def use(self, model: str) -> None:
        """Work with the new model, or with the old one again."""
        self._session.choose_model(model)
        self.changed.emit()

    def close(self) -> None:
        """Nothing more is to be heard; the engine keeps the state of what is under way."""
        self.cancel()

    # ----------------------------------------------------------------- the engine

    def _train(self, run: TrainingRun, arguments: Mapping[str, object]) -> bool:
        self.refused = ""
        self.planner.pause(True)
        self.begin(run, "train", arguments, lambda event: self._on_event(run, event))
        self.measured.emit()
        return run.active

    def _refuse(self, sentence: str) -> bool:
        self.refused = sentence
        self.changed.emit()
        return False

    def _on_event(self, run: TrainingRun, event: Event) -> bool:
        match event:
            case LossMeasured() | EpochFinished() | HeldOutShown():
                self.measured.emit()
                return True
            case Finished():
                self._take_over(run)
        if not run.active:
            self._ended()
        return False

    def _fail(self, run: TrainingRun, message: str) -> None:
        super()._fail(run, message)
        self._ended()

    def _ended(self) -> None:
        self._request = None
        self.planner.pause(False)
        self._find_runs()

    def _take_over(self, run: TrainingRun) -> None:
        """The new model is in use at once."""
        session = self._session
        if run.settings is not None:
            keypoints = run.settings.keypoints
            session.keypoint_sets[keypoints.names] = keypoints
            session.known_models[run.model] = keypoints.names
            self.models_found.emit([ModelInfo(run.model, keypoints=keypoints.names)])
        session.choose_model(run.model)
        self._list_models()

    # ----------------------------------------------------------------- the project

    def _on_project(self) -> None:
        project = self._labelling.project
        if project is self._project:
            return
        self._project = project
        self.unfinished = []
        self.refused = ""
        if not self.run.active:
            self.run = NO_RUN
        self._find_runs()
        self._list_models()
        self.changed.emit()

    @given("_labelling.project")
    def _find_runs(self, project: Project) -> None:
        """Look for runs that can go on, and for the verdict on the last one that ended."""

        def look() -> tuple[list[Unfinished], TrainingRun]:
            source = project.labels_path
            return unfinished_runs(source), last_finished(source)

        def found(result: tuple[list[Unfinished], TrainingRun] | Exception) -> None:
            if isinstance(result, Exception):
                self._session.tell(sentence_of("looking for earlier fine-tunes", result), "warning")
                return
            if project is not self._labelling.project:
                return
            unfinished, last = result
            active = self.run.folder if self.run.active else None
            self.unfinished = [one for one in unfinished if one.folder != active]
            if self.run is NO_RUN:
                self.run = last
            self.changed.emit()

        self._session.in_background(look, found)

    @given("_labelling.project")
    def _list_models(self, project: Project) -> None:
        """Ask for the project's models, to offer them."""
        folder = home_of(project.labels_path) / "models"
        if not folder.is_dir():
            return

        def answered(event: Event) -> None:
            if isinstance(event, Finished) and isinstance(event.result, ModelsResult):
                found = [model_info(entry) for entry in event.result.models]
                self._session.known_models.update({m.choice: m.keypoints for m in found})
                self.models_found.emit(found)

        try:
            self._session.submit("models", {"folder": folder}, answered, urgent=True)
        except Exception as error:
            # Nobody asked; what is wrong with the engine is said where it is needed.
            _log.info("cannot list the models of %s", project, exc_info=error)
