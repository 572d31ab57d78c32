from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics import apply_operations, check_operation, describe_operation
from napari_vitface.kinematics.ensemble_tables import beside, smooth_to_one
from napari_vitface.kinematics.operations import filter_poses, operations_for
from napari_vitface.kinematics.smoothing import median_filter, savgol_filter
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.steps import result_of

TWO = KeypointSet(("eye", "nose"))


@st.composite
def tables(draw: st.DrawFn) -> PoseTable:
    """Poses with predictions, gaps, labels and occluded points with and without a place."""
    length = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    state = rng.choice(4, (length, 2), p=[0.2, 0.6, 0.1, 0.1]).astype(np.uint8)
    xy = rng.uniform(0, 300, (length, 2, 2)).astype(np.float32)
    xy[state == PointState.ABSENT] = np.nan
    xy[(state == PointState.OCCLUDED) & (rng.random((length, 2)) < 0.5)] = np.nan
    confidence = rng.uniform(0, 1, (length, 2)).astype(np.float32)
    frames = np.cumsum(rng.integers(1, draw(st.integers(2, 4)), length)) if length else None
    return PoseTable(TWO, xy, confidence, state, frames)


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    operation: dict[str, Any] = draw(
        st.one_of(
            st.fixed_dictionaries({"smooth": st.just("median"), "window": st.sampled_from([3, 7])}),
            st.fixed_dictionaries(
                {
                    "smooth": st.just("savgol"),
                    "window": st.sampled_from([5, 9]),
                    "order": st.integers(0, 3),
                }
            ),
            st.fixed_dictionaries({"fill": st.just("linear"), "longest": st.integers(1, 6)}),
        )
    )
    if draw(st.booleans()):
        operation["confidence"] = draw(st.floats(0, 1))
    if draw(st.booleans()):
        operation["keypoints"] = draw(st.lists(st.sampled_from(["eye", "nose", "tail"])))
    if draw(st.booleans()):
        operation["frames"] = [draw(st.integers(0, 40)), draw(st.integers(0, 60))]
    return operation


def same(one: PoseTable, other: PoseTable) -> None:
    for name in ("xy", "confidence", "state", "frames"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(tables(), st.lists(operations(), max_size=4))
def test_what_a_person_said_is_never_changed(table: PoseTable, done: list[dict[str, Any]]) -> None:
    result = apply_operations(table, done)
    spoken = (table.state == PointState.LABELLED) | (table.state == PointState.OCCLUDED)
    np.testing.assert_array_equal(result.state[spoken], table.state[spoken])
    np.testing.assert_array_equal(result.xy[spoken], table.xy[spoken])
    # And nobody is made to have said something.
    assert not ((result.state > PointState.PREDICTED) & ~spoken).any()


@given(tables(), st.lists(operations(), max_size=4))
def test_the_table_itself_is_untouched_and_confidence_is_the_networks(
    table: PoseTable, done: list[dict[str, Any]]
) -> None:
    before = PoseTable(TWO, *(a.copy() for a in (table.xy, table.confidence, table.state)))
    frames = table.frames.copy()
    result = apply_operations(table, done)
    np.testing.assert_array_equal(table.xy, before.xy)
    np.testing.assert_array_equal(table.state, before.state)
    np.testing.assert_array_equal(table.frames, frames)
    np.testing.assert_array_equal(result.confidence, before.confidence)
    np.testing.assert_array_equal(result.frames, frames)


@given(tables(), st.lists(operations(), max_size=4), st.integers(0, 4))
def test_operations_are_done_in_order_and_survive_json(
    table: PoseTable, done: list[dict[str, Any]], cut: int
) -> None:
    whole = apply_operations(table, json.loads(json.dumps(done)))
    same(apply_operations(apply_operations(table, done[:cut]), done[cut:]), whole)


def test_frames_without_a_row_are_missing_and_stay_so() -> None:
    xy = np.array([[[0.0, 0.0]], [[9.0, 0.0]], [[6.0, 6.0]]])
    table = PoseTable(KeypointSet(("eye",)), xy, frames=[4, 6, 7])
    fill = {"fill": "linear", "longest": 3}
    mean = {"smooth": "savgol", "window": 3, "order": 0}
    both = apply_operations(table, [fill, mean])
    assert both.frames.tolist() == [4, 6, 7]
    # Frame 5 is none of the table's, so the first two are no neighbours even after filling.
    np.testing.assert_allclose(both.xy[:, 0, 0], [0, 7.5, 7.5])
    only_late = apply_operations(table, [{**mean, "frames": [7, 8]}])
    np.testing.assert_allclose(only_late.xy[:, 0, 0], [0, 9, 7.5])


@given(tables(), operations())
def test_only_what_was_asked_for_changes(table: PoseTable, operation: dict[str, Any]) -> None:
    result = apply_operations(table, [operation])
    first, stop = operation.get("frames", (0, 1_000_000))
    asked = np.zeros(table.state.shape, bool)
    asked[(table.frames >= first) & (table.frames < stop)] = True
    for k, name in enumerate(TWO.names):
        if name not in operation.get("keypoints", TWO.names):
            asked[:, k] = False
    np.testing.assert_array_equal(result.xy[~asked], table.xy[~asked])
    np.testing.assert_array_equal(result.state[~asked], table.state[~asked])


@given(tables())
def test_no_operation_is_no_change(table: PoseTable) -> None:
    same(apply_operations(table, []), table)


@given(st.lists(operations(), max_size=3), st.floats(0, 500), st.floats(0, 500))
def test_a_point_that_does_not_move_stays_where_it_is(
    done: list[dict[str, Any]], x: float, y: float
) -> None:
    rng = np.random.default_rng(0)
    xy = np.empty((50, 2, 2), np.float32)
    xy[:] = x, y
    xy[rng.random((50, 2)) < 0.3] = np.nan
    result = apply_operations(PoseTable(TWO, xy, rng.random((50, 2))), done)
    there = np.isfinite(result.xy)
    np.testing.assert_allclose(
        result.xy[there], np.broadcast_to([x, y], xy.shape)[there], rtol=1e-5, atol=1e-5
    )


def test_smoothing_does_what_the_filters_do() -> None:
    rng = np.random.default_rng(1)
    table = PoseTable(TWO, rng.normal(100, 5, (300, 2, 2)))
    median = apply_operations(table, [{"smooth": "median", "window": 5}])
    savgol = apply_operations(table, [{"smooth": "savgol", "window": 9, "order": 2}])
    for k in range(2):
        for c in range(2):
            np.testing.assert_allclose(median.xy[:, k, c], median_filter(table.xy[:, k, c], 5))
            np.testing.assert_allclose(
                savgol.xy[:, k, c], savgol_filter(table.xy[:, k, c], 9, 2), rtol=1e-6
            )


def test_long_recordings_are_smoothed_in_blocks_without_seams() -> None:
    rng = np.random.default_rng(2)
    length = 3 * (1 << 16) + 17
    table = PoseTable(KeypointSet(("eye",)), rng.normal(0, 5, (length, 1, 2)))
    table.xy[rng.random(length) < 0.01] = np.nan
    shares: list[float] = []
    result = apply_operations(table, [{"smooth": "median", "window": 11}], shares.append)
    np.testing.assert_allclose(
        result.xy[:, 0, 1], median_filter(table.xy[:, 0, 1], 11).astype(np.float32)
    )
    assert shares[-1] == 1.0


def test_doubtful_predictions_are_left_out_and_left_alone() -> None:
    xy = np.full((9, 1, 2), 10.0)
    xy[4] = 90.0
    confidence = np.ones((9, 1))
    confidence[4] = 0.2
    table = PoseTable(KeypointSet(("eye",)), xy, confidence)
    mean = {"smooth": "savgol", "window": 5, "order": 0}
    careless = apply_operations(table, [mean])
    assert careless.xy[3, 0, 0] == pytest.approx(26)
    careful = apply_operations(table, [{**mean, "confidence": 0.5}])
    assert careful.xy[[3, 5], 0].tolist() == [[10, 10], [10, 10]]
    assert careful.xy[4, 0].tolist() == [90, 90]


def test_a_doubtful_jump_is_bridged_and_its_confidence_stays_low() -> None:
    xy = np.stack([np.arange(9.0), 2 * np.arange(9.0)], axis=1)[:, None]
    xy[4] = 90.0
    xy[6] = np.nan
    confidence = np.ones((9, 1))
    confidence[[4, 6], 0] = 0.2, 0.0
    table = PoseTable(KeypointSet(("eye",)), xy, confidence)
    filled = apply_operations(table, [{"fill": "linear", "longest": 3, "confidence": 0.5}])
    np.testing.assert_allclose(filled.xy[:, 0, 0], np.arange(9))
    np.testing.assert_allclose(filled.xy[:, 0, 1], 2 * np.arange(9))
    assert (filled.state == PointState.PREDICTED).all()
    assert filled.confidence[[4, 6], 0].tolist() == pytest.approx([0.2, 0.0])


def test_a_deleted_point_does_not_come_back_by_gap_filling() -> None:
    xy = np.full((5, 1, 2), 10.0)
    xy[1:4] = np.nan
    state = np.array([[1], [0], [3], [0], [1]])
    table = PoseTable(KeypointSet(("eye",)), xy, state=state)
    filled = apply_operations(table, [{"fill": "linear", "longest": 5}])
    assert np.isfinite(filled.xy[:, 0, 0]).tolist() == [True, True, False, True, True]
    assert filled.state[2, 0] == PointState.OCCLUDED


def test_a_label_is_a_good_sample_whatever_the_confidence() -> None:
    xy = np.array([[0.0, 0.0], [np.nan, np.nan], [4.0, 4.0]])[:, None]
    state = np.array([[1], [0], [2]])
    table = PoseTable(KeypointSet(("eye",)), xy, [[0.9], [0.0], [0.0]], state)
    filled = apply_operations(table, [{"fill": "linear", "longest": 2, "confidence": 0.5}])
    assert filled.xy[1, 0].tolist() == [2, 2]


def test_progress_can_stop_the_work() -> None:
    class Enough(Exception):
        pass

    def stop(share: float) -> None:
        raise Enough

    table = PoseTable(TWO, np.zeros((10, 2, 2)))
    with pytest.raises(Enough):
        apply_operations(table, [{"smooth": "median", "window": 3}], stop)


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"smooth": "kalman"},
        {"smooth": ["median"], "window": 5},
        {"smooth": "median"},
        {"smooth": "median", "window": 4},
        {"smooth": "median", "window": 1},
        {"smooth": "median", "window": 5.0},
        {"smooth": "median", "window": 100_001},
        {"smooth": "median", "window": 5, "order": 2},
        {"smooth": "median", "window": 5, "strength": 2},
        {"smooth": "median", "window": 5, "fill": "linear", "longest": 3},
        {"smooth": "savgol", "window": 5, "order": 5},
        {"smooth": "savgol", "window": 5},
        {"fill": "linear", "longest": 0},
        {"fill": "linear", "longest": "all"},
        {"fill": "linear", "longest": 3, "confidence": 1.5},
        {"fill": "linear", "longest": 3, "confidence": "high"},
        {"fill": "linear", "longest": 3, "frames": [1]},
        {"fill": "linear", "longest": 3, "frames": 7},
        {"fill": "linear", "longest": 3, "frames": [-1, 5]},
        {"fill": "linear", "longest": 3, "keypoints": "eye"},
        {"smooth": "ensemble", "tables": []},
        {"smooth": "ensemble", "tables": "mouse.h5"},
        {"smooth": "ensemble"},
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(operation: dict[str, Any]) -> None:
    with pytest.raises(VitFaceError) as refusal:
        check_operation(operation)
    assert str(refusal.value).endswith(".")
    table = PoseTable(TWO, np.ones((5, 2, 2)))
    with pytest.raises(VitFaceError):
        apply_operations(table, [{"smooth": "median", "window": 3}, operation])


def test_an_ensemble_replaces_what_is_asked_for_and_no_label() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(0, 1, (80, 2, 2)).cumsum(axis=0)
    mine, other, third = (
        PoseTable(TWO, truth + random.normal(0, 1, truth.shape), np.full((80, 2), sure))
        for sure in (0.5, 0.7, 0.9)
    )
    mine.state[7, 0] = PointState.LABELLED
    for table in (mine, other, third):
        table.xy[30] = np.nan
    other.xy[50], mine.xy[60] = np.nan, np.nan
    tables = {"a": other, "b": third}
    ensemble = {"smooth": "ensemble", "tables": ["a", "b"]}
    found = filter_poses(mine, [ensemble], read=tables.__getitem__)
    one, variance = result_of(smooth_to_one(beside([mine, other, third], ["m", "a", "b"])))
    changed = np.isfinite(one.xy[..., 0])
    changed[7, 0] = False
    np.testing.assert_array_equal(found.poses.xy[changed], one.xy[changed])
    np.testing.assert_array_equal(found.variance[changed], variance[changed])
    np.testing.assert_allclose(found.poses.confidence[[0, 50, 60], 1], [0.7, 0.7, 0.8], atol=1e-6)
    same(
        PoseTable(TWO, found.poses.xy[[7]], found.poses.confidence[[7]], found.poses.state[[7]]),
        PoseTable(
            TWO,
            np.stack([mine.xy[7, 0], one.xy[7, 1]])[None],
            [[0.5, found.poses.confidence[7, 1]]],
            [[PointState.LABELLED, PointState.PREDICTED]],
        ),
    )
    # Where no model has a point there is none; where another one has it there is.
    assert np.isnan(found.poses.xy[30]).all()
    assert (found.poses.state[60] == PointState.PREDICTED).all()
    # Of the frames and keypoints that are named alone, and what comes after knows no variance.
    part = {**ensemble, "keypoints": ["nose"], "frames": [10, 20]}
    nose = TWO.index("nose")
    some = filter_poses(mine, [part], read=tables.__getitem__)
    differs = (some.poses.xy != mine.xy).any(axis=-1) & np.isfinite(mine.xy[..., 0])
    assert np.argwhere(differs).tolist() == [[frame, nose] for frame in range(10, 20)]
    assert np.isfinite(some.variance[10:20, nose]).all()
    assert np.isnan(some.variance[20:]).all()
    median = {"smooth": "median", "window": 3}
    assert filter_poses(mine, [ensemble, median], read=tables.__getitem__).variance is None
    with pytest.raises(VitFaceError, match="not read here"):
        apply_operations(mine, [ensemble])


@given(operations())
def test_each_operation_is_put_in_words(operation: dict[str, Any]) -> None:
    check_operation(operation)
    words = describe_operation(operation)
    assert str(operation.get("window", operation.get("longest"))) in words
    assert words == words.strip()


def test_words_for_an_undo_line() -> None:
    assert describe_operation({"smooth": "median", "window": 5}) == "median filter over 5 frames"
    assert (
        describe_operation({"fill": "linear", "longest": 1, "confidence": 0.5, "frames": [3, 9]})
        == "fill gaps up to 1 frame, confidence at least 0.5 in frames 3 to 8"
    )
    assert "(eye, nose)" in describe_operation(
        {"smooth": "savgol", "window": 7, "order": 2, "keypoints": ["eye", "nose"]}
    )


def test_operations_belong_to_a_model() -> None:
    mine = {"smooth": "median", "window": 3, "model": "mouse-face"}
    anyones = {"smooth": "median", "window": 5}
    assert operations_for([mine, anyones], "mouse-face") == [mine, anyones]
    assert operations_for([mine, anyones], "other") == [anyones]
