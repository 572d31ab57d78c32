from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.gui.correct import point_commands
from napari_vitface.gui.shown_pose import ShownPose, shown_pose
from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import (
    ABSENT,
    NOT_VISIBLE,
    FrameLabels,
    Point,
    labelled,
    occluded,
)
from napari_vitface.pose.table import PointState, PoseTable

KEYPOINTS = KeypointSet(("nose", "left", "right", "tail"), swaps=(("left", "right"),))
NOSE, LEFT, RIGHT, TAIL = range(4)
SIZE = (60, 80)
NAN = float("nan")

coordinates = st.floats(-200, 200)
points = st.one_of(
    st.just(ABSENT),
    st.just(NOT_VISIBLE),
    st.builds(labelled, coordinates, coordinates),
    st.builds(occluded, coordinates, coordinates),
)
predictions = st.one_of(
    st.none(), st.tuples(st.floats(0, 79, width=32), st.floats(0, 59, width=32))
)
frames = st.lists(st.tuples(points, predictions), min_size=4, max_size=4)


def pose_of(frame: list[tuple[Point, tuple[float, float] | None]]) -> ShownPose:
    labels = FrameLabels(KEYPOINTS)
    xy = np.full((1, 4, 2), np.nan)
    for k, (point, predicted) in enumerate(frame):
        labels.set(0, k, point)
        if predicted is not None:
            xy[0, k] = predicted
    return shown_pose(KEYPOINTS, 0, labels, PoseTable(KEYPOINTS, xy))


def after(pose: ShownPose, changes: dict[int, Point]) -> FrameLabels:
    labels = FrameLabels(KEYPOINTS)
    for k in range(4):
        labels.set(0, k, changes.get(k, point_commands.current(pose, k)))
    return labels


@given(frames)
def test_what_is_shown_is_what_was_said_and_the_prediction_elsewhere(frame: list) -> None:
    pose = pose_of(frame)
    for k, (point, predicted) in enumerate(frame):
        assert point_commands.current(pose, k) == point
        if point != ABSENT:
            assert pose.said[k]
            assert pose.drawn[k] == point.placed
        else:
            assert pose.drawn[k] == (predicted is not None)


@given(frames, st.floats(-300, 300), st.floats(-300, 300))
def test_a_moved_point_is_inside_the_frame_and_stays_occluded_if_it_was(
    frame: list, x: float, y: float
) -> None:
    pose = pose_of(frame)
    for k, (point, _) in enumerate(frame):
        moved = point_commands.moved(pose, {k: (x, y)}, SIZE)[k]
        assert 0 <= moved.x <= 79
        assert 0 <= moved.y <= 59
        was_occluded = point.state == PointState.OCCLUDED and point.placed
        assert (moved.state == PointState.OCCLUDED) == was_occluded


@given(frames)
def test_accepting_keeps_what_is_drawn_and_what_was_said(frame: list) -> None:
    pose = pose_of(frame)
    changes = point_commands.accepted(pose)
    assert all(frame[k][0] == ABSENT and frame[k][1] is not None for k in changes)
    accepted = after(pose, changes)
    np.testing.assert_array_equal(accepted.xy(0), pose.xy)
    assert not point_commands.accepted(shown_pose(KEYPOINTS, 0, accepted))


@given(frames, st.sets(st.integers(0, 3)))
def test_what_is_not_visible_is_not_predicted_any_more(frame: list, chosen: set[int]) -> None:
    pose = pose_of(frame)
    labels = after(pose, point_commands.not_visible(chosen))
    predicted = PoseTable(KEYPOINTS, np.ones((1, 4, 2)))
    again = shown_pose(KEYPOINTS, 0, labels, predicted)
    assert all(not again.drawn[k] and again.said[k] for k in chosen)


@given(frames)
def test_occluding_twice_makes_a_placed_point_as_it_was(frame: list) -> None:
    pose = pose_of(frame)
    for k, (point, _) in enumerate(frame):
        once = point_commands.occlusion_changed(pose, [k])[k]
        if point.state == PointState.LABELLED:
            assert once == occluded(point.x, point.y)
            hidden = shown_pose(KEYPOINTS, 0, after(pose, {k: once}))
            assert point_commands.occlusion_changed(hidden, [k])[k] == point
        elif not pose.drawn[k]:
            assert once == NOT_VISIBLE


@given(frames, st.sampled_from([(0, 1), (1, 2), (3, 0)]))
def test_swapping_exchanges_places_and_leaves_no_ghost(frame: list, pair: tuple[int, int]) -> None:
    pose = pose_of(frame)
    changes = point_commands.swapped(pose, [pair])
    labels = after(pose, changes)
    predicted = np.full((1, 4, 2), np.nan)
    for k, (_, place) in enumerate(frame):
        if place is not None:
            predicted[0, k] = place
    again = shown_pose(KEYPOINTS, 0, labels, PoseTable(KEYPOINTS, predicted))
    a, b = pair
    for one, other in ((a, b), (b, a)):
        if pose.drawn[other]:
            np.testing.assert_array_equal(again.xy[one], pose.xy[other])
        elif frame[one][0] == ABSENT or frame[other][0] != ABSENT:
            assert not again.drawn[one]


@given(frames, frames)
def test_copying_fills_gaps_only(here: list, there: list) -> None:
    pose = pose_of(here)
    before = {k: point for k, (point, _) in enumerate(there)}
    changes = point_commands.copied(pose, before)
    for k in range(4):
        if here[k][0] != ABSENT or before[k] == ABSENT:
            assert k not in changes
        else:
            assert changes[k] == before[k]


@given(frames, st.sets(st.integers(0, 3), min_size=1))
def test_every_command_is_undone_by_its_inverse(frame: list, chosen: set[int]) -> None:
    pose = pose_of(frame)
    labels = after(pose, {})
    for changes in (
        point_commands.moved(pose, dict.fromkeys(chosen, (3.0, 4.0)), SIZE),
        point_commands.nudged(pose, chosen, 1, 0, SIZE),
        point_commands.not_visible(chosen),
        point_commands.occlusion_changed(pose, sorted(chosen)),
        point_commands.accepted(pose),
        point_commands.swapped(pose, [(0, 3), (1, 2)]),
        point_commands.forgotten(chosen),
    ):
        edit = make_edit(labels, "test", {(0, k): point for k, point in changes.items()})
        if edit is None:
            continue
        changed = after(pose, changes)
        for frame_, k, _, point in edit.inverse().changes:
            changed.set(frame_, k, point)
        assert [changed.point(0, k) for k in range(4)] == [labels.point(0, k) for k in range(4)]


def test_two_selected_points_are_swapped_whatever_the_pairs() -> None:
    assert point_commands.swap_pairs(KEYPOINTS, (NOSE, TAIL)) == [(NOSE, TAIL)]


@pytest.mark.parametrize("selected", [(), (RIGHT,), (NOSE, LEFT, TAIL)])
def test_otherwise_left_and_right_are_swapped(selected: tuple[int, ...]) -> None:
    assert point_commands.swap_pairs(KEYPOINTS, selected) == [(LEFT, RIGHT)]


def test_a_point_without_a_partner_is_not_swapped() -> None:
    assert point_commands.swap_pairs(KEYPOINTS, (NOSE,)) == []


def test_predictions_of_another_order_are_matched_by_name() -> None:
    model = KeypointSet(("tail", "ear", "nose"))
    table = PoseTable(model, [[[1, 2], [3, 4], [5, 6]]], [[0.1, 0.2, 0.3]])
    pose = shown_pose(KEYPOINTS, 0, predictions=table)
    np.testing.assert_array_equal(pose.xy[NOSE], [5, 6])
    np.testing.assert_array_equal(pose.xy[TAIL], [1, 2])
    np.testing.assert_allclose(pose.confidence, [0.3, 0, 0, 0.1])
    assert not pose.drawn[[LEFT, RIGHT]].any()


def test_an_undo_line_names_one_point_and_counts_several() -> None:
    assert point_commands.name_of(KEYPOINTS, [TAIL]) == "tail"
    assert point_commands.name_of(KEYPOINTS, [NOSE, TAIL]) == "2 points"
