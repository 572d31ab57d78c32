"""How sure a figure is: intervals by drawing the judged frames again and again.

Points of one frame err together, so it is frames that are drawn, with all their points (a cluster
bootstrap; Efron & Tibshirani, "An introduction to the bootstrap", 1993). Frames that were filmed
shortly after each other are alike as well, which nothing here makes up for: intervals from
neighbouring frames are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.record import Record

#: Frames with labels below which nothing is said about chance.
FEWEST_FRAMES = 5
#: How often the frames are drawn.
DRAWS = 2000
#: How often points are drawn that are right as often as their confidence says.
_CHANCES = 200
#: Share of the draws that an interval holds.
LEVEL = 0.95


#: Low and high end; one that is infinite is None.
Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class Intervals(Record):
    """95 % intervals of the errors, pixels; None with fewer than `FEWEST_FRAMES` frames.

    Missed points are treated as in `napari_vitface.pose.metrics.ErrorSummary`.
    """

    mean: Ends | None
    median: Ends | None
    rmse: Ends | None


def intervals(errors: ArrayLike) -> Intervals:
    """95 % intervals of the mean, median and RMSE of pixel errors.

    Parameters
    ----------
    errors : (N, K) array of float
        As from `pixel_errors`: NaN where not judged, infinite where a point was missed.
    """
    errors = np.asarray(errors, dtype=np.float64)
    judged = errors[~np.isnan(errors).all(axis=1)] if errors.size else errors
    if len(judged) < FEWEST_FRAMES:
        return Intervals(None, None, None)
    found = np.where(np.isfinite(judged), judged, np.nan)
    rows = _draws(len(judged))
    counts = np.isfinite(found).sum(axis=1)
    return Intervals(
        mean=_finite(_ratio(np.nansum(found, axis=1), counts, rows)),
        median=_finite(_medians(judged, rows)),
        rmse=_finite(np.sqrt(_ratio(np.nansum(found**2, axis=1), counts, rows))),
    )


def _finite(drawn: NDArray[np.float64]) -> Ends:
    low, high = (end if np.isfinite(end) else None for end in _interval(drawn))
    return low, high


@dataclass(frozen=True)
class Gain(Record):
    """By how much one of two predictions of the same points is better, in pixels.

    Attributes
    ----------
    points, frames : int
        What was compared: labelled points that both predicted, and the frames they lie in.
    before, after : float or None
        Mean error of each.
    gain : float or None
        Mean of the differences of errors; positive if the second is better.
    interval : (low, high) or None
        95 % interval of `gain` over the choice of frames; None with too few frames.
    better : bool or None
        True or False if the interval lies wholly on one side of 0; None if chance could explain
        the difference.
    """

    points: int
    frames: int
    before: float | None
    after: float | None
    gain: float | None
    interval: tuple[float, float] | None
    better: bool | None


def paired_gain(before: ArrayLike, after: ArrayLike) -> Gain:
    """Compare two predictions of the same points by a paired bootstrap over frames.

    Parameters
    ----------
    before, after : (N, K) arrays of float
        Errors in pixels as from `pixel_errors`. Only points with a finite error in both count.
    """
    first = np.asarray(before, dtype=np.float64)
    second = np.asarray(after, dtype=np.float64)
    both = np.isfinite(first) & np.isfinite(second)
    counts = both.sum(axis=1)
    used = counts > 0
    frames, points = int(used.sum()), int(counts.sum())
    if not points:
        return Gain(0, 0, None, None, None, None, None)
    difference = (np.where(both, first, 0.0) - np.where(both, second, 0.0)).sum(axis=1)
    gain = float(difference.sum() / points)
    interval: tuple[float, float] | None = None
    better: bool | None = None
    if frames >= FEWEST_FRAMES:
        rows = _draws(frames)
        low, high = _interval(_ratio(difference[used], counts[used], rows))
        interval = (low, high)
        better = True if low > 0 else False if high < 0 else None
    return Gain(
        points,
        frames,
        float(first[both].mean()),
        float(second[both].mean()),
        gain,
        interval,
        better,
    )


def chance_calibration_error(
    confidence: ArrayLike,
    measure: Callable[[NDArray[np.float64], NDArray[np.bool_]], float | None],
) -> float | None:
    """The calibration error to expect of confidences that are exactly true, by chance alone.

    With few points in a bin the share that is right scatters even if confidence is perfect.
    `measure` is `napari_vitface.pose.metrics.calibration_error`. None without points.
    """
    sure = np.asarray(confidence, dtype=np.float64).ravel()
    if not sure.size:
        return None
    rng = np.random.default_rng(0)
    values = [measure(sure, rng.random(sure.size) < sure) for _ in range(_CHANCES)]
    return float(np.mean([value for value in values if value is not None]))


def _draws(count: int) -> NDArray[np.intp]:
    return np.random.default_rng(0).integers(count, size=(DRAWS, count))


def _ratio(
    sums: NDArray[np.float64], counts: NDArray[np.int_], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean of the points in each draw, from the sums and counts of each frame."""
    drawn = counts[rows].sum(axis=1)
    return np.where(drawn > 0, sums[rows].sum(axis=1) / np.maximum(drawn, 1), np.nan)


def _medians(judged: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    # Infinite errors sort last, as they should; in pieces, so that memory stays small.
    medians = []
    for part in np.array_split(rows, max(1, rows.shape[0] * judged.size // 2_000_000)):
        medians.append(np.nanmedian(judged[part].reshape(len(part), -1), axis=1))
    return np.concatenate(medians)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle `LEVEL` of the draws; infinite ends stay infinite."""
    values = np.sort(values[~np.isnan(values)])
    tail = (1 - LEVEL) / 2
    low, high = (values[round(share * (len(values) - 1))] for share in (tail, 1 - tail))
    return float(low), float(high)
