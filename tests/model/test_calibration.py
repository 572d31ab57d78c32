"""Raw confidence to probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.model.calibration import calibrate, check_calibration

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
