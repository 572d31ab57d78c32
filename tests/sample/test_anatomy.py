"""The reference face, the warp that moves it, and where its keypoints lie in real recordings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.sample.anatomy import (
    BUMPS,
    Eyelids,
    EyeShape,
    FacePose,
    Placement,
    Shape,
    SmoothGrid,
    reference_keypoints,
)

SIZE = (646, 864)

# Mean positions of hand-placed labels in a recording of 864 x 646 px.
RECORDED = {
    "eye top": (586, 67), "eye front": (503, 108), "eye bottom": (568, 173),
    "eye back": (638, 154), "nose top": (176, 133), "nose tip": (126, 178),
    "nose bottom": (154, 245), "whisker 1": (350, 237), "whisker 2": (350, 195),
    "whisker 3": (339, 285), "mouth": (311, 392), "lip": (351, 421),
}  # fmt: skip

shifts = st.tuples(st.floats(-25, 25), st.floats(-25, 25))


def test_reference_face_has_keypoints_where_people_label_them():
    xy = reference_keypoints(Shape(), FacePose())
    distance = np.linalg.norm(xy - [RECORDED[name] for name in MOUSE_FACE.names], axis=1)
    assert distance.max() < 12
    assert distance.mean() < 6


@settings(deadline=None, max_examples=40)
@given(
    bumps=st.lists(shifts, min_size=len(BUMPS), max_size=len(BUMPS)),
    rotation=st.floats(-0.3, 0.3),
    scale=st.floats(0.7, 1.3),
    shift=shifts,
)
def test_projecting_undoes_the_warp(bumps, rotation, scale, shift):
    shape = Shape(bumps=tuple(bumps), rotation=rotation, scale=scale, shift=shift)
    placement = Placement(shape, FacePose(nose=(8, -6), roll=0.01), SIZE)
    points = np.random.default_rng(0).uniform((100, 50), (800, 600), (40, 2))
    assert np.allclose(placement.reference(placement.project(points)), points, atol=0.02)


def test_a_face_drawn_larger_in_a_larger_frame_keeps_its_proportions():
    points = reference_keypoints(Shape(), FacePose())
    small = Placement(Shape(), FacePose(), (323, 432)).project(points)
    large = Placement(Shape(), FacePose(), (646, 864)).project(points)
    assert np.allclose((large + 0.5) / 2 - 0.5, small, atol=1e-3)


def test_smooth_grid_reproduces_smooth_fields():
    grid = SmoothGrid((90, 131), step=5)
    x, y = grid.pixels()[..., 0], grid.pixels()[..., 1]
    expanded = grid.expand(np.sin(x / 25) + np.cos(y / 30))
    yy, xx = np.mgrid[:90, :131]
    assert expanded.shape == (90, 131)
    assert np.abs(expanded - np.sin(xx / 25) - np.cos(yy / 30)).max() < 2e-3


@pytest.mark.parametrize("blink", [0.0, 0.5, 1.0])
def test_eye_keypoints_lie_on_the_rim_of_the_opening(blink):
    lids = Eyelids(EyeShape(), blink)
    top, front, bottom, back = points = lids.keypoints()
    assert np.abs(lids.depth(points[:, 0], points[:, 1])).max() < 0.5
    centre = (top + bottom) / 2
    assert lids.depth(*centre) > 0
    outside = np.array([top + lids.up * 4, bottom - lids.up * 4, front - lids.axis * 4,
                        back + lids.axis * 4])  # fmt: skip
    assert (lids.depth(outside[:, 0], outside[:, 1]) < -1).all()


def test_blinking_brings_the_lids_together_and_leaves_the_corners():
    opening = []
    for blink in (0.0, 0.3, 0.6, 1.0):
        top, front, bottom, back = Eyelids(EyeShape(), blink).keypoints()
        opening.append(np.linalg.norm(top - bottom))
        assert np.allclose([front, back], Eyelids(EyeShape(), 0).keypoints()[[1, 3]])
    assert np.all(np.diff(opening) < -20)
    assert opening[-1] < 14


@pytest.mark.parametrize(
    ("pose", "moved"),
    [
        (FacePose(nose=(-12, 6)), ["nose top", "nose tip", "nose bottom"]),
        (FacePose(pad=(-14, 0)), ["whisker 1", "whisker 2", "whisker 3"]),
        (FacePose(jaw=(0, 14)), ["lip"]),
        (FacePose(eye=(5, 4)), ["eye top", "eye front", "eye bottom", "eye back"]),
        (FacePose(whisk=1.0), ["whisker 1"]),
    ],
)
def test_each_movement_moves_its_own_keypoints_most(pose, moved):
    def project(at):
        return Placement(Shape(), at, SIZE).project(reference_keypoints(Shape(), at))

    distance = np.linalg.norm(project(pose) - project(FacePose()), axis=1)
    own = [MOUSE_FACE.index(name) for name in moved]
    others = np.delete(distance, own)
    assert distance[own].min() > 2
    assert distance[own].min() > others.max()


def test_camera_drift_and_roll_move_everything_rigidly():
    points = reference_keypoints(Shape(), FacePose())
    still = Placement(Shape(), FacePose(), SIZE).project(points)
    moved = Placement(Shape(), FacePose(drift=(5, -3), roll=0.02), SIZE).project(points)
    between = np.linalg.norm(still[:, None] - still[None], axis=-1)
    assert np.allclose(between, np.linalg.norm(moved[:, None] - moved[None], axis=-1), atol=1e-3)
    assert np.linalg.norm(moved - still, axis=1).min() > 1
