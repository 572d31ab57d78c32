"""What jobs on states end with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result
from napari_vitface.record import Record


@dataclass(frozen=True)
class FeatureTable(Record):
    """A file of features.

    Attributes
    ----------
    kind : str
        Name of the kind.
    path : str
    columns : int
        Numbers a frame.
    made : bool
        Now; else it was there already, with the same settings.
    """

    kind: str
    path: str
    columns: int
    made: bool


@dataclass(frozen=True, kw_only=True)
class FeaturesResult(Result):
    """Features of a video.

    Attributes
    ----------
    video : str
    files : tuple of FeatureTable
    frames : int
        Rows of each file.
    broken : tuple of (first, last)
        Frames that could not be decoded: their rows are NaN.
    seconds : float
        That computing took.
    frames_per_second : float or None
        None if nothing was computed.
    """

    video: str
    files: tuple[FeatureTable, ...]
    frames: int
    broken: tuple[tuple[int, int], ...]
    seconds: float
    frames_per_second: float | None


@dataclass(frozen=True)
class FailedVideo(Record):
    """One of several videos that failed, and the sentence that says why."""

    video: str
    message: str


@dataclass(frozen=True)
class FeatureVideosResult(Result):
    """Features of several videos, one after the other, as the command line computes them."""

    videos: tuple[FeaturesResult, ...]
    failed: tuple[FailedVideo, ...]
