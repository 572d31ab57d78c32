"""Calibration makes confidence true on points that it did not see."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.model.calibrating import default_radius, fit_calibration
from napari_vitface.model.calibration import calibrate, check_calibration
from napari_vitface.pose.metrics import calibration_error


def drawn(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw confidences that are too sure, by keypoint, and the errors of the points."""
    rng = np.random.default_rng(seed)
    raw = rng.beta(4, 1, (frames, 6))
    logit = np.log(raw / (1 - raw))
    chance = 1 / (1 + np.exp(-(0.6 * logit - np.linspace(-1, 2, 6))))
    right = rng.random(raw.shape) < chance
    return raw.astype(np.float32), np.where(right, 3.0, 30.0)


def test_confidence_becomes_true_on_other_frames() -> None:
    raw, errors = drawn(60, seed=0)
    calibration = fit_calibration(raw, errors, 10, (480, 640))
    assert calibration is not None
    check_calibration(calibration, 6)
    assert (calibration["radius"], calibration["points"]) == (10, 360)
    others, distances = drawn(600, seed=1)
    before = calibration_error(others, distances <= 10)
    after = calibration_error(calibrate(others, calibration), distances <= 10)
    assert before is not None
    assert after is not None
    assert before > 0.15
    assert after < 0.05


def test_a_handful_of_points_is_drawn_towards_what_all_keypoints_say() -> None:
    raw = np.full((5, 6), 0.9, dtype=np.float32)
    errors = np.full((5, 6), 1.0)
    errors[:, 5] = np.nan
    errors[0, 0] = 50
    calibration = fit_calibration(raw, errors, 10, (480, 640))
    assert calibration is not None
    out = calibrate(raw[:1], calibration)[0]
    assert 0.5 < out[0] < out[1] < 1
    # A keypoint without a label is as sure as the others are on average.
    assert out[0] < out[5] < 1


def test_a_model_that_is_surer_where_it_errs_is_given_one_confidence() -> None:
    rng = np.random.default_rng(0)
    raw = rng.random((200, 1)).astype(np.float32)
    calibration = fit_calibration(raw, np.where(raw > 0.5, 50.0, 1.0), 10, (480, 640))
    assert calibration is not None
    table = calibration["keypoints"][0]
    assert max(table["y"]) - min(table["y"]) < 1e-9
    assert table["y"][0] == pytest.approx(0.5, abs=0.1)


def test_too_few_points_leave_confidence_as_it_is() -> None:
    assert fit_calibration(np.ones((3, 6)), np.ones((3, 6)), 10, (480, 640)) is None


def test_the_radius_grows_with_the_frame() -> None:
    assert default_radius((646, 864)) == 11
    assert default_radius((48, 64)) == 1
