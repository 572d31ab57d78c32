"""What trainings, and plans of them, begin and end with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_vitface.jobs.events import Result, Settings
from napari_vitface.jobs.results.evaluation import Comparison, Confidence
from napari_vitface.model.metadata import FramesOf
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.metrics import Figures
from napari_vitface.record import Record


@dataclass(frozen=True)
class FrameCounts(Record):
    """Frames by use: trained on, choosing when to stop, and judging."""

    training: int
    tuning: int
    judging: int


@dataclass(frozen=True)
class ErrorsOfMeanPose(Record):
    """Errors of the mean pose on the frames that are watched, video pixels."""

    median: float | None
    mean: float | None


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """What is trained from what, where and why.

    Attributes
    ----------
    name, model : str
        Of the new model.
    run : str
        The run's folder.
    init : str
        What it starts from.
    quick : bool
        The head alone is trained.
    device, precision : str
    input_size : (height, width)
    keypoints : KeypointSet
        Those that are learnt.
    kept, fresh, left_out : tuple of str
        Keypoints that the start knows, that are learnt from nothing, and that cannot be learnt.
    frames : FrameCounts
    stops_early : bool
    mean_pose : ErrorsOfMeanPose
    """

    name: str
    model: str
    run: str
    kept_in: str
    init: str
    quick: bool
    why: str
    device: str
    precision: str
    input_size: tuple[int, int]
    keypoints: KeypointSet
    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]
    frames: FrameCounts
    stops_early: bool
    mean_pose: ErrorsOfMeanPose


@dataclass(frozen=True, kw_only=True)
class TrainedConfidence(Confidence):
    """How true the confidence of a trained model is.

    Attributes
    ----------
    calibrated_on_points : int or None
        None if it is not calibrated.
    judged_apart : bool
        By frames that the table was not fitted on.
    """

    calibrated_on_points: int | None
    judged_apart: bool


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result):
    """A model was trained; ``metrics.json`` of its run says the same.

    Attributes
    ----------
    name : str
    model, run, report : str
        Paths of its file, of the run's folder and of the report.
    init, quick, kept, fresh, left_out, frames
        See `TrainSettings`.
    steps, steps_planned : int
    kept_step : int
        The one whose weights the model has.
    stopped : {"all steps done", "no longer better", "asked"}
    seconds : float
    judged_frames : sequence of FramesOf
    seen_before : bool
        The start was trained on frames that judge.
    keypoints : tuple of str
    verdict : Comparison or None
        Before against after on the same frames; None if there is no before.
    against_mean_pose : Comparison
    before : Figures or None
    after, mean_pose : Figures
    calibration : TrainedConfidence
    """

    name: str
    model: str
    run: str
    report: str
    init: str
    quick: bool
    steps: int
    steps_planned: int
    kept_step: int
    stopped: str
    seconds: float
    frames: FrameCounts
    judged_frames: Sequence[FramesOf]
    seen_before: bool
    keypoints: tuple[str, ...]
    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]
    verdict: Comparison | None
    against_mean_pose: Comparison
    before: Figures | None
    after: Figures
    mean_pose: Figures
    calibration: TrainedConfidence


@dataclass(frozen=True, kw_only=True)
class PlanTrainingResult(Result):
    """What a training would do.

    Attributes
    ----------
    training, held_out : mapping of str to int
        Frames by recording.
    tuning : int
        Of the frames held out, those that choose when to stop.
    points, judged_points : int
        Placed in the frames trained on, and in those that judge.
    seen : bool
        The start was trained on frames that are to judge.
    init : str
    kept, fresh, alone, left_out : tuple of str
        Keypoints: known to the start; new and labelled; known, but labelled in no frame trained
        on; neither.
    steps : int
    seconds : float or None
        A rough guess; None for a model that is not there yet.
    """

    training: Mapping[str, int]
    held_out: Mapping[str, int]
    tuning: int
    points: int
    judged_points: int
    seen: bool
    init: str
    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    alone: tuple[str, ...]
    left_out: tuple[str, ...]
    steps: int
    seconds: float | None
