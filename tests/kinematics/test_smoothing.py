"""Filters over time: laws that hold for any samples, with and without gaps."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vitface.kinematics import median_filter, savgol_filter

windows = st.integers(1, 9).map(lambda half: 2 * half + 1)
floats = st.floats(-1e4, 1e4, width=32)


@st.composite
def samples(draw: st.DrawFn, least: int = 0, most: int = 60) -> np.ndarray:
    """Samples, some missing."""
    values = draw(hnp.arrays(np.float64, st.integers(least, most), elements=floats))
    missing = draw(hnp.arrays(bool, len(values)))
    return np.where(missing & draw(st.booleans()), np.nan, values)


@given(samples(), windows)
def test_the_median_is_that_of_the_finite_samples_in_the_window(
    values: np.ndarray, window: int
) -> None:
    half = window // 2
    expected = [
        np.nanmedian(values[max(0, i - half) : i + half + 1]) if np.isfinite(value) else np.nan
        for i, value in enumerate(values)
    ]
    np.testing.assert_allclose(median_filter(values, window), expected, rtol=1e-12)


@given(samples(), windows, st.integers(0, 4))
def test_what_is_missing_stays_missing_and_nothing_else_gets_lost(
    values: np.ndarray, window: int, order: int
) -> None:
    order = min(order, window - 1)
    for smooth in (median_filter(values, window), savgol_filter(values, window, order)):
        np.testing.assert_array_equal(np.isnan(smooth), np.isnan(values))


@given(samples(), windows, floats)
def test_a_constant_stays_constant(values: np.ndarray, window: int, level: float) -> None:
    flat = np.where(np.isnan(values), np.nan, level)
    np.testing.assert_array_equal(median_filter(flat, window), flat)
    np.testing.assert_allclose(savgol_filter(flat, window, 2), flat, rtol=1e-9, atol=1e-9)


@given(samples(), windows)
def test_the_median_stays_within_its_samples(values: np.ndarray, window: int) -> None:
    finite = values[np.isfinite(values)]
    smooth = median_filter(values, window)
    smooth = smooth[np.isfinite(smooth)]
    if finite.size:
        assert finite.min() <= smooth.min() <= smooth.max() <= finite.max()


@given(samples(least=1), windows, st.integers(0, 3), st.lists(st.floats(-5, 5), min_size=4))
def test_savgol_keeps_polynomials_of_its_order_across_gaps_and_to_the_ends(
    values: np.ndarray, window: int, order: int, coefficients: list[float]
) -> None:
    order = min(order, window - 1)
    time = np.linspace(-1, 1, len(values))
    smooth = np.polynomial.polynomial.polyval(time, coefficients[: order + 1])
    smooth[np.isnan(values)] = np.nan
    np.testing.assert_allclose(savgol_filter(smooth, window, order), smooth, atol=1e-8)


@given(samples(least=19).filter(lambda values: np.isfinite(values).all()), st.integers(0, 2))
def test_savgol_is_scipys_where_nothing_is_missing(values: np.ndarray, order: int) -> None:
    inner = slice(5, len(values) - 5)
    expected = scipy.signal.savgol_filter(values, 11, order)
    np.testing.assert_allclose(
        savgol_filter(values, 11, order)[inner], expected[inner], rtol=1e-6, atol=1e-6
    )


@given(samples(least=1), windows, st.integers(0, 3))
def test_savgol_is_the_least_squares_fit_at_a_gap(
    values: np.ndarray, window: int, order: int
) -> None:
    order, half = min(order, window - 1), window // 2
    smooth = savgol_filter(values, window, order)
    for i in range(len(values)):
        frames = np.arange(max(0, i - half), min(len(values), i + half + 1))
        there = frames[np.isfinite(values[frames])]
        if np.isnan(values[i]):
            continue
        if len(there) <= order + 1:
            assert smooth[i] == values[i]
        else:
            fit = np.polynomial.Polynomial.fit((there - i) / half, values[there], order, domain=[])
            assert smooth[i] == pytest.approx(fit(0.0), rel=1e-6, abs=1e-3)


def test_a_single_jump_is_taken_out_by_the_median() -> None:
    values = np.sin(np.arange(50) / 9)
    jumped = values.copy()
    jumped[20] += 100
    assert np.abs(median_filter(jumped, 5) - values).max() < 0.25


def test_smoothing_lowers_noise() -> None:
    rng = np.random.default_rng(0)
    truth = 100 + 10 * np.sin(np.arange(2000) / 60)
    noisy = truth + rng.normal(0, 1, len(truth))
    for smooth in (median_filter(noisy, 9), savgol_filter(noisy, 15, 3)):
        assert np.std(smooth - truth) < 0.6 * np.std(noisy - truth)


@pytest.mark.parametrize("window", [0, 2, -1, 4])
def test_a_window_has_a_centre(window: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        median_filter([1.0, 2.0], window)
    with pytest.raises(ValueError, match="odd"):
        savgol_filter([1.0, 2.0], window, 1)


def test_the_order_fits_the_window() -> None:
    with pytest.raises(ValueError, match="order"):
        savgol_filter([1.0, 2.0], 3, 3)
