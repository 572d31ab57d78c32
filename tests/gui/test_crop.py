from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.gui.crop_rectangle import SMALLEST, crop_of_rectangle, rectangle_of_crop

FRAME = (60, 80)
coordinate = st.floats(-30, 110, allow_nan=False)


@given(coordinate, coordinate, coordinate, coordinate)
def test_a_crop_is_the_pixels_whose_centres_lie_in_the_rectangle(
    y0: float, x0: float, y1: float, x1: float
) -> None:
    corners = np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])
    crop = crop_of_rectangle(corners, FRAME)
    ys = [y for y in range(FRAME[0]) if min(y0, y1) <= y <= max(y0, y1)]
    xs = [x for x in range(FRAME[1]) if min(x0, x1) <= x <= max(x0, x1)]
    if len(ys) < SMALLEST or len(xs) < SMALLEST:
        assert crop is None
    else:
        assert crop == (xs[0], ys[0], len(xs), len(ys))


def test_the_last_two_columns_count() -> None:
    corners = np.array([[5, 0, 0], [5, 0, 39], [5, 19, 39], [5, 19, 0]])
    assert crop_of_rectangle(corners, FRAME) == (0, 0, 40, 20)


@given(st.integers(0, 60), st.integers(0, 40), st.integers(16, 20), st.integers(16, 20))
def test_the_rectangle_of_a_crop_is_that_crop(x: int, y: int, width: int, height: int) -> None:
    assert crop_of_rectangle(rectangle_of_crop((x, y, width, height)), FRAME) == (
        x, y, width, height
    )  # fmt: skip
