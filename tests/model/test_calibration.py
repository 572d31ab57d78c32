"""Raw confidence to probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.model.calibration import calibrate, check_calibration, radius_of
from napari_vitface.model.preprocessing import Preprocessing

levels = st.lists(st.floats(0, 1), min_size=2, max_size=6, unique=True).map(sorted)


def test_without_a_table_nothing_changes() -> None:
    confidence = np.array([[0.0, 0.3, 1.0]], np.float32)
    np.testing.assert_array_equal(calibrate(confidence, None), confidence)
    np.testing.assert_array_equal(calibrate(confidence, {}), confidence)


@given(levels, st.data())
def test_any_table_keeps_the_order_and_stays_a_probability(x: list[float], data: Any) -> None:
    y = sorted(data.draw(st.lists(st.floats(0, 1), min_size=len(x), max_size=len(x))))
    table = {"x": x, "y": y}
    if min(np.diff(x)) <= 0:
        return
    check_calibration(table, 3)
    confidence = np.sort(np.random.default_rng(0).random((40, 1)).astype(np.float32), axis=0)
    out = calibrate(confidence, table)
    assert ((out >= 0) & (out <= 1)).all()
    assert (np.diff(out, axis=0) >= 0).all()


def test_each_keypoint_may_have_its_own_table() -> None:
    tables = {"keypoints": [{"x": [0, 1], "y": [0, 1]}, {"x": [0, 1], "y": [0.5, 0.5]}]}
    check_calibration(tables, 2)
    out = calibrate(np.array([[0.2, 0.2]], np.float32), tables)
    np.testing.assert_allclose(out, [[0.2, 0.5]], atol=1e-6)


def test_confidence_outside_of_the_table_takes_its_ends() -> None:
    table = {"x": [0.4, 0.6], "y": [0.1, 0.9]}
    out = calibrate(np.array([0.0, 0.5, 1.0], np.float32), table)
    np.testing.assert_allclose(out, [0.1, 0.5, 0.9], atol=1e-6)


def test_the_radius_is_so_many_pixels_of_what_the_model_is_given() -> None:
    table = {"radius": 10.0, "frame_size": [480, 640]}
    whole = Preprocessing((240, 320))

    def there(preprocessing: Preprocessing, size: tuple[int, int]) -> float:
        return float(radius_of(table, whole, preprocessing.view(size).magnification))

    assert there(whole, (480, 640)) == pytest.approx(10)
    assert there(whole, (960, 1280)) == pytest.approx(20)
    # A face cut out of a large frame is as large to the model as one that fills a small frame.
    assert there(Preprocessing((240, 320), crop=(700, 100, 160, 120)), (960, 1280)) == (
        pytest.approx(2.5)
    )
    # Twice as high as the frames it is stated for, and no wider, and so padded.
    assert there(whole, (960, 640)) == pytest.approx(20)


def test_a_radius_that_is_stated_for_a_crop_is_that_of_the_crop() -> None:
    table = {"radius": 3.0, "frame_size": [480, 640]}
    cropped = Preprocessing((240, 320), crop=(0, 0, 320, 240))
    seen = cropped.view((480, 640)).magnification
    assert float(radius_of(table, cropped, seen)) == pytest.approx(3)
    assert float(radius_of(table, cropped, seen / 2)) == pytest.approx(6)


def test_a_radius_without_a_frame_size_is_that_of_any() -> None:
    found = radius_of({"radius": 7.0}, Preprocessing((240, 320)), np.array([[0.5], [2.0]]))
    np.testing.assert_array_equal(found, [[7], [7]])


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"x": [0, 1], "y": [0]}, "one length"),
        ({"x": [], "y": []}, "one length"),
        ({"x": [0, 0], "y": [0, 1]}, "x must rise"),
        ({"x": [0, 1], "y": [1, 0]}, "y must not fall"),
        ({"x": [0, 1], "y": [0, 2]}, "within 0..1"),
        ({"x": [0, float("inf")], "y": [0, 1]}, "finite"),
        ({"keypoints": [{"x": [0, 1], "y": [0, 1]}]}, "1 table for 2 keypoints"),
    ],
)
def test_tables_that_are_none_are_refused(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_calibration(table, 2)
