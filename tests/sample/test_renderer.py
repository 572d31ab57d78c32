"""What is drawn lies where the keypoints say, measured in the image alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.sample.anatomy import FacePose, Shape
from napari_vitface.sample.eye import EyeLook
from napari_vitface.sample.light import Background, Camera
from napari_vitface.sample.renderer import FaceParameters, FurLook, face_keypoints, render
from napari_vitface.sample.whiskers import WhiskerLook

SIZE = (646, 864)
SHARP = Camera(gain=0.5, blur=0.0, shot_noise=0.0, read_noise=0.0)
BALD = WhiskerLook(rows=0, columns=0, lips=0, nose=0, stubble=0)
#: No noise, no blur, no reflections in the eye, shaven, no whiskers and nothing overexposed.
PLAIN = FaceParameters(
    fur=FurLook(relief=0.05, thin=20.0),
    eye=EyeLook(ball=0, glint=0, wet=0, rim=0.3),
    whiskers=BALD,
    background=Background(level=0.0),
    camera=SHARP,
)
OTHERS = [
    Shape(),
    Shape(scale=0.9, rotation=0.12, shift=(20, 15)),
    Shape(bumps=((-14, 9), (8, -12), (10, 20), (6, -5), (-8, 7), (5, 4), (12, -9), (0, 20),
                 (12, 14), (-10, 10)), shift=(0, 10)),
]  # fmt: skip


def draw(parameters, size=SIZE, seed=0):
    image, xy = render(parameters, size, np.random.default_rng(seed))
    return image.astype(float), dict(zip(MOUSE_FACE.names, xy.astype(float), strict=True))


def eye_pixels(image, points):
    """x, y of the dark blob about the middle of the eye."""
    centre = (points["eye top"] + points["eye bottom"]) / 2
    labels, _ = ndimage.label(image < 8)
    blob = labels == labels[round(centre[1]), round(centre[0])]
    y, x = np.nonzero(blob)
    return np.stack([x, y], axis=1)


@pytest.mark.parametrize("shape", OTHERS)
@pytest.mark.parametrize("blink", [0.0, 0.45])
def test_eye_keypoints_are_extremes_of_the_dark_opening(shape, blink):
    image, points = draw(replace(PLAIN, shape=shape, pose=FacePose(blink=blink)))
    blob = eye_pixels(image, points)
    assert len(blob) > 1500
    # The rotation of the axis from corner to corner is what a person sees as the eye's own.
    axis = points["eye back"] - points["eye front"]
    axis = axis / np.linalg.norm(axis)
    normal = np.array([axis[1], -axis[0]])
    along, up = (blob - points["eye front"]) @ axis, (blob - points["eye front"]) @ normal
    for name, measured in (("eye top", up.max()), ("eye bottom", up.min())):
        assert (points[name] - points["eye front"]) @ normal == pytest.approx(measured, abs=2.5)
    for name in ("eye top", "eye front", "eye bottom", "eye back"):
        assert np.linalg.norm(blob - points[name], axis=1).min() < 3
    assert along.min() == pytest.approx(0, abs=5)


def test_a_closed_eye_leaves_only_a_line():
    open_eye = len(eye_pixels(*draw(PLAIN)))
    image, points = draw(replace(PLAIN, pose=FacePose(blink=1.0)))
    x, y = ((points["eye front"] + points["eye back"]) / 2).astype(int)
    dark = (image[y - 60 : y + 60, x - 60 : x + 60] < 8).sum()
    assert dark < 0.2 * open_eye


# Away from the face, in the image, where each keypoint of the silhouette lies.
OUTWARD = {"nose top": (-0.5, -0.87), "nose tip": (-1, 0), "nose bottom": (-1, 0.2),
           "mouth": (-0.5, 0.87), "lip": (-0.45, 0.89)}  # fmt: skip


def edge_offset(image, point, direction):
    """How far along a direction from a point the light falls to half of what it is inside."""
    along = np.arange(-12, 25, 0.25)
    path = point + along[:, None] * np.array(direction)
    light = ndimage.map_coordinates(ndimage.gaussian_filter(image, 1.5), path[:, ::-1].T, order=1)
    inside = light[along < -6].mean()
    return along[np.nonzero(light > inside / 2)[0].max()]


@pytest.mark.parametrize("shape", OTHERS)
def test_nose_mouth_and_lip_lie_on_the_edge_of_the_face(shape):
    image, points = draw(replace(PLAIN, shape=shape))
    for name, direction in OUTWARD.items():
        cos, sin = np.cos(shape.rotation), np.sin(shape.rotation)
        x, y = direction
        outward = (x * cos - y * sin, x * sin + y * cos)
        assert abs(edge_offset(image, points[name], outward)) < 3.5, name


def test_nose_tip_is_at_the_leftmost_edge():
    image, points = draw(PLAIN)
    y = points["nose tip"][1]
    edges = [edge_offset(image, np.array([130.0, row]), (-1, 0)) for row in range(150, 240)]
    leftmost = 130 - max(edges)
    assert points["nose tip"][0] == pytest.approx(leftmost, abs=3)
    assert 150 < y < 230


def test_the_mouth_is_the_notch_before_the_lower_lip():
    image, points = draw(PLAIN)
    lit = ndimage.gaussian_filter(image, 1) > 0.5 * image[350:380, 300:340].mean()
    lowest = [np.nonzero(lit[:, x])[0].max() for x in range(260, 353)]
    slope = np.diff(ndimage.gaussian_filter1d(np.array(lowest, float), 4))
    # The edge of the upper lip comes to the notch flat and the lower lip leaves it steeply.
    mouth = round(points["mouth"][0]) - 260
    assert slope[mouth - 18 : mouth - 6].mean() < 0.4
    assert slope[mouth + 2 : mouth + 16].mean() > 0.6


@pytest.mark.parametrize(("whisk", "side"), [(0.0, 1), (1.0, -1)])
def test_whisker_keypoints_are_where_whiskers_start(whisk, side):
    pose = FacePose(whisk=whisk)
    only_three = WhiskerLook(rows=3, columns=1, lips=0, nose=0, stubble=0, width=3)
    without, points = draw(replace(PLAIN, pose=pose))
    with_three, _ = draw(replace(PLAIN, pose=pose, whiskers=only_three))
    changed = np.abs(with_three - without) > 5
    labels, count = ndimage.label(changed, structure=np.ones((3, 3)))
    for name in ("whisker 1", "whisker 2", "whisker 3"):
        y, x = np.nonzero(changed)
        near = np.hypot(x - points[name][0], y - points[name][1])
        assert near.min() < 4
        whisker = labels == labels[y[near.argmin()], x[near.argmin()]]
        # The keypoint is at the end of the line, which runs back (whisk 0) or ahead (whisk 1).
        columns = np.nonzero(whisker)[1]
        start = columns.min() if side > 0 else columns.max()
        assert start == pytest.approx(points[name][0], abs=5)
        assert np.ptp(columns) > 20
    assert count >= 3


@pytest.mark.parametrize("size", [(480, 640), (192, 256), (300, 300), (251, 333)])
def test_keypoints_do_not_depend_on_the_size_of_the_rendering(size):
    image, points = draw(PLAIN, size)
    assert image.shape == size
    for name in ("nose tip", "nose bottom"):
        x, y = points[name]
        # Bright on the right of the nose's edge, dark on the left.
        row = image[round(y)]
        reach = max(4, round(size[1] * 0.02))
        assert row[round(x) + reach] > 60
        assert row[max(round(x) - reach, 0)] < 30


def test_face_keypoints_are_those_of_the_rendering():
    parameters = replace(PLAIN, pose=FacePose(nose=(5, 3), whisk=0.8, blink=0.3))
    _, xy = render(parameters, (192, 256), np.random.default_rng(0))
    assert np.array_equal(face_keypoints(parameters, (192, 256)), xy)
    assert xy.dtype == np.float32


def test_only_noise_depends_on_the_generator():
    quiet = replace(FaceParameters(), camera=SHARP)
    a, b = (render(quiet, (96, 128), np.random.default_rng(seed))[0] for seed in (1, 2))
    assert np.array_equal(a, b)
    a, b = (
        render(FaceParameters(), (96, 128), np.random.default_rng(seed))[0].astype(int)
        for seed in (1, 2)
    )
    assert 0 < np.abs(a - b).mean() < 6


def test_licking_opens_the_mouth_and_shows_the_tongue():
    closed, points = draw(PLAIN)
    licking, _ = draw(replace(PLAIN, pose=FacePose(tongue=1.0, jaw=(0, 10))))
    x, y = np.round(points["mouth"]).astype(int)
    below = np.s_[y + 15 : y + 45, x - 30 : x + 15]
    assert closed[below].mean() < 60
    assert (licking[below] > 60).mean() > (closed[below] > 60).mean() + 0.2
