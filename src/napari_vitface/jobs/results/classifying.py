"""What jobs on classifiers of states end with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Result
from napari_vitface.jobs.results.videos import FailedVideo
from napari_vitface.record import Record, optional
from napari_vitface.states.evaluation import Evaluation
from napari_vitface.states.scores import Scores


@dataclass(frozen=True, kw_only=True)
class TrainStatesResult(Result):
    """A classifier of states was trained.

    Attributes
    ----------
    model : str
        The file.
    states : tuple of str
        What it tells apart; empty for a graded label.
    trials, frames : int
        That it learned from.
    columns : int
        Features a frame.
    evaluation : Evaluation
    seconds : float
    """

    model: str
    states: tuple[str, ...]
    trials: int
    frames: int
    columns: int
    evaluation: Evaluation
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrialStates(Record):
    """What a classifier says of one video.

    Attributes
    ----------
    video : str
        As it was given.
    probabilities : dict of str to float, or None
        Of each state, for the frames of the window together; None of a graded label.
    value : float or None
        Of a graded label.
    unlike : float
        Share of the window's frames that are unlike anything that it was trained on.
    frames : int
        Of the window, those that could be decoded.
    table : str or None
        File with a row for each frame.
    onset : int, optional
        The frame from which the window is counted, where it is a trial's own.
    """

    video: str
    probabilities: dict[str, float] | None
    value: float | None
    unlike: float
    frames: int
    table: str | None
    onset: int | None = optional()


@dataclass(frozen=True, kw_only=True)
class PredictStatesResult(Result):
    """What a classifier says of several videos, in the order in which they were given.

    Attributes
    ----------
    model : str
    states : tuple of str
    trials : tuple of TrialStates
    failed : tuple of FailedVideo
        Videos that could not be used, where these were to stop none of the others.
    """

    model: str
    states: tuple[str, ...]
    trials: tuple[TrialStates, ...]
    failed: tuple[FailedVideo, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluateStatesResult(Result):
    """How well a classifier does on labelled trials.

    Attributes
    ----------
    model : str
    frames, trials : Scores
    unlike : float
        Share of frames that are unlike anything that it was trained on.
    seen : tuple of str
        Animals among these trials that it was trained on: figures with these are too good.
    """

    model: str
    frames: Scores
    trials: Scores
    unlike: float
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExplainStatesResult(Result):
    """What of a frame speaks for a state.

    Attributes
    ----------
    file : str
        The picture.
    state : str
        Or the label that a number is given for.
    value : float
        Its probability, or the number.
    method : str
    left, left_random : float
        How much of the classifier's score is left, on average, while parts of the crop are painted
        over from the most important on, and in random order: a map that is true leaves less.
    heat : (rows, columns) float32
        The map of the crop.
    """

    file: str
    state: str
    value: float
    method: str
    left: float
    left_random: float
    heat: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ReportStatesResult(Result):
    """A report of a classifier was written; `report` is its path."""

    report: str
