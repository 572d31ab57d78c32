"""What the job on responses ends with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result
from napari_vitface.record import Record


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
    table, curves, picture : str
        Files: a row a trial and prototype, the mean curves, and these drawn.
    unit : str
        What groups are: "animal", "session" or "trial".
    groups : int
    states : tuple of str
    summaries : tuple of ResponseSummary
    """

    table: str
    curves: str
    picture: str
    unit: str
    groups: int
    states: tuple[str, ...]
    summaries: tuple[ResponseSummary, ...]
