"""Median and Savitzky-Golay filters over time that live with missing samples.

Both look at a window of frames centred on each sample and use the finite samples in it; at the ends
of the recording the window is cut off. A sample that is missing (NaN) stays missing: filling gaps
is another decision (`gaps`).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

#: Windows with missing samples that are worked on at once, times their length: bounds memory.
_SAMPLES_AT_ONCE = 1 << 20


def median_filter(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Running median.

    Parameters
    ----------
    values : (T,) array of float
        NaN where a sample is missing.
    window : int
        Number of frames, odd.

    Returns
    -------
    (T,) array of float64
        The median of the finite samples of each window (the mean of the middle two where their
        number is even); NaN where `values` is NaN.
    """
    from scipy.ndimage import median_filter as plain_median

    values, padded, counts = _windows(values, window)
    complete = counts == window
    result = np.full(len(values), np.nan)
    if complete.any():
        half = window // 2
        plain = plain_median(np.nan_to_num(padded), window, mode="nearest")
        result[complete] = plain[half : half + len(values)][complete]
    partial = np.flatnonzero(np.isfinite(values) & ~complete)
    for rows in _portions(partial, window):
        # NaN is sorted to the end, so the finite samples come first.
        ordered = np.sort(sliding_window_view(padded, window)[rows], axis=1)
        middle = counts[rows, None]
        lower = np.take_along_axis(ordered, (middle - 1) // 2, axis=1)
        upper = np.take_along_axis(ordered, middle // 2, axis=1)
        result[rows] = (0.5 * lower + 0.5 * upper)[:, 0]
    return result


def savgol_filter(values: ArrayLike, window: int, order: int) -> NDArray[np.float64]:
    """Savitzky-Golay filter: the least-squares polynomial through each window, at its centre.

    Parameters
    ----------
    values : (T,) array of float
        NaN where a sample is missing.
    window : int
        Number of frames, odd.
    order : int
        Degree of the polynomial, less than `window`.

    Returns
    -------
    (T,) array of float64
        NaN where `values` is NaN. A sample whose window holds no more finite samples than the
        polynomial has coefficients is left as it is, since the polynomial goes through it.
    """
    values, padded, counts = _windows(values, window)
    if not 0 <= order < window:
        raise ValueError(f"the order must be from 0 to {window - 1}, not {order}")
    design = np.vander(np.linspace(-1.0, 1.0, window), order + 1, increasing=True)
    complete = (counts == window) & (window > order + 1)
    result = values.copy()
    if complete.any():
        weights = np.linalg.pinv(design)[0]
        # `convolve` turns its second argument round.
        smooth = np.convolve(np.nan_to_num(padded), weights[::-1], mode="valid")
        result[complete] = smooth[complete]
    partial = np.flatnonzero(np.isfinite(values) & ~complete & (counts > order + 1))
    for rows in _portions(partial, window * (order + 1)):
        samples = sliding_window_view(padded, window)[rows]
        there = np.isfinite(samples)
        # The same samples are missing in many windows: one fit for each pattern.
        patterns, which = _unique_rows(there)
        weights = np.linalg.pinv(design * patterns[..., None])[:, 0]
        result[rows] = (weights[which] * np.nan_to_num(samples)).sum(axis=1)
    return result


def _windows(
    values: ArrayLike, window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The values, the same with half a window of NaN at both ends, finite samples a window."""
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the window must be an odd number of frames, not {window}")
    values = np.array(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values must have one axis, not {values.ndim}")
    values[~np.isfinite(values)] = np.nan
    padded = np.pad(values, window // 2, constant_values=np.nan)
    total = np.concatenate([[0], np.cumsum(np.isfinite(padded))])
    return values, padded, total[window:] - total[: len(values)]


def _unique_rows(rows: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The different rows, and which of them each row is."""
    # Packed into bytes and compared as whole rows: numpy's own `axis=0` is many times slower.
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    whole = packed.view(f"V{packed.shape[1]}").ravel()
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    return rows[first], which.ravel()


def _portions(rows: NDArray[np.int64], cost: int) -> list[NDArray[np.int64]]:
    """`rows` in parts that fit in memory when each needs `cost` numbers."""
    size = max(1, _SAMPLES_AT_ONCE // cost)
    return [rows[start : start + size] for start in range(0, len(rows), size)]
