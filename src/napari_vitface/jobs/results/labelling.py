"""What the jobs that say where to label, and what to look at again, begin and end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Doubt, Result, Settings, Suggestion
from napari_vitface.pose.keypoints import KeypointSet


@dataclass(frozen=True, kw_only=True)
class SuggestSettings(Settings):
    """What frames are chosen from.

    Attributes
    ----------
    video : str
    model : str
    predictions : str or None
        The table that is used.
    every : int or None
        One frame in so many is predicted; None with a table.
    device, precision : str
    """

    video: str
    model: str
    predictions: str | None
    every: int | None
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True)
class SuggestResult(Result):
    """The frames that are worth labelling.

    Attributes
    ----------
    video, model, predictions, every, device, precision
        See `SuggestSettings`.
    labelled : tuple of int
        Frames of this video that are labelled.
    frames : tuple of Suggestion
        The best first.
    """

    video: str
    model: str
    predictions: str | None
    every: int | None
    device: str
    precision: str
    labelled: tuple[int, ...]
    frames: tuple[Suggestion, ...]


@dataclass(frozen=True, kw_only=True)
class AuditSettings(Settings):
    """What labels are judged with.

    Attributes
    ----------
    start : str
        What the networks are trained from.
    folds : int
        Blocks of time; the labels of each are judged by a network trained on the others.
    device, precision : str
    keypoints : KeypointSet
    """

    start: str
    folds: int
    device: str
    precision: str
    keypoints: KeypointSet


@dataclass(frozen=True, kw_only=True)
class AuditResult(Result):
    """What is doubtful in labels.

    Attributes
    ----------
    start, folds
        See `AuditSettings`.
    frames, labels : int
        That were judged.
    median_error : float
        Distance of a label from where a network that did not see it puts the point, pixels.
    usual : mapping of str to float or None
        The same for each keypoint.
    findings : tuple of Doubt
        The likeliest mistake first.
    """

    start: str
    folds: int
    frames: int
    labels: int
    median_error: float
    usual: Mapping[str, float | None]
    findings: tuple[Doubt, ...]
