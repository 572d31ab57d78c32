"""Traces aligned to the onsets of events: mean and interval over trials, latency and size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError

#: Resamples of the interval, and the share of them that it holds.
_RESAMPLES = 1000
_LEVEL = 0.95
#: Standard deviations of the baseline by which a response begins.
_THRESHOLD = 2.0


@dataclass(frozen=True)
class Aligned:
    """A trace around the onsets of events.

    Attributes
    ----------
    times : (W,) float64
        Seconds from the onset (frames, where no rate is known).
    trials : (n, W) float32
        The trace of each trial, NaN outside of the recording.
    mean, low, high : (W,) float32
        Mean over trials, and the bootstrap interval of 95 % of that mean, over groups of trials.
    responses : tuple of Response
        One a trial.
    """

    times: NDArray[np.float64]
    trials: NDArray[np.float32]
    mean: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    responses: tuple[Response, ...]


@dataclass(frozen=True)
class Response:
    """What one trial does.

    Attributes
    ----------
    size : float
        Mean after the onset less that before it.
    peak : float
        Largest departure from the baseline after the onset, with its sign.
    latency : float
        Seconds (frames, where no rate is known) from the onset to the first sample that departs
        from the baseline by more than two of its standard deviations, in the direction of the
        peak; NaN if none does.
    """

    size: float
    peak: float
    latency: float


def align(
    trials: NDArray[np.float32], before: int, rate: float, groups: NDArray[np.str_]
) -> Aligned:
    """Traces around onsets.

    Parameters
    ----------
    trials : (n, W) float32
        The trace of each trial; NaN outside of the recording.
    before : int
        Samples before the onset; the others are from it on.
    rate : float
        Samples a second; 0 if unknown.
    groups : (n,) array of str
        The animal of each trial: the interval is over animals, as trials of one are alike. With
        fewer than two, over trials.

    Raises
    ------
    VitFaceError
        There are no trials, or no samples before or after the onset.
    """
    if not len(trials):
        raise VitFaceError("There are no trials to be aligned.")
    if not 1 <= before < trials.shape[1]:
        raise VitFaceError("A response needs at least one sample before the onset and one after.")
    unit = 1 / rate if rate else 1.0
    times = np.arange(-before, trials.shape[1] - before, dtype=np.float64) * unit
    low, high = interval_of_mean(trials, groups)
    responses = tuple(_response(row, before, unit) for row in trials)
    return Aligned(times, trials, _mean(trials), low, high, responses)


def _mean(trials: NDArray[np.float32]) -> NDArray[np.float32]:
    there = np.isfinite(trials)
    count = there.sum(axis=0)
    total = np.where(there, trials, 0).sum(axis=0, dtype=np.float64)
    return np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)


def interval_of_mean(
    trials: NDArray[np.float32], groups: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Interval (W,), (W,) of 95 % of the mean over trials (n, W): percentile bootstrap.

    Whole groups are drawn, or trials where there is one; NaN where there is one trial.
    """
    of = np.unique(groups, return_inverse=True)[1]
    if len(np.unique(of)) < 2:
        of = np.arange(len(trials))
    count = of.max() + 1
    if count < 2:
        nothing = np.full(trials.shape[1], np.nan, np.float32)
        return nothing, nothing
    there = np.isfinite(trials)
    filled = np.where(there, trials, 0).astype(np.float64)
    belongs = (of == np.arange(count)[:, None]).astype(np.float64)
    sums, counts = belongs @ filled, belongs @ there
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (drawn @ sums) / (drawn @ counts)
    edges = (50 * (1 - _LEVEL), 50 * (1 + _LEVEL))
    some = np.isfinite(means).any(axis=0)
    found = np.full((2, trials.shape[1]), np.nan, np.float32)
    found[:, some] = np.nanpercentile(means[:, some], edges, axis=0)
    return found[0], found[1]


def _response(row: NDArray[np.float32], before: int, unit: float) -> Response:
    base, later = row[:before], row[before:]
    seen = np.isfinite(later)
    if not np.isfinite(base).any() or not seen.any():
        return Response(np.nan, np.nan, np.nan)
    level, spread = float(np.nanmean(base)), float(np.nanstd(base))
    change = np.where(seen, later - level, 0)
    peak = float(change[np.argmax(np.abs(change))])
    departs = np.flatnonzero(np.sign(peak) * change > max(_THRESHOLD * spread, 1e-12))
    latency = float(departs[0] * unit) if len(departs) else float("nan")
    return Response(float(np.nanmean(later) - level), peak, latency)
