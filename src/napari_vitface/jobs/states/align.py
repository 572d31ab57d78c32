"""Traces that are known already, such as a classifier's probabilities, around onsets of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.responses import AlignTracesResult, Curve, TrialResponse
from napari_vitface.jobs.states.responses import summary_of


def align_traces(
    traces: Mapping[str, NDArray[np.float32]],
    states: Sequence[str],
    *,
    before: int,
    rate: float = 0.0,
    groups: Sequence[str] | None = None,
) -> Iterator[Event]:
    """Average traces over trials.

    Parameters
    ----------
    traces : mapping of str to (n, W) float32
        Of each trial the samples around its onset; NaN outside of the recording.
    states : sequence of str
        Of each trial.
    before : int
        Samples before the onset; the others are from it on.
    rate : float
        Samples a second; 0 if unknown.
    groups : sequence of str, optional
        Whose each trial is: the interval is over these.

    Yields
    ------
    Finished
        With an `AlignTracesResult`.

    Raises
    ------
    VitFaceError
        There are no trials, or no samples before or after the onset.
    """
    from napari_vitface.states.aligned import align

    named, whose = np.array(states), np.array(groups if groups is not None else states)
    curves, summaries, responses = [], [], []
    for state in dict.fromkeys(states):
        rows = np.flatnonzero(named == state)
        for trace, samples in traces.items():
            found = align(samples[rows], before, rate, whose[rows])
            curves.append(
                Curve(
                    state=state,
                    trace=trace,
                    trials=len(rows),
                    times=found.times,
                    mean=found.mean,
                    low=found.low,
                    high=found.high,
                )
            )
            summaries.append(summary_of(state, trace, found, whose[rows]))
            responses += [
                TrialResponse(
                    trial=row, trace=trace, size=one.size, peak=one.peak, latency=one.latency
                )
                for row, one in zip(rows.tolist(), found.responses, strict=True)
            ]
    yield Finished(
        "align_traces",
        AlignTracesResult(
            curves=tuple(curves), summaries=tuple(summaries), responses=tuple(responses)
        ),
    )
