"""Bouts: stretches of time in which something moves, or is closed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def movement_bouts(
    speed: ArrayLike, rate: float, *, above: float, shortest: float, gap: float
) -> NDArray[np.float32]:
    """Where something moves for a while, much faster than it mostly does.

    Parameters
    ----------
    speed : (T,) array of float
        NaN where it is not known.
    rate : float
        Samples a second.
    above : float
        Median absolute deviations over the median that count as movement.
    shortest, gap : float
        Seconds: a bout lasts as long, and pauses up to `gap` are within one.

    Returns
    -------
    (T,) float32
        1 in a bout, 0 out of one; NaN where the speed is not known and no bout goes on.
    """
    speed = np.asarray(speed, np.float64)
    there = np.isfinite(speed)
    if not there.any():
        return np.full(len(speed), np.nan, np.float32)
    middle = np.median(speed[there])
    spread = np.median(np.abs(speed[there] - middle))
    moving = there & (speed > middle + above * spread)
    bouts = lasting(moving, shortest=round(shortest * rate), gap=round(gap * rate))
    result = bouts.astype(np.float32)
    result[~there & ~bouts] = np.nan
    return result


def lasting(marks: NDArray[np.bool_], *, shortest: int, gap: int) -> NDArray[np.bool_]:
    """Runs of marked samples, with gaps up to `gap` closed and then those shorter left out."""
    result = marks.copy()
    for start, stop in _runs(~marks):
        if start > 0 and stop < len(marks) and stop - start <= gap:
            result[start:stop] = True
    for start, stop in _runs(result):
        if stop - start < shortest:
            result[start:stop] = False
    return result


def _runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of each run of marked samples."""
    edges = np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
