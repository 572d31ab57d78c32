"""What judging a model begins and ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Result, Settings
from napari_vitface.pose.bootstrap import Gain
from napari_vitface.pose.metrics import ConfidenceBin, Figures
from napari_vitface.record import Record


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Settings):
    """A model is judged; `held_out`: on the frames that its training kept apart."""

    model: str
    device: str
    precision: str
    held_out: bool


@dataclass(frozen=True, kw_only=True)
class Comparison(Gain):
    """By how much a model is better than something else, and whether that is more than chance.

    Attributes
    ----------
    than : str
        What it is compared with, as it stands in a sentence.
    sentence : str
    per_keypoint : mapping of str to Gain
    """

    than: str
    sentence: str
    per_keypoint: Mapping[str, Gain]


@dataclass(frozen=True, kw_only=True)
class Confidence(Record):
    """How true confidence is.

    Attributes
    ----------
    radius : float or None
        Distance that it is about, video pixels, in the middle one of frames of several sizes or
        crops; None if it is not calibrated.
    calibration_error : float or None
        Expected calibration error; None without a radius, or where it would look too good.
    calibration_error_by_chance : float or None
        What perfectly true confidences would get on so few points.
    confidence_bins : tuple of ConfidenceBin
    """

    radius: float | None
    calibration_error: float | None
    calibration_error_by_chance: float | None
    confidence_bins: tuple[ConfidenceBin, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluateResult(Figures, Result):
    """The figures of a model, beside those of the mean pose of its training labels.

    Attributes
    ----------
    model : str
    images : int
        That were judged.
    mean_pose : Figures or None
        None if the checkpoint does not hold the mean pose.
    against_mean_pose : Comparison or None
    calibration : Confidence
    calibration_error, calibration_radius : float or None
        Of `calibration`.
    keypoints : tuple of str
        Those that were judged.
    frames : mapping of str to list of int
        Frames that were judged, by recording.
    held_out : bool
    report : str or None
        The report, if one was asked for.
    """

    model: str
    images: int
    mean_pose: Figures | None
    against_mean_pose: Comparison | None
    calibration: Confidence
    calibration_error: float | None
    calibration_radius: float | None
    keypoints: tuple[str, ...]
    frames: Mapping[str, list[int]]
    held_out: bool
    report: str | None = None
