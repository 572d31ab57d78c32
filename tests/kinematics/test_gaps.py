from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vitface.kinematics import fill_gaps

good_frames = hnp.arrays(bool, st.integers(0, 60))


def runs(good: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run that is not good."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], good.astype(int), [1]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def track(good: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(len(good))
    return np.where(good[:, None], rng.uniform(0, 100, (len(good), 2)), np.nan)


@given(good_frames, st.integers(0, 12))
def test_exactly_the_short_gaps_between_good_samples_are_filled(
    good: np.ndarray, longest: int
) -> None:
    values = track(good)
    filled, changed = fill_gaps(values, good, longest)
    expected = np.zeros(len(good), bool)
    for start, stop in runs(good):
        if stop - start <= longest and start > 0 and stop < len(good):
            expected[start:stop] = True
    np.testing.assert_array_equal(changed, expected)
    np.testing.assert_array_equal(np.isfinite(filled).all(axis=1), good | expected)
    np.testing.assert_array_equal(filled[~changed], values[~changed])


@given(good_frames, st.floats(-10, 10), st.floats(-10, 10))
def test_a_point_that_moves_evenly_is_filled_exactly(
    good: np.ndarray, speed: float, start: float
) -> None:
    time = np.arange(len(good))
    truth = np.stack([start + speed * time, start - speed * time], axis=1)
    filled, changed = fill_gaps(np.where(good[:, None], truth, np.nan), good, 100)
    np.testing.assert_allclose(filled[changed], truth[changed], atol=1e-9)


@given(good_frames, st.integers(1, 12))
def test_filled_samples_lie_between_their_neighbours(good: np.ndarray, longest: int) -> None:
    values = track(good)
    filled, changed = fill_gaps(values, good, longest)
    known = np.flatnonzero(good)
    for frame in np.flatnonzero(changed):
        after = np.searchsorted(known, frame)
        ends = values[known[after - 1 : after + 1]]
        assert (ends.min(axis=0) - 1e-9 <= filled[frame]).all()
        assert (filled[frame] <= ends.max(axis=0) + 1e-9).all()


def test_doubtful_samples_are_replaced_where_they_are_few() -> None:
    values = np.array([[0.0, 0.0], [50.0, 9.0], [2.0, 4.0], [70.0, 1.0], [71.0, 1.0], [5.0, 10.0]])
    good = np.array([True, False, True, False, False, True])
    filled, changed = fill_gaps(values, good, 1)
    assert filled[1].tolist() == [1.0, 2.0]
    assert filled[3:5].tolist() == values[3:5].tolist()
    assert changed.tolist() == [False, True, False, False, False, False]
