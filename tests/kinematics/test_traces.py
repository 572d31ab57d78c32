from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vitface.kinematics import Trace
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

THREE = KeypointSet(("eye top", "eye bottom", "nose"))
places = hnp.arrays(np.float64, (4, 3, 2), elements=st.floats(-500, 500, width=32))


def table_of(*frames: list[list[float]]) -> PoseTable:
    return PoseTable(THREE, np.array(frames, dtype=float))


TABLE = table_of(
    [[10, 20], [10, 26], [40, 20]],
    [[13, 24], [10, 24], [np.nan, np.nan]],
    [[13, 24], [13, 24], [13, 30]],
)


def values(kind: str, *keypoints: str, **options: object) -> list[float]:
    return Trace(kind, keypoints).values(TABLE, **options).tolist()


def test_one_keypoint() -> None:
    assert values("x", "eye top") == [10, 13, 13]
    assert values("y", "eye top") == [20, 24, 24]
    assert values("confidence", "nose") == [1, 0, 1]
    assert values("speed", "eye top")[1:] == [5, 0]
    assert np.isnan(values("speed", "eye top")[0])
    assert np.isnan(values("speed", "nose")).all()


def test_speed_goes_by_the_times_of_the_frames() -> None:
    times = np.array([0.0, 0.5, 0.5])
    speed = values("speed", "eye top", times=times)
    assert speed[1] == 10
    # Two frames at one time: no speed, rather than an infinite one.
    assert np.isnan(speed[2])


def test_a_part_has_the_values_of_the_whole() -> None:
    whole = values("speed", "eye top", times=np.array([0.0, 0.1, 0.2]))
    part = values("speed", "eye top", times=np.array([0.0, 0.1, 0.2]), start=1, stop=2)
    assert part == whole[1:2]


def test_eye_opening_is_a_distance() -> None:
    assert values("distance", "eye top", "eye bottom") == [6, 3, 0]


def test_direction_is_counted_as_on_paper() -> None:
    assert values("direction", "eye top", "nose")[0] == 0
    down = values("direction", "eye top", "eye bottom")
    assert down[0] == -90
    assert down[1] == 180
    assert np.isnan(down[2])


def test_the_angle_is_at_the_second_keypoint() -> None:
    angle = values("angle", "eye bottom", "eye top", "nose")
    assert angle[0] == 90
    assert np.isnan(angle[1:]).all()


@given(places, st.floats(-3, 3), st.floats(-100, 100))
def test_distances_and_angles_do_not_depend_on_where_the_mouse_is(
    xy: np.ndarray, turn: float, shift: float
) -> None:
    turned = (xy @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + shift
    sides = np.hypot(*(xy - np.roll(xy, 1, axis=1)).reshape(-1, 2).T).reshape(4, 3)
    distance = Trace("distance", ("eye top", "eye bottom"))
    np.testing.assert_allclose(
        distance.measure(turned[:, :2]), distance.measure(xy[:, :2]), rtol=1e-4, atol=1e-3
    )
    # The direction of a very short line is ill determined.
    long = (sides > 1).all(axis=1)
    angle = Trace("angle", THREE.names)
    np.testing.assert_allclose(
        angle.measure(turned)[long], angle.measure(xy)[long], rtol=1e-3, atol=0.05
    )


@given(places)
def test_the_angles_of_a_triangle_make_two_right_angles(xy: np.ndarray) -> None:
    sides = np.hypot(*(xy - np.roll(xy, 1, axis=1)).reshape(-1, 2).T).reshape(4, 3)
    total = sum(
        Trace("angle", THREE.names).measure(xy[:, order])
        for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])
    )
    proper = (sides > 1e-3).all(axis=1)
    np.testing.assert_allclose(total[proper], 180, atol=1e-3)


@given(places)
def test_turning_a_line_round_turns_its_direction_by_half_a_circle(xy: np.ndarray) -> None:
    direction = Trace("direction", ("eye top", "nose"))
    there, back = direction.measure(xy[:, :2]), direction.measure(xy[:, 1::-1])
    both = np.isfinite(there)
    np.testing.assert_array_equal(both, np.isfinite(back))
    np.testing.assert_allclose(np.abs(there - back)[both], 180, atol=1e-3)
    assert (np.abs(there[both]) <= 180).all()


def test_labels_and_units() -> None:
    assert Trace("speed", ("nose",)).label == "nose speed"
    assert Trace("distance", ("eye top", "eye bottom")).label == "distance eye top – eye bottom"
    assert Trace("distance", ("eye top", "eye bottom"), "eye opening").label == "eye opening"
    assert Trace("speed", ("nose",)).unit() == "px/s"
    assert Trace("speed", ("nose",)).unit(timed=False) == "px/frame"
    assert Trace("angle", THREE.names).unit() == "°"


def test_a_trace_is_made_of_the_right_number_of_keypoints() -> None:
    with pytest.raises(ValueError, match="2 different"):
        Trace("distance", ("nose", "nose"))
    with pytest.raises(ValueError, match="3 different"):
        Trace("angle", ("nose", "eye top"))
    with pytest.raises(ValueError, match="no kind"):
        Trace("area", ("nose",))


def test_it_knows_which_tables_it_fits() -> None:
    trace = Trace("distance", ("eye top", "nose"), "gap")
    assert trace.fits(TABLE)
    assert not trace.renamed({"nose": "nose tip"}).fits(TABLE)
    assert trace.renamed({"nose": "nose tip"}).name == "gap"
