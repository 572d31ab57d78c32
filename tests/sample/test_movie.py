"""The sample movie and the faces for training."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PointState
from napari_vitface.sample import MouseFaceSample, random_face, write_sample_video

SMALL = (120, 160)
INDEX = {name: MOUSE_FACE.index(name) for name in MOUSE_FACE.names}


def test_movie_looks_like_a_stack_of_grey_frames():
    movie = MouseFaceSample(frames=12, size=SMALL)
    assert len(movie) == 12
    assert movie.shape == (12, *SMALL)
    assert movie.dtype == np.uint8
    assert movie.keypoints is MOUSE_FACE
    assert movie[3].shape == SMALL
    assert movie[3].dtype == np.uint8
    assert np.array_equal(movie[-1], movie[11])
    assert np.array_equal(movie[2:8:3], np.stack([movie[2], movie[5]]))
    # How napari asks a lazy array for one frame.
    assert np.array_equal(movie[(slice(4, 5), slice(None), slice(None))], movie[4][None])
    assert np.array_equal(movie[4, 10:20, ::2], movie[4][10:20, ::2])
    assert np.asarray(movie).shape == movie.shape
    with pytest.raises(IndexError, match="movie of 12 frames"):
        movie[12]


def test_poses_are_labelled_exact_and_free_of_rendering():
    movie = MouseFaceSample(frames=30, size=(480, 640))
    table = movie.poses
    assert table.xy.shape == (30, 12, 2)
    assert (table.state == PointState.LABELLED).all()
    assert (table.confidence == 1).all()
    assert table.keypoints is MOUSE_FACE


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from napari_vitface.sample import MouseFaceSample;"
        "m = MouseFaceSample(seed=5, size=(96, 128));"
        "print(hashlib.sha256(m[7].tobytes() + m.poses.xy.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    movie = MouseFaceSample(seed=5, size=(96, 128))
    own = hashlib.sha256(movie[7].tobytes() + movie.poses.xy.tobytes()).hexdigest()
    assert other.stdout.strip() == own


def test_another_seed_gives_another_mouse_and_movement():
    a, b = (MouseFaceSample(seed=seed, frames=40, size=SMALL) for seed in (0, 1))
    assert np.abs(a[0].astype(int) - b[0]).mean() > 5
    assert np.abs(a.poses.xy[0] - b.poses.xy[0]).max() > 1
    still = (table.xy - table.xy.mean(0) for table in (a.poses, b.poses))
    assert np.abs(np.subtract(*still)).max() > 1


def test_a_longer_movie_starts_like_a_shorter_one():
    short, long = (MouseFaceSample(frames=n, size=SMALL) for n in (10, 25))
    assert np.array_equal(short.poses.xy, long.poses.xy[:10])
    assert np.array_equal(short[9], long[9])


@pytest.mark.parametrize("seed", range(6))
def test_movement_is_continuous_and_stays_in_the_frame(seed):
    movie = MouseFaceSample(seed=seed, frames=1000, size=(480, 640))
    xy = movie.poses.xy
    assert (xy >= 0).all()
    assert (xy <= [639, 479]).all()
    step = np.linalg.norm(np.diff(xy, axis=0), axis=-1).max(0)
    lids = [INDEX["eye top"], INDEX["eye bottom"]]
    assert step[lids].max() < 14  # a blink closes the eye within 80 ms
    assert np.delete(step, lids).max() < 8


@pytest.mark.parametrize("seed", range(6))
def test_everything_that_should_move_does(seed):
    xy = MouseFaceSample(seed=seed, frames=500, size=(646, 864)).poses.xy
    opening = np.linalg.norm(xy[:, INDEX["eye top"]] - xy[:, INDEX["eye bottom"]], axis=1)
    assert opening.min() < 0.3 * np.median(opening)  # it blinks
    assert np.mean(opening < 0.8 * np.median(opening)) < 0.25  # but has its eye open mostly
    span = np.ptp(xy, axis=0)
    assert span[INDEX["whisker 1"], 0] > 20
    assert span[INDEX["nose tip"]].max() > 6
    assert span[INDEX["eye front"]].max() < 25
    mouth = np.linalg.norm(xy[:, INDEX["lip"]] - xy[:, INDEX["mouth"]], axis=1)
    assert np.ptp(mouth) > 3


@pytest.mark.parametrize("seed", range(6))
def test_the_default_movie_shows_a_blink_and_a_lick(seed):
    movie = MouseFaceSample(seed=seed)
    poses = [movie.parameters(i).pose for i in range(len(movie))]
    assert max(pose.blink for pose in poses) > 0.9
    assert max(pose.tongue for pose in poses) > 0.4


def test_moved_keypoints_take_the_picture_with_them():
    """The patch about the nose tip is the same in two frames in which the nose is elsewhere."""
    movie = MouseFaceSample(seed=2, frames=200, size=(480, 640))
    tips = movie.poses.xy[:, INDEX["nose tip"]]
    first, last = int(tips[:, 1].argmin()), int(tips[:, 1].argmax())
    assert np.linalg.norm(tips[first] - tips[last]) > 4

    def patch(frame, centre):
        x, y = np.round(centre).astype(int)
        return movie[frame][y - 12 : y + 13, x - 12 : x + 13].astype(float).ravel()

    followed = np.corrcoef(patch(first, tips[first]), patch(last, tips[last]))[0, 1]
    left_behind = np.corrcoef(patch(first, tips[first]), patch(last, tips[first]))[0, 1]
    assert followed > 0.9
    assert followed > left_behind + 0.03


def test_random_faces_differ_and_keep_their_keypoints_inside():
    rng = np.random.default_rng(3)
    size = (96, 128)
    faces = [random_face(rng, size) for _ in range(40)]
    xy = np.stack([points for _, points in faces])
    assert xy.dtype == np.float32
    assert np.isfinite(xy).all()
    assert (xy >= 0).all()
    assert (xy <= [127, 95]).all()
    assert xy.std(axis=0).min() > 1.5
    means = np.array([image.mean() for image, _ in faces])
    assert means.min() < 40 < means.max()
    assert all(image.shape == size and image.dtype == np.uint8 for image, _ in faces)
    again = (
        random_face(np.random.default_rng(11), size),
        random_face(np.random.default_rng(11), size),
    )
    assert np.array_equal(again[0][0], again[1][0])
    assert np.array_equal(again[0][1], again[1][1])


def test_random_faces_keep_the_anatomy_in_order():
    """Whatever the variation, nobody would name the keypoints differently."""
    rng = np.random.default_rng(4)
    for _ in range(30):
        xy = dict(zip(MOUSE_FACE.names, random_face(rng, (48, 64))[1], strict=True))
        assert xy["nose tip"][0] < xy["whisker 1"][0] < xy["eye back"][0]
        assert xy["nose tip"][0] < xy["mouth"][0] < xy["lip"][0]
        assert xy["eye front"][0] < xy["eye back"][0]
        assert xy["eye top"][1] < xy["eye bottom"][1] + 0.5
        assert xy["nose top"][1] < xy["nose bottom"][1] < xy["mouth"][1]
        assert xy["whisker 2"][1] < xy["whisker 1"][1] < xy["whisker 3"][1]


def test_sample_video_decodes_to_the_rendered_frames(tmp_path):
    from napari_vitface.video import open_video

    path = tmp_path / "sample.mp4"
    table = write_sample_video(path, seed=1, frames=8, size=SMALL, frame_rate=50)
    movie = MouseFaceSample(seed=1, frames=8, size=SMALL, frame_rate=50)
    assert np.array_equal(table.xy, movie.poses.xy)
    video = open_video(path)
    assert len(video) == 8
    assert video.frame_rate == pytest.approx(50)
    frame = np.asarray(video[5])
    grey = frame if frame.ndim == 2 else frame.mean(axis=-1)
    assert np.abs(grey - movie[5].astype(float)).mean() < 6
