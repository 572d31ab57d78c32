"""Filling short gaps by straight lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def fill_gaps(
    values: ArrayLike, good: ArrayLike, longest: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Put a straight line through each short run of samples that are not good.

    Parameters
    ----------
    values : (T, C) array of float
        C channels (such as x and y) that are missing together.
    good : (T,) array of bool
        Which samples are there and to be believed. They are never changed.
    longest : int
        Number of frames of the longest run that is filled.

    Returns
    -------
    filled : (T, C) array of float64
        Runs that are longer, or that have no good sample on one side (the ends of the recording),
        are as in `values`.
    changed : (T,) array of bool
        Which samples were filled.
    """
    filled = np.array(values, dtype=np.float64)
    good = np.asarray(good, dtype=bool)
    changed = np.zeros(len(good), dtype=bool)
    known = np.flatnonzero(good)
    if len(known) < 2 or longest < 1:
        return filled, changed
    # Between neighbouring good samples lie `distance - 1` others.
    distance = np.diff(known)
    short = np.flatnonzero((distance > 1) & (distance <= longest + 1))
    marks = np.zeros(len(good) + 1, dtype=np.int8)
    marks[known[short] + 1] = 1
    marks[known[short + 1]] -= 1
    changed[:] = np.cumsum(marks[:-1], dtype=np.int8) > 0
    rows = np.flatnonzero(changed)
    for channel in range(filled.shape[1]):
        filled[rows, channel] = np.interp(rows, known, filled[known, channel])
    return filled, changed
