"""Poses drawn onto frames stand where they are, in their colours, as faint as they are unsure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.video import draw_poses

KEYPOINTS = KeypointSet(
    ("eye", "nose tip"), skeleton=(("eye", "nose tip"),), colours=("#ff0000", "#00ff00")
)
BLACK = np.zeros((100, 140), np.uint8)
ABSENT = (np.nan, np.nan)


def centre(channel: NDArray[Any]) -> tuple[float, float]:
    weights = channel.astype(float) / channel.sum()
    rows, columns = np.indices(channel.shape)
    return float((columns * weights).sum()), float((rows * weights).sum())


@pytest.mark.parametrize("place", [(40.0, 30.0), (40.5, 30.25), (99.3, 61.8)])
def test_points_stand_where_they_are(place: tuple[float, float]) -> None:
    drawn = draw_poses(BLACK, [place, ABSENT], None, KEYPOINTS)
    assert drawn.shape == (100, 140, 3)
    assert drawn.dtype == np.uint8
    np.testing.assert_allclose(centre(drawn[..., 0]), place, atol=0.05)
    assert not drawn[..., 1].any()
    assert drawn[round(place[1]), round(place[0])].tolist() == [255, 0, 0]


def test_the_frame_itself_is_left_as_it_is() -> None:
    image = np.full((50, 50, 3), 90, np.uint8)
    drawn = draw_poses(image, [(20, 20), (30, 30)], None, KEYPOINTS)
    assert (image == 90).all()
    assert (drawn[:5] == 90).all()


def test_confidence_is_opacity() -> None:
    strength = [
        int(draw_poses(BLACK, [(40, 30), ABSENT], np.array([confidence, 0]), KEYPOINTS)[30, 40, 0])
        for confidence in (0.0, 0.25, 0.5, 1.0)
    ]
    assert strength[0] > 20
    assert strength[-1] == 255
    assert np.all(np.diff(strength) > 40)


def test_the_skeleton_joins_points_that_are_there() -> None:
    pose = [(30.0, 50.0), (110.0, 50.0)]
    joined = draw_poses(BLACK, pose, None, KEYPOINTS)
    assert joined[50, 70].any()
    assert not joined[45, 70].any()
    assert not draw_poses(BLACK, pose, None, KEYPOINTS, skeleton=False)[50, 70].any()
    assert not draw_poses(BLACK, [pose[0], ABSENT], None, KEYPOINTS)[50, 70].any()


def test_trails_fade_into_the_past_and_leave_gaps() -> None:
    trail = np.full((9, 2, 2), np.nan)
    trail[:, 0, 0] = np.arange(10, 100, 10)
    trail[:, 0, 1] = 50
    trail[4, 0] = np.nan
    drawn = draw_poses(BLACK, [(100, 50), ABSENT], None, KEYPOINTS, trail=trail)[..., 0]
    assert 0 < drawn[50, 15] < drawn[50, 35] < drawn[50, 75]
    assert drawn[50, 45:56].max() == 0
    assert not draw_poses(BLACK, [(100, 50), ABSENT], None, KEYPOINTS)[50, 35].any()


def test_names_are_written_beside_their_points() -> None:
    pose = [(20.0, 50.0), (120.0, 50.0)]
    plain = draw_poses(BLACK, pose, None, KEYPOINTS, skeleton=False)
    named = draw_poses(BLACK, pose, None, KEYPOINTS, skeleton=False, names=True)
    new = (named != plain).any(axis=2)
    # The first to the right of its point; the second would leave the frame and is on the left.
    assert new[40:60, 24:60].any()
    assert new[40:60, 60:116].any()
    assert not new[:30].any()


def test_points_outside_the_frame_do_no_harm() -> None:
    for place in ((-500.0, 20.0), (20.0, 9e5), (139.6, 99.6), (-1.0, -1.0)):
        drawn = draw_poses(
            BLACK, [place, (70, 50)], None, KEYPOINTS, names=True, trail=np.full((3, 2, 2), 7.0)
        )
        assert drawn.shape == (100, 140, 3)
        assert drawn[50, 70].tolist() == [0, 255, 0]


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="must have the shape"):
        draw_poses(BLACK, np.zeros((3, 2)), None, KEYPOINTS)
