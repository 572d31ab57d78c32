"""Intervals hold what they should, and chance is not taken for a gain."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.pose import bootstrap
from napari_vitface.pose.bootstrap import (
    Intervals,
    chance_calibration_error,
    intervals,
    paired_gain,
)
from napari_vitface.pose.metrics import calibration_error

NAN = np.nan


def test_intervals_of_the_mean_hold_the_truth_about_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 400)
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        # Points of a frame err together.
        errors = rng.exponential(4, (40, 1)) + rng.exponential(1, (40, 6))
        low, high = intervals(errors).mean
        hits += low <= 5 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_missed_points_make_the_median_s_end_unknown() -> None:
    errors = np.full((6, 2), np.inf)
    errors[:3] = 1.0
    found = intervals(errors)
    assert found.mean == (1.0, 1.0)
    assert found.median[1] is None


def test_few_frames_say_nothing_about_chance() -> None:
    assert intervals(np.ones((4, 3))) == Intervals(None, None, None)
    gain = paired_gain(np.full((4, 3), 9.0), np.ones((4, 3)))
    assert (gain.gain, gain.interval, gain.better) == (8, None, None)


def test_a_gain_is_that_of_points_that_both_predicted() -> None:
    before = np.full((8, 2), 5.0)
    after = np.full((8, 2), 3.0)
    before[0, 0] = np.inf
    after[1, 1] = NAN
    gain = paired_gain(before, after)
    assert (gain.points, gain.frames) == (14, 8)
    assert gain.gain == pytest.approx(2)
    assert gain.better is True
    assert paired_gain(after, before).better is False


def test_chance_is_seldom_taken_for_a_gain() -> None:
    rng = np.random.default_rng(1)
    told = []
    for _ in range(200):
        before = rng.exponential(5, (15, 4))
        told.append(paired_gain(before, rng.exponential(5, (15, 4))).better)
    assert sum(better is not None for better in told) / 200 < 0.12


def test_nothing_to_compare_is_nothing() -> None:
    gain = paired_gain(np.full((6, 2), NAN), np.ones((6, 2)))
    assert (gain.points, gain.gain, gain.better) == (0, None, None)


def test_true_confidences_are_off_by_chance_where_there_are_few_points() -> None:
    few = chance_calibration_error(np.full(30, 0.8), calibration_error)
    many = chance_calibration_error(np.full(3000, 0.8), calibration_error)
    assert few is not None
    assert many is not None
    assert many < 0.01 < few < 0.12
