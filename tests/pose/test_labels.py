from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import (
    ABSENT,
    NOT_VISIBLE,
    FrameLabels,
    Point,
    labelled,
    occluded,
)
from napari_vitface.pose.table import PointState

KEYPOINTS = KeypointSet(("nose tip", "ear", "lip"))
coordinates = st.floats(-1e9, 1e9)
points = st.one_of(
    st.sampled_from([ABSENT, NOT_VISIBLE]),
    st.builds(labelled, coordinates, coordinates),
    st.builds(occluded, coordinates, coordinates),
)
places = st.tuples(st.integers(0, 8), st.integers(0, 2))


@given(points)
def test_a_point_comes_back_from_json_to_the_last_bit(point: Point) -> None:
    assert Point.from_json(json.loads(json.dumps(point.to_json()))) == point


@pytest.mark.parametrize("data", [[], [1], [1, 2, 3], ["gone"], "x", 5, [1, 2, "visible"]])
def test_what_is_no_point_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="is no point"):
        Point.from_json(data)


def test_unnamed_places_are_equal_and_states_are_not() -> None:
    assert Point(float("nan"), float("nan"), PointState.ABSENT) == ABSENT
    assert hash(Point(float("nan"), float("nan"), PointState.ABSENT)) == hash(ABSENT)
    assert ABSENT != NOT_VISIBLE
    assert labelled(1, 2) != occluded(1, 2)
    assert labelled(1, 2) != (1, 2, PointState.LABELLED)


@pytest.mark.parametrize(
    "point",
    [
        Point(1, math.nan, PointState.LABELLED),
        Point(math.nan, math.nan, PointState.LABELLED),
        Point(1, 2, PointState.ABSENT),
        Point(1, math.inf, PointState.OCCLUDED),
        Point(1, 2, PointState.PREDICTED),
    ],
)
def test_labels_take_no_half_points_and_no_predictions(point: Point) -> None:
    labels = FrameLabels(KEYPOINTS)
    with pytest.raises(ValueError, match=r"no label|both coordinates or none"):
        labels.set(0, 0, point)
    assert len(labels) == 0


@given(st.lists(st.tuples(places, points), max_size=40))
def test_labels_are_what_a_dictionary_would_be(steps: list[tuple[tuple[int, int], Point]]) -> None:
    labels = FrameLabels(KEYPOINTS)
    expected: dict[tuple[int, int], Point] = {}
    for (frame, keypoint), point in steps:
        labels.set(frame, keypoint, point)
        expected[frame, keypoint] = point
    said = {place: point for place, point in expected.items() if point != ABSENT}
    frames = sorted({frame for frame, _ in said})
    assert labels.frames().tolist() == frames
    assert len(labels) == len(frames)
    for frame in range(9):
        assert (frame in labels) == (frame in frames)
        assert labels.following(frame) == min((f for f in frames if f > frame), default=None)
        assert labels.preceding(frame) == max((f for f in frames if f < frame), default=None)
        for keypoint in range(3):
            point = said.get((frame, keypoint), ABSENT)
            assert labels.point(frame, keypoint) == point
            np.testing.assert_array_equal(labels.xy(frame)[keypoint], point[:2])
            assert labels.states(frame)[keypoint] == point.state
    table = labels.table()
    assert table.frames.tolist() == frames
    assert table.keypoints == KEYPOINTS


def test_what_labels_give_out_is_a_copy() -> None:
    labels = FrameLabels(KEYPOINTS)
    labels.set(3, 1, labelled(1, 2))
    labels.xy(3)[:] = 9
    labels.states(3)[:] = 0
    assert labels.point(3, 1) == labelled(1, 2)
    with pytest.raises(ValueError, match="read-only"):
        labels.frames()[0] = 4


def test_keypoints_that_are_not_there_are_refused() -> None:
    labels = FrameLabels(KEYPOINTS)
    for keypoint in (-1, 3):
        with pytest.raises(IndexError, match=f"no keypoint {keypoint}"):
            labels.set(0, keypoint, labelled(1, 2))
        with pytest.raises(IndexError, match=f"no keypoint {keypoint}"):
            labels.point(0, keypoint)
    with pytest.raises(ValueError, match="no frame -1"):
        labels.set(-1, 0, labelled(1, 2))


def test_renaming_and_appending_keypoints_keeps_every_label() -> None:
    labels = FrameLabels(KEYPOINTS)
    labels.set(3, 2, labelled(1, 2))
    labels.set(5, 0, NOT_VISIBLE)
    labels.rename_and_append(KeypointSet(("snout", "ear", "lip", "chin")))
    assert labels.keypoints.names[0] == "snout"
    assert labels.point(3, 2) == labelled(1, 2)
    assert labels.point(5, 0) == NOT_VISIBLE
    assert labels.point(3, 3) == ABSENT
    labels.set(3, 3, occluded(7, 8))
    assert labels.table().xy.shape == (2, 4, 2)
    with pytest.raises(ValueError, match="never taken away"):
        labels.rename_and_append(KEYPOINTS)
