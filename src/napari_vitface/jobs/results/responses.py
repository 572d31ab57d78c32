"""What jobs on responses end with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Result
from napari_vitface.record import Record
from napari_vitface.settings.states import PrototypeRule


@dataclass(frozen=True, kw_only=True)
class ResponseSummary(Record):
    """How the trials of one state become like one prototype.

    Attributes
    ----------
    state, prototype : str
    trials : int
    size, low, high : float
        Mean over trials of the similarity after the onset less that before, and the bootstrap
        interval of 95 % of it over groups; NaN where there is one group.
    responding : float
        Share of the trials that leave their baseline.
    latency : float
        Median over these, in seconds (frames where no rate is known).
    """

    state: str
    prototype: str
    trials: int
    size: float
    low: float
    high: float
    responding: float
    latency: float


@dataclass(frozen=True, kw_only=True)
class ResponsesResult(Result):
    """Trials compared with prototypes that other groups' trials made.

    Attributes
    ----------
    table, curves, picture, similarity : str
        Files: a row a trial and prototype, the mean curves, these drawn, and a row a frame.
    unit : str
        What groups are: "animal", "session" or "trial".
    groups : int
    rule : "typical" or "least-neutral"
        Which frames prototypes are made of.
    timed : bool
        Whether times are seconds rather than frames.
    states : tuple of str
    summaries : tuple of ResponseSummary
    """

    table: str
    curves: str
    picture: str
    similarity: str
    unit: str
    groups: int
    rule: PrototypeRule
    timed: bool
    states: tuple[str, ...]
    summaries: tuple[ResponseSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Curve(Record):
    """The mean of a trace over the trials of a state, around their onsets.

    Attributes
    ----------
    state, trace : str
    trials : int
    times : (W,) float64
        Seconds from the onset; frames where no rate is known.
    mean, low, high : (W,) float32
        And the bootstrap interval of 95 % of it; NaN where there is one trial.
    """

    state: str
    trace: str
    trials: int
    times: NDArray[np.float64]
    mean: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TrialResponse(Record):
    """What a trace does in one trial, the numbers as of `napari_vitface.states.aligned.Response`.

    `trial` is its position among those that were given.
    """

    trial: int
    trace: str
    size: float
    peak: float
    latency: float


@dataclass(frozen=True, kw_only=True)
class AlignTracesResult(Result):
    """Traces around onsets: a curve and a summary for each state and trace, and every trial."""

    curves: tuple[Curve, ...]
    summaries: tuple[ResponseSummary, ...]
    responses: tuple[TrialResponse, ...]
