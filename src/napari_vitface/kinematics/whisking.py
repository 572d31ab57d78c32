"""Envelope and phase of what goes to and fro, as whiskers do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ORDER = 2


def envelope_and_phase(
    values: ArrayLike, rate: float, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amplitude and phase within a band of frequencies, by the Hilbert transform.

    As for whisking in Kleinfeld and Deschenes (2011, doi:10.1016/j.neuron.2011.10.020): a
    Butterworth filter in both directions, then the analytic signal.

    Parameters
    ----------
    values : (T,) array of float
        NaN where a sample is missing; straight lines stand there while it is filtered.
    rate : float
        Samples a second.
    low, high : float
        Band, in Hz.

    Returns
    -------
    envelope : (T,) float64
        Half of the way from end to end, in the unit of `values`; NaN where these are.
    phase : (T,) float64
        Degrees from -180 to 180; 0 where the values are largest.

    Raises
    ------
    ValueError
        The band is empty, or reaches beyond half of the rate.
    """
    from scipy.signal import butter, hilbert, sosfiltfilt

    values = np.asarray(values, np.float64)
    if not 0 < low < high < rate / 2:
        raise ValueError(
            f"a band from {low:g} to {high:g} Hz does not lie between 0 and half of the "
            f"{rate:g} frames a second"
        )
    there = np.isfinite(values)
    empty = np.full(len(values), np.nan)
    # What filtering in both directions pads the ends with.
    if there.sum() < 2 or len(values) <= 3 * (2 * _ORDER + 1):
        return empty, empty.copy()
    rows = np.arange(len(values))
    filled = np.interp(rows, rows[there], values[there])
    sos = butter(_ORDER, (low, high), "bandpass", fs=rate, output="sos")
    signal = hilbert(sosfiltfilt(sos, filled))
    envelope, phase = np.abs(signal), np.degrees(np.angle(signal))
    envelope[~there] = phase[~there] = np.nan
    return envelope, phase
