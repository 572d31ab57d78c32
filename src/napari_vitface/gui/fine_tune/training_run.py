"""One fine-tune as the window knows it, and those that were left unfinished on disk."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_vitface.errors import VitFaceError
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import JobRun
from napari_vitface.gui.model_info import bundled_names
from napari_vitface.jobs.events import (
    EpochFinished,
    Event,
    HeldOutShown,
    LossMeasured,
    Progress,
    Started,
)
from napari_vitface.jobs.results.training import TrainResult, TrainSettings
from napari_vitface.jobs.training.run import RunFiles, home_of, plain_name
from napari_vitface.record import from_plain
from napari_vitface.settings.training import STATE_KEY

#: The stage of the job in which steps of training are counted.
TRAINING = "training"

#: What files raise that are not ours, or not any more.
_NOT_OURS = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip


@dataclass
class Curve:
    """The course of a training, to be drawn.

    Attributes
    ----------
    losses : list of (step, loss)
    errors : list of (step, median, mean)
        Of the frames held out, in video pixels.
    mean_pose : (median, mean)
        Of the mean pose on the same frames; None while unknown.
    """

    losses: list[tuple[int, float]] = field(default_factory=list)
    errors: list[tuple[int, float, float]] = field(default_factory=list)
    mean_pose: tuple[float | None, float | None] = (None, None)

    @classmethod
    def read(cls, path: Path) -> Curve:
        """The course of a run as its ``curves.csv`` holds it; empty if there is none."""
        curve = cls()
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    curve._add(row)
        except (OSError, csv.Error, *_NOT_OURS):
            return cls()
        return curve

    def add_loss(self, step: int, loss: float) -> None:
        """Take in a loss; a run that goes on after a crash goes over some of its steps again."""
        self.losses = [one for one in self.losses if one[0] < step]
        self.losses.append((step, loss))

    def add_judgement(self, event: EpochFinished) -> None:
        """Take in how the held-out frames were judged."""
        if event.mean_pose_median is not None:
            self.mean_pose = event.mean_pose_median, event.mean_pose_mean
        if event.median_error is None or event.mean_error is None:
            return
        self.errors = [one for one in self.errors if one[0] < event.step]
        self.errors.append((event.step, event.median_error, event.mean_error))

    def _add(self, row: dict[str, str]) -> None:
        step = int(float(row["step"]))
        if row["loss"]:
            self.losses.append((step, float(row["loss"])))
        if row["median_error"] and row["mean_error"]:
            self.errors.append((step, float(row["median_error"]), float(row["mean_error"])))


@dataclass
class TrainingRun(JobRun):
    """The fine-tune in progress or the last one.

    Attributes
    ----------
    name : str
        Of the new model.
    folder : Path
        The run's folder.
    old_model : str
        The model in use when it was begun, as `Session.choose_model` takes it.
    step, steps : int
        Of the training; `done` and `total` are those of what the job is doing.
    """

    name: str
    folder: Path
    old_model: str
    step: int = 0
    steps: int = 0
    settings: TrainSettings | None = field(default=None, kw_only=True)
    result: TrainResult | None = field(default=None, kw_only=True)
    curve: Curve = field(default_factory=Curve)
    shown: HeldOutShown | None = None

    def take(self, event: Event) -> None:
        """Note what an event says about the run."""
        doing = self.doing
        super().take(event)
        match event:
            case Started():
                # The first steps are counted by `Progress`; before, it says what it prepares.
                self.steps, self.total, self.doing = event.total, 0, doing
                if self.settings is not None:
                    pose = self.settings.mean_pose
                    self.curve.mean_pose = pose.median, pose.mean
            case Progress() if event.message == TRAINING:
                self.step, self.steps = event.done, event.total
            case LossMeasured():
                self.curve.add_loss(event.step, event.loss)
            case EpochFinished():
                self.curve.add_judgement(event)
            case HeldOutShown():
                self.shown = event

    @property
    def can_continue(self) -> bool:
        """Whether it ended early and its state is on disk."""
        return self.status in ("cancelled", "failed") and files_of(self.folder).unfinished

    @property
    def model(self) -> str:
        """The new model, as `Session.choose_model` takes it; empty before it is there."""
        return "" if self.result is None else self.result.model

    @property
    @given("result")
    def report(self, result: TrainResult) -> Path | None:
        """The report, if it was written."""
        path = Path(result.report)
        return path if path.is_file() else None


#: What is shown before there is a run.
NO_RUN = TrainingRun("", Path(), "", status="")


@dataclass(frozen=True)
class Unfinished:
    """A fine-tune that was begun and neither ended nor given up.

    Attributes
    ----------
    step, steps : int
        Steps that are kept on disk, and all of them.
    start : str
        The model that it started from.
    """

    name: str
    folder: Path
    step: int
    steps: int
    start: str


def files_of(folder: Path) -> RunFiles:
    """The files of a run of a project, by the run's folder."""
    return RunFiles.of(folder.name, folder.parent.parent, flat=False)


def unfinished_runs(source: Path) -> list[Unfinished]:
    """The runs of a project that can go on, the last one first.

    Parameters
    ----------
    source : Path
        What the project's labels are read from.
    """
    runs = home_of(source) / "runs"
    found: list[tuple[float, Unfinished]] = []
    for folder in runs.iterdir() if runs.is_dir() else ():
        try:
            files = files_of(folder)
            if not files.unfinished:
                continue
            settings = files.read_settings()
            changed = files.settings.stat().st_mtime
            steps = (settings.get("settings") or {}).get("steps")
            total = steps if isinstance(steps, int) else 0
        except (VitFaceError, OSError, *_NOT_OURS):
            # A folder of something else, or one that cannot be read: nothing to go on with.
            continue
        one = Unfinished(
            files.name, folder, _reached(files), total, str(settings.get("init") or "")
        )
        found.append((changed, one))
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def last_finished(source: Path) -> TrainingRun:
    """The run of a project that ended last and whose model is still there, else `NO_RUN`.

    Parameters
    ----------
    source : Path
        What the project's labels are read from.
    """
    runs = home_of(source) / "runs"
    ended = sorted(runs.glob("*/metrics.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(ended):
        try:
            files = files_of(path.parent)
            result = from_plain(TrainResult, json.loads(path.read_text(encoding="utf-8")))
            if files.unfinished or not files.model.is_file():
                continue
            return _finished(files, result)
        except (VitFaceError, OSError, *_NOT_OURS):
            # Not ours, or of another version: there is nothing to show of it.
            continue
    return NO_RUN


def _finished(files: RunFiles, result: TrainResult) -> TrainingRun:
    """A run as its files tell of it; the project may have moved since."""
    start = result.init
    beside = files.model.with_name(f"{start}.safetensors")
    old = str(beside) if beside.is_file() else start if start in bundled_names() else ""
    run = TrainingRun(files.name, files.folder, old, status="done", steps=result.steps)
    report = files.folder / "report.html"
    run.result = replace(result, model=str(files.model), report=str(report))
    run.curve = Curve.read(files.curves)
    if not result.frames.tuning:
        # Else the curve is of other frames than the verdict.
        run.curve.mean_pose = result.mean_pose.median, result.mean_pose.mean
    return run


def _reached(files: RunFiles) -> int:
    """Steps that the stored state of a run holds; 0 if there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        # Of the file only the header is read.
        with safe_open(files.state, framework="numpy") as file:
            text = (file.metadata() or {}).get(STATE_KEY)
        return int(json.loads(text)["fit"]["step"]) if text else 0
    except (SafetensorError, OSError, *_NOT_OURS):
        return 0


def free_name(source: Path) -> str:
    """The first name, after that of the project, under which there is neither model nor run."""
    home = home_of(source)
    base = plain_name(home.parent.name)
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        files = RunFiles.of(name, home, flat=False)
        if not files.model.exists() and not files.settings.exists():
            return name
        number += 1
