from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vitface.gui.layers import (
    ALL_KEYPOINTS,
    GLOBAL,
    AttentionPicture,
    PointRows,
    attention_picture,
    colour_limit,
    point_rows,
    skeleton_vectors,
)
from napari_vitface.gui.shown_pose import shown_pose
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

KEYPOINTS = KeypointSet(("eye", "nose", "mouth"), skeleton=(("eye", "nose"), ("nose", "mouth")))
NAN = float("nan")


def table() -> PoseTable:
    xy = [[[10, 20], [30, 40], [50, 60]], [[11, 21], [NAN, NAN], [51, 61]]]
    return PoseTable(KEYPOINTS, xy, [[0.9, 0.5, 0.1], [1.0, 0.0, 0.2]])


def rows_of(table: PoseTable, frame: int) -> PointRows:
    return point_rows(shown_pose(table.keypoints, frame, predictions=table))


def test_rows_are_keypoints_with_y_before_x() -> None:
    rows = rows_of(table(), 0)
    np.testing.assert_array_equal(rows.positions, [[20, 10], [40, 30], [60, 50]])
    assert rows.shown.all()
    assert rows.states == ("predicted",) * 3


def test_a_missing_keypoint_keeps_its_row_but_is_not_shown() -> None:
    rows = rows_of(table(), 1)
    assert rows.shown.tolist() == [True, False, True]
    assert np.isfinite(rows.positions).all()
    assert rows.states[1] == "absent"


def test_a_frame_without_a_row_shows_nothing() -> None:
    rows = rows_of(PoseTable(KEYPOINTS, np.ones((1, 3, 2)), frames=[7]), 3)
    assert not rows.shown.any()
    assert len(rows.positions) == 3
    assert rows_of(PoseTable(KEYPOINTS, np.ones((1, 3, 2)), frames=[7]), 7).shown.all()


@given(hnp.arrays(np.float32, 3, elements=st.floats(0, 1, width=32)))
def test_points_fade_with_confidence_and_never_vanish(confidence: np.ndarray) -> None:
    rows = rows_of(PoseTable(KEYPOINTS, np.ones((1, 3, 2)), confidence[None]), 0)
    alpha = rows.colours[:, 3]
    assert ((alpha > 0.1) & (alpha <= 1)).all()
    for a in range(3):
        for b in range(3):
            if confidence[a] > confidence[b]:
                assert alpha[a] >= alpha[b]


def test_a_point_that_a_person_placed_does_not_fade() -> None:
    poses = PoseTable(
        KEYPOINTS, np.ones((1, 3, 2)), np.zeros((1, 3)), np.full((1, 3), PointState.LABELLED)
    )
    assert (rows_of(poses, 0).colours[:, 3] == 1).all()


def test_each_keypoint_has_its_own_colour() -> None:
    colours = rows_of(table(), 0).colours[:, :3]
    assert len(np.unique(colours.round(3), axis=0)) == 3


def test_the_skeleton_joins_keypoints_that_are_there() -> None:
    vectors, colours = skeleton_vectors(rows_of(table(), 0), KEYPOINTS)
    np.testing.assert_array_equal(vectors[:, 0], [[20, 10], [40, 30]])
    np.testing.assert_array_equal(vectors.sum(axis=1), [[40, 30], [60, 50]])
    # As faint as the fainter end.
    assert colours[1, 3] < colours[0, 3] < 1
    vectors, _ = skeleton_vectors(rows_of(table(), 1), KEYPOINTS)
    assert len(vectors) == 0


def computed(maps: np.ndarray, names: tuple[str, ...]) -> AttentionComputed:
    return AttentionComputed(
        frame=0,
        names=names,
        maps=maps.astype(np.float32),
        prefix_share=np.linspace(0.1, 0.3, len(maps), dtype=np.float32),
        scale=(4.0, 4.0),
        translate=(1.5, 1.5),
        xy=np.zeros((2, 2), np.float32),
        confidence=np.ones(2, np.float32),
        own_share=np.zeros(len(maps), np.float32),
        total=np.ones(len(maps), np.float32),
    )


def test_attention_is_a_multiple_of_an_even_spread() -> None:
    picture = attention_picture(computed(np.full((1, 4, 5), 1 / 20), ("eye",)), "eye")
    np.testing.assert_allclose(picture.data, 1.0, rtol=1e-6)


def test_the_mean_of_all_keypoints_leaves_the_global_map_out() -> None:
    maps = np.stack([np.full((2, 2), 0.1), np.full((2, 2), 0.3), np.full((2, 2), 9.0)])
    answer = computed(maps, ("eye", "nose", GLOBAL))
    picture = attention_picture(answer, ALL_KEYPOINTS)
    np.testing.assert_allclose(picture.data, 0.2 * 4, rtol=1e-6)
    assert picture.prefix_share == pytest.approx(0.15)
    np.testing.assert_allclose(attention_picture(answer, GLOBAL).data, 36.0)


def test_a_map_that_was_not_computed_is_refused() -> None:
    with pytest.raises(KeyError, match="lip"):
        attention_picture(computed(np.ones((1, 2, 2)), ("eye",)), "lip")


@given(st.floats(1e-3, 1e4))
def test_the_colour_limit_holds_the_peak_without_wasting_half(peak: float) -> None:
    picture = AttentionPicture(np.float32([[0, peak]]), (1, 1), (0, 0), 0.0)
    limit = colour_limit(picture)
    assert np.float32(peak) * 0.999 <= limit <= 2 * peak
