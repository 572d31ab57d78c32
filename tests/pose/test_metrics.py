from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_vitface.pose.metrics import (
    ErrorSummary,
    calibration_error,
    figures,
    mean_pose,
    pck,
    pixel_errors,
    seed_accuracy,
    seed_pck,
    seed_rmse,
    summary,
)

NAN = np.nan

coordinates = st.one_of(st.just(NAN), st.floats(-500, 500, width=32))


@st.composite
def poses(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 4)), 2)
    array = arrays(np.float64, shape, elements=coordinates)
    return draw(array), draw(array)


# --- errors ---------------------------------------------------------------------------------------


def test_the_error_is_the_distance_in_pixels() -> None:
    truth = [[[0, 0], [10, 10]], [[NAN, NAN], [5, 5]]]
    predicted = [[[3, 4], [10, 10]], [[1, 1], [NAN, NAN]]]
    errors = pixel_errors(predicted, truth)
    assert errors[0].tolist() == [5, 0]
    assert math.isnan(errors[1, 0])  # not labelled
    assert errors[1, 1] == math.inf  # labelled, but not predicted


@given(poses())
def test_only_labels_are_judged_and_all_of_them(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, truth = pair
    errors = pixel_errors(predicted, truth)
    labelled = np.isfinite(truth).all(axis=-1)
    np.testing.assert_array_equal(~np.isnan(errors), labelled)
    assert summary(errors).points == labelled.sum()
    assert (errors[labelled] >= 0).all()


@given(poses(), st.floats(-100, 100), st.floats(0.1, 10))
def test_errors_move_with_nothing_and_scale_with_the_frame(
    pair: tuple[np.ndarray, np.ndarray], shift: float, scale: float
) -> None:
    predicted, truth = pair
    errors = pixel_errors(predicted, truth)
    moved = pixel_errors(predicted * scale + shift, truth * scale + shift)
    np.testing.assert_allclose(moved, errors * scale, rtol=1e-6, atol=1e-6)


@given(poses())
def test_a_point_has_no_error_against_itself(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, _ = pair
    assert np.nansum(pixel_errors(truth, truth)) == 0


def test_one_pose_is_compared_with_every_frame() -> None:
    truth = np.arange(12.0).reshape(3, 2, 2)
    errors = pixel_errors(truth[1], truth)
    assert errors.shape == (3, 2)
    np.testing.assert_array_equal(errors[1], 0)
    np.testing.assert_allclose(errors[[0, 2]], math.sqrt(32))


# --- mean pose ------------------------------------------------------------------------------------


def test_the_mean_pose_is_the_mean_of_what_is_labelled() -> None:
    xy = [[[0, 0], [NAN, NAN]], [[10, 20], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]]
    np.testing.assert_array_equal(mean_pose(xy), [[5, 10], [NAN, NAN]])


@given(poses())
def test_no_other_constant_has_a_smaller_rmse(pair: tuple[np.ndarray, np.ndarray]) -> None:
    other, truth = pair
    labelled = np.isfinite(truth).all(axis=-1)
    constant = np.where(np.isfinite(other[0]), other[0], 0.0)
    ours = np.square(pixel_errors(mean_pose(truth), truth)[labelled]).sum()
    theirs = np.square(pixel_errors(constant, truth)[labelled]).sum()
    assert ours <= theirs * (1 + 1e-9) + 1e-6


# --- summary and PCK ------------------------------------------------------------------------------


def test_the_summary_of_known_errors() -> None:
    assert summary([[3, 4], [NAN, 5]]) == ErrorSummary(
        points=3, missed=0, mean=4, median=4, rmse=pytest.approx(math.sqrt(50 / 3))
    )


def test_points_that_were_not_predicted_are_counted_and_push_the_median_up() -> None:
    result = summary([1, 2, 3, math.inf, math.inf])
    assert (result.points, result.missed) == (5, 2)
    assert result.mean == 2
    assert result.median == 3
    assert summary([1, math.inf, math.inf]).median is None


def test_there_are_no_figures_of_nothing() -> None:
    nothing = ErrorSummary(points=0, missed=0, mean=None, median=None, rmse=None)
    assert summary([NAN, NAN]) == nothing
    assert summary(np.empty((0, 12))) == nothing
    assert pck([[NAN]], 5) is None
    assert seed_rmse([[NAN, NAN]]) is None
    assert seed_accuracy([[[0, 0]]], [[[NAN, NAN]]], (10, 10)) is None
    assert calibration_error([], []) is None


@given(arrays(np.float64, 20, elements=st.floats(0, 1000)))
def test_the_rmse_is_never_below_the_mean(errors: np.ndarray) -> None:
    result = summary(errors)
    assert result.rmse >= result.mean - 1e-9
    assert errors.min() <= result.median <= errors.max() + 1e-9


def test_pck_counts_what_is_nearer_than_the_threshold() -> None:
    errors = [[1, 5, NAN], [math.inf, 10, 2]]
    assert pck(errors, 5) == pytest.approx(2 / 5)
    assert pck(errors, 5.1) == pytest.approx(3 / 5)
    assert pck(errors, [[2], [20]]) == pytest.approx(3 / 5)
    assert pck(errors, [[2], [NAN]]) == pytest.approx(1 / 2)


@given(
    arrays(np.float64, (4, 3), elements=st.one_of(st.just(NAN), st.floats(0, 100))),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_pck_rises_with_the_threshold(errors: np.ndarray, one: float, other: float) -> None:
    low, high = pck(errors, min(one, other)), pck(errors, max(one, other))
    if low is None or high is None:
        assert np.isnan(errors).all()
    else:
        assert 0 <= low <= high <= 1


# --- the seed project's figures -------------------------------------------------------------------


def test_the_seed_s_rmse_is_taken_in_each_image_first() -> None:
    errors = [[3, 4], [0, NAN], [NAN, NAN]]
    assert seed_rmse(errors) == pytest.approx((math.sqrt(12.5) + 0) / 2)


def test_the_seed_s_pck_measures_in_eye_widths() -> None:
    # Keypoints: eye front, eye back, nose; the eye is 100 px wide in the first image, 10 in the
    # second, and not labelled in the third.
    truth = np.array(
        [
            [[0, 0], [100, 0], [50, 50]],
            [[0, 0], [10, 0], [50, 50]],
            [[NAN, NAN], [10, 0], [50, 50]],
        ],
        dtype=float,
    )
    predicted = truth + np.array([5, 0])
    predicted[2, 0] = 0
    assert seed_pck(predicted, truth, 0, 1) == pytest.approx(0.5)


def test_the_seed_s_accuracy_counts_x_and_y_in_a_squashed_square() -> None:
    # 4 px of the 224-px square are 8 px of a frame 448 wide and 2 px of one 112 high.
    truth = np.array([[[100.0, 50.0], [200.0, 60.0]]])
    predicted = truth + np.array([[[7.9, 1.9], [8.1, 1.9]]])
    assert seed_accuracy(predicted, truth, (112, 448)) == 0.75
    assert seed_accuracy(truth, truth, (112, 448)) == 1


# --- calibration ----------------------------------------------------------------------------------


def test_honest_confidence_has_no_calibration_error() -> None:
    confidence = [0.75] * 4 + [0.25] * 4
    assert calibration_error(confidence, [1, 1, 1, 0, 1, 0, 0, 0]) == pytest.approx(0)
    assert calibration_error(confidence, [0, 0, 0, 0, 0, 0, 0, 0]) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_calibration_error_is_a_share(points: list[tuple[float, bool]]) -> None:
    confidence, right = zip(*points, strict=True)
    error = calibration_error(confidence, right)
    assert error is not None
    assert 0 <= error <= 1 + 1e-9


# --- all figures ----------------------------------------------------------------------------------


def test_figures_hold_every_keypoint_and_the_whole() -> None:
    names = ["eye front", "eye back", "nose"]
    truth = np.array([[[0, 0], [100, 0], [50, 50]], [[0, 0], [100, 0], [NAN, NAN]]], dtype=float)
    predicted = truth + np.array([[0, 0], [3, 4], [0, 12]])
    result = figures(predicted, truth, names, (100, 200))
    assert result.points == 5
    assert result.mean == pytest.approx((0 + 5 + 12 + 0 + 5) / 5)
    assert result.per_keypoint["nose"].points == 1
    assert result.per_keypoint["eye back"].median == 5
    assert result.pck["6"] == pytest.approx(4 / 5)
    assert result.seed_pck == pytest.approx(4 / 5)


def test_the_seed_s_pck_needs_the_eye() -> None:
    truth = np.zeros((2, 1, 2))
    assert figures(truth, truth, ["nose"], (10, 10)).seed_pck is None
