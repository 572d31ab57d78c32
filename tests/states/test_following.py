"""A crop that follows the face, and the geometry of its keypoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.transform import SimilarityTransform, warp

from napari_vitface.errors import VitFaceError
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.settings.features import choose
from napari_vitface.states.features.compute import features_of
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.states.features.following import FollowingCrop
from napari_vitface.states.features.geometry import groups_of
from napari_vitface.video import open_video

NAMES = ("eye top", "eye front", "eye bottom", "eye back", "nose tip", "mouth")
FACE = np.array([(60, 40), (68, 46), (60, 52), (52, 46), (90, 60), (78, 70)], np.float64)
MIDDLE = FACE.mean(axis=0)
COUNT = 40
Folder = Callable[..., Path]


def moved(frame: int) -> SimilarityTransform:
    """How the face lies in a frame: slowly turned, grown and carried about, and back."""
    phase = np.sin(2 * np.pi * frame / COUNT)
    about = SimilarityTransform(translation=-MIDDLE)
    turned = SimilarityTransform(
        scale=1 + 0.15 * phase,
        rotation=np.deg2rad(12 * phase),
        translation=MIDDLE + 8 * phase * np.array([1, -0.5]),
    )
    return about + turned


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    noise = np.random.default_rng(3).normal(size=(110, 150))
    smooth = gaussian_filter(noise, 4)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def filmed(folder_of: Folder, picture: NDArray[np.uint8]) -> tuple[Path, PoseTable]:
    """A face that moves, and its keypoints."""
    images, xy = [], []
    for frame in range(COUNT):
        how = moved(frame)
        images.append(warp(picture, how.inverse, order=3, preserve_range=True).astype(np.uint8))
        xy.append(how(FACE))
    return folder_of(images), PoseTable(KeypointSet(NAMES), np.array(xy))


def test_a_crop_that_follows_the_pose_shows_the_same_face_in_every_frame(
    filmed: tuple[Path, PoseTable], picture: NDArray[np.uint8]
) -> None:
    path, poses = filmed
    video = open_video(path)
    crop = FollowingCrop(video, poses, (40, 30, 60, 50), turning=True)
    seen = [crop.cut(video[frame], frame).astype(float) for frame in range(COUNT)]
    upright = picture[30:80, 40:100].astype(float)
    fixed = [video[frame][30:80, 40:100].astype(float) for frame in range(COUNT)]
    error = [np.abs(image - upright).mean() for image in seen]
    assert max(error) < 4
    assert max(np.abs(image - upright).mean() for image in fixed) > 25
    expected = [(moved(i).rotation, moved(i).scale) for i in (10, 30)]
    placement = crop.placement(np.array([10, 30]))
    np.testing.assert_allclose(
        placement[:, 2:], [(np.rad2deg(turn), zoom) for turn, zoom in expected], atol=0.7
    )
    centre = moved(10)([[40 + 59 / 2, 30 + 49 / 2]])[0]
    np.testing.assert_allclose(placement[0, :2], centre, atol=0.8)


def test_a_crop_that_follows_the_position_is_not_turned(
    filmed: tuple[Path, PoseTable],
) -> None:
    path, poses = filmed
    video = open_video(path)
    crop = FollowingCrop(video, poses)
    placement = crop.placement(np.arange(COUNT))
    np.testing.assert_array_equal(placement[:, 2:], [(0, 1)] * COUNT)
    # Around all keypoints, and a quarter of their extent on each side.
    assert crop.rectangle[0] == pytest.approx(FACE[:, 0].min() - 0.25 * 38, abs=2)
    assert crop.size == pytest.approx((45, 57), abs=2)
    np.testing.assert_allclose(placement[10, :2] - placement[0, :2], (8, -4), atol=0.8)
    frame = 10
    x, y = placement[frame, :2] - (np.array(crop.size)[::-1] - 1) / 2
    around = video[frame].astype(float)
    np.testing.assert_allclose(
        crop.cut(video[frame], frame)[5, 7], around[round(y) + 5, round(x) + 7], atol=15
    )


def test_features_of_a_crop_that_follows_do_not_see_the_movement(
    filmed: tuple[Path, PoseTable],
) -> None:
    path, poses = filmed
    video = open_video(path)
    kinds = choose("hog,position", {"cell": 10})
    rectangle = (40, 30, 60, 50)
    following = Material(video, FollowingCrop(video, poses, rectangle, turning=True), poses)
    frames, values, (hog, _) = features_of(kinds, following)
    _, still, _ = features_of(kinds, Material(video, FixedCrop.of(video, rectangle)))
    width = len(hog.columns)
    assert frames.tolist() == list(range(COUNT))
    assert values[:, :width].std(axis=0).mean() < 0.4 * still[:, :width].std(axis=0).mean()
    np.testing.assert_allclose(values[:, width + 3], following.crop.placement(frames)[:, 3])


def test_single_leaps_and_missing_keypoints_do_not_move_the_crop(
    filmed: tuple[Path, PoseTable],
) -> None:
    path, poses = filmed
    video = open_video(path)
    steady = FollowingCrop(video, poses, turning=True).placement(np.arange(COUNT))
    xy = poses.xy.copy()
    xy[12] += 60
    xy[20:23] = np.nan
    xy[25, :5] = np.nan
    shaken = FollowingCrop(video, PoseTable(poses.keypoints, xy), turning=True)
    np.testing.assert_allclose(shaken.placement(np.arange(COUNT))[:, :2], steady[:, :2], atol=2.5)


def test_geometry_knows_neither_place_nor_tilt_nor_size(filmed: tuple[Path, PoseTable]) -> None:
    path, poses = filmed
    video = open_video(path)
    material = Material(video, FixedCrop.of(video), poses)
    _, values, (extractor,) = features_of(choose("geometry", {}), material)
    named = dict(zip(extractor.columns, values.T, strict=True))
    assert len(extractor.columns) == 15 + 4 + 1 + 6
    for name, column in named.items():
        np.testing.assert_allclose(column, column[0], rtol=1e-3, atol=2e-2, err_msg=name)
    # A rhombus of 16 x 12 pixels, in units of the face.
    size = np.sqrt(np.mean(np.sum((FACE - MIDDLE) ** 2, axis=1)))
    assert named["distance eye top – eye bottom"][0] == pytest.approx(12 / size, rel=0.02)
    assert named["area eye top eye front eye bottom eye back"][0] == pytest.approx(
        16 * 12 / 2 / size**2, rel=0.02
    )
    assert named["angle eye front"][0] == pytest.approx(2 * np.rad2deg(np.arctan(6 / 8)), abs=0.5)


def test_geometry_sees_an_eye_that_closes_and_how_fast(filmed: tuple[Path, PoseTable]) -> None:
    path, poses = filmed
    video = open_video(path)
    xy = np.tile(FACE, (COUNT, 1, 1))
    xy[20, 0, 1] += 4
    xy[20, 2, 1] -= 4
    material = Material(video, FixedCrop.of(video), PoseTable(poses.keypoints, xy))
    _, values, (extractor,) = features_of(choose("geometry", {}), material)
    named = dict(zip(extractor.columns, values.T, strict=True))
    area = named["area eye top eye front eye bottom eye back"]
    assert area[20] / area[19] == pytest.approx(1 / 3, abs=0.05)
    speed = named["speed eye top"]
    assert speed[0] == 0
    size = np.sqrt(np.mean(np.sum((FACE - MIDDLE) ** 2, axis=1)))
    # Images without times: by the frame.
    assert speed[20] == pytest.approx(4 / size, rel=0.2)
    assert speed[10] == pytest.approx(0, abs=1e-4)
    _, without, _ = features_of(choose("geometry", {"speeds": False}), material)
    assert without.shape[1] == values.shape[1] - len(NAMES)


def test_keypoints_that_are_not_sure_are_missing(filmed: tuple[Path, PoseTable]) -> None:
    path, poses = filmed
    video = open_video(path)
    confidence = np.ones((COUNT, len(NAMES)), np.float32)
    confidence[7, 4] = 0.3
    table = PoseTable(poses.keypoints, poses.xy, confidence)
    material = Material(video, FixedCrop.of(video), table)
    _, values, (extractor,) = features_of(choose("geometry", {"sure": 0.5}), material)
    lost = {extractor.columns[i] for i in np.flatnonzero(np.isnan(values[7])).tolist()}
    assert all("nose tip" in name for name in lost)
    assert "distance eye top – nose tip" in lost
    assert not np.isnan(values[[6, 9]]).any()


def test_keypoints_belong_together_by_the_skeleton_or_by_their_names() -> None:
    assert groups_of(KeypointSet(NAMES)) == [[0, 1, 2, 3], [4], [5]]
    skeleton = (("mouth", "nose tip"), ("eye top", "eye front"))
    assert groups_of(KeypointSet(NAMES, skeleton=skeleton)) == [[0, 1], [2], [3], [4, 5]]


def test_what_cannot_be_followed_is_refused(filmed: tuple[Path, PoseTable]) -> None:
    path, poses = filmed
    video = open_video(path)
    with pytest.raises(VitFaceError, match="fewer than two keypoints"):
        FollowingCrop(video, PoseTable.empty(poses.keypoints, COUNT))
    with pytest.raises(VitFaceError, match="there are no predictions of frames"):
        features_of(choose("geometry", {}), Material(video, FixedCrop.of(video)))
