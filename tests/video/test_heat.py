"""Maps on a patch grid, drawn over a frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_vitface.video.heatmap import draw_heat, on_pixels

GREY = np.full((6, 8), 100, np.uint8)
COLOURS = np.array([(0, 0, 0, 0), (1, 0, 0, 1)], np.float32)


def test_a_patch_has_its_value_at_its_centre_and_nothing_outside_the_grid() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    rows, columns = np.array([10.0, 26.0]), np.array([20.0, 36.0, 52.0])
    np.testing.assert_allclose(on_pixels(values, (16, 16), (10, 20), rows, columns), values)
    # Half a patch beyond the last centre is the edge of the grid.
    edge = on_pixels(values, (16, 16), (10, 20), np.array([1.9, 2.1]), np.array([20.0]))
    np.testing.assert_array_equal(np.isnan(edge[:, 0]), [True, False])
    assert np.isnan(on_pixels(values, (16, 16), (10, 20), rows, np.array([60.1]))).all()


@given(
    arrays(np.float32, (3, 4), elements=st.floats(0, 10, width=32)),
    st.floats(-0.49, 2.49),
    st.floats(-0.49, 3.49),
)
def test_between_patches_a_map_is_between_their_values(
    values: np.ndarray, y: float, x: float
) -> None:
    value = on_pixels(values, (1, 1), (0, 0), np.array([y]), np.array([x]))[0, 0]
    assert values.min() - 1e-4 <= value <= values.max() + 1e-4


def test_a_grid_of_one_patch_is_even() -> None:
    found = on_pixels(np.array([[0.5]]), (8, 8), (3.5, 3.5), np.arange(8.0), np.arange(8.0))
    np.testing.assert_array_equal(found, 0.5)


def test_no_heat_leaves_the_frame_and_full_heat_is_the_last_colour() -> None:
    heat = np.zeros((6, 8), np.float32)
    heat[2, 3], heat[4, 5] = 2.0, 9.0
    heat[0, 0] = np.nan
    drawn = draw_heat(GREY, heat, 2.0, COLOURS)
    assert drawn.shape == (6, 8, 3)
    np.testing.assert_array_equal(drawn[0, 0], 100)
    np.testing.assert_array_equal(drawn[5, 7], 100)
    np.testing.assert_array_equal(drawn[2, 3], (255, 0, 0))
    np.testing.assert_array_equal(drawn[4, 5], (255, 0, 0))


def test_opacity_lets_the_frame_show_through() -> None:
    heat = np.ones((6, 8), np.float32)
    np.testing.assert_array_equal(draw_heat(GREY, heat, 1.0, COLOURS, 0.0), 100)
    half = draw_heat(GREY, heat, 1.0, COLOURS, 0.5)
    np.testing.assert_allclose(half[0, 0], (178, 50, 50), atol=1)
    colour = np.stack([GREY, GREY, GREY], axis=-1)
    np.testing.assert_array_equal(draw_heat(colour, heat, 1.0, COLOURS, 0.5), half)
