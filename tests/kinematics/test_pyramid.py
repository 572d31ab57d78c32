from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vitface.kinematics import Pyramid, build

floats = st.floats(-1e4, 1e4, width=32)


def reader(values: np.ndarray):
    return lambda start, stop: values[start:stop]


@st.composite
def traces(draw: st.DrawFn) -> np.ndarray:
    """Up to some thousand samples, drawn few and repeated, with stretches of missing ones."""
    few = draw(hnp.arrays(np.float32, st.integers(1, 40), elements=floats))
    values = np.resize(few, draw(st.integers(1, 4000)))
    start = draw(st.integers(0, len(values)))
    values[start : start + draw(st.integers(0, 500))] = np.nan
    return values


def built(values: np.ndarray, finest: int = 8, factor: int = 4) -> Pyramid:
    pyramid = Pyramid(len(values), finest, factor)
    build([(pyramid, reader(values))])
    return pyramid


@given(traces(), st.integers(2, 40), st.integers(2, 5))
def test_every_level_holds_the_plain_minima_and_maxima(
    values: np.ndarray, finest: int, factor: int
) -> None:
    size = finest
    for level in built(values, finest, factor).levels:
        for index in range(level.shape[1]):
            part = values[index * size : (index + 1) * size]
            part = part[np.isfinite(part)]
            if part.size:
                assert level[:, index].tolist() == [part.min(), part.max()]
            else:
                assert np.isnan(level[:, index]).all()
        size *= factor
    assert level.shape[1] <= 1


@given(traces(), st.data(), st.integers(1, 1200))
def test_a_stretch_is_drawn_between_its_plain_extremes(
    values: np.ndarray, data: st.DataObject, columns: int
) -> None:
    start = data.draw(st.integers(-10, len(values)))
    stop = data.draw(st.integers(start, len(values) + 10))
    x, y = built(values).envelope(start, stop, columns, reader(values))
    inside = values[max(0, start) : max(0, stop)]
    inside = inside[np.isfinite(inside)]
    drawn = y[np.isfinite(y)]
    if inside.size:
        assert drawn.min() <= inside.min()
        assert drawn.max() >= inside.max()
    assert np.isin(drawn, values).all()
    assert len(x) == len(y)
    assert (np.diff(x) > 0).all()
    # Whatever the length: at most so many corners a column.
    assert len(x) <= 8 * columns + 8


@given(traces(), st.integers(1, 300))
def test_the_whole_is_drawn_with_its_exact_extremes(values: np.ndarray, columns: int) -> None:
    _, y = built(values).envelope(0, len(values), columns, reader(values))
    finite, drawn = values[np.isfinite(values)], y[np.isfinite(y)]
    assert finite.size == 0 or (drawn.min(), drawn.max()) == (finite.min(), finite.max())


@given(traces(), st.data())
def test_taking_in_a_changed_stretch_is_the_same_as_building_anew(
    values: np.ndarray, data: st.DataObject
) -> None:
    pyramid = built(values)
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    values = values.copy()
    values[start:stop] = -values[start:stop]
    build([(pyramid, reader(values))], start, stop)
    for level, expected in zip(pyramid.levels, built(values).levels, strict=True):
        np.testing.assert_array_equal(level, expected)


@given(traces(), st.integers(100, 400))
def test_a_gap_that_is_wider_than_a_column_stays_a_gap(values: np.ndarray, columns: int) -> None:
    x, y = built(values).envelope(0, len(values), columns, reader(values))
    per_column = max(1.0, len(values) / columns)
    for at, value in zip(x, y, strict=True):
        frames = np.arange(int(max(0, at - per_column)), int(at + per_column) + 2)
        near = values[frames[frames < len(values)]]
        assert np.isfinite(near).any() or np.isnan(value)


def test_a_few_frames_are_drawn_as_they_are() -> None:
    values = np.arange(10_000, dtype=np.float32)
    x, y = built(values).envelope(2000, 2100, 500, reader(values))
    np.testing.assert_array_equal(x, np.arange(2000, 2100))
    np.testing.assert_array_equal(y, values[2000:2100])


def test_a_sample_without_neighbours_is_a_stroke_on_its_frame() -> None:
    values = np.array([np.nan, 5, np.nan, np.nan, 7, 8, np.nan, 9], np.float32)
    x, y = built(values).envelope(0, 8, 500, reader(values))
    strokes = x[np.isfinite(y)]
    np.testing.assert_allclose(strokes, [0.6, 1.4, 4, 5, 6.6, 7.4])
    assert y[np.isfinite(y)].tolist() == [5, 5, 7, 8, 9, 9]


def test_bins_do_not_move_with_the_stretch() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=100_000).astype(np.float32)
    pyramid = built(values)
    x, y = pyramid.envelope(10_000, 60_000, 500, reader(values))
    moved_x, moved_y = pyramid.envelope(10_037, 60_037, 500, reader(values))
    both = np.intersect1d(x, moved_x)
    assert len(both) > 900
    np.testing.assert_array_equal(y[np.isin(x, both)], moved_y[np.isin(moved_x, both)])


def test_several_are_built_together_and_can_be_stopped() -> None:
    one, other = (np.arange(100_000, dtype=np.float32) * sign for sign in (1, -1))
    pyramids = [Pyramid(100_000), Pyramid(100_000)]

    class Enough(Exception):
        pass

    def stop_in_the_middle(frame: int) -> None:
        if frame >= 50_000:
            raise Enough

    readers = [reader(one), reader(other)]
    with pytest.raises(Enough):
        build(list(zip(pyramids, readers, strict=True)), on_block=stop_in_the_middle)
    known = np.isfinite(pyramids[1].levels[0][0])
    assert known[: 50_000 // 32].all()
    assert not known[70_000 // 32 :].any()
    build(list(zip(pyramids, readers, strict=True)))
    assert pyramids[0].levels[-1].ravel().tolist() == [0, 99_999]
    assert pyramids[1].levels[-1].ravel().tolist() == [-99_999, 0]


def test_parts_of_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="bins"):
        Pyramid(1000).fill(5, np.zeros(32, np.float32))
    with pytest.raises(ValueError, match="bins"):
        Pyramid(1000).fill(0, np.zeros(33, np.float32))
