"""What is plotted around onsets: mean traces of states, and numbers of their trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_vitface.jobs.results.responses import Curve, ResponseSummary


@dataclass(frozen=True)
class TrialNumbers:
    """A trial and a trace.

    Attributes
    ----------
    name, group : str
        What the trial is called, and whose it is; empty where that is not known.
    row : int
        Its line in the table of trials, or its place among the events.
    state, trace : str
    size, peak, latency : float
        As of `napari_vitface.states.aligned.Response`.
    video : Path
    onset : int
        Its frame in the video.
    """

    name: str
    row: int
    group: str
    state: str
    trace: str
    size: float
    peak: float
    latency: float
    video: Path
    onset: int


@dataclass(frozen=True)
class PeriEvent:
    """Traces around onsets; of none it says what is missing.

    Attributes
    ----------
    about : str
        One sentence: of what they are, or what is missing.
    file : Path
        Where a table of the numbers would go.
    timed : bool
        Whether times are seconds rather than frames.
    quantity : str
        What the traces are in.
    unit : str
        What trials belong to: "animal", "session" or "trial".
    curves : tuple of Curve
    summaries : tuple of ResponseSummary
        One for each curve; its `prototype` is the trace.
    trials : tuple of TrialNumbers
    """

    about: str
    file: Path = Path()
    timed: bool = False
    quantity: str = ""
    unit: str = "trial"
    curves: tuple[Curve, ...] = ()
    summaries: tuple[ResponseSummary, ...] = ()
    trials: tuple[TrialNumbers, ...] = ()

    @property
    def traces(self) -> list[str]:
        """Names of what is averaged."""
        return list(dict.fromkeys(curve.trace for curve in self.curves))

    @property
    def states(self) -> list[str]:
        """Those that trials are averaged of."""
        return list(dict.fromkeys(curve.state for curve in self.curves))
