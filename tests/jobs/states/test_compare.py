"""Comparing frames through jobs: real clips in, arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.results.states import CompareFramesResult, LikenessResult, MeanFaceResult
from napari_vitface.jobs.states.compare import compare_frames
from napari_vitface.jobs.states.faces import mean_face
from napari_vitface.jobs.states.features import features
from napari_vitface.jobs.states.likeness import likeness
from napari_vitface.video import open_video

CROP = (8, 6, 92, 76)


@pytest.fixture
def clip(real_data: Path) -> Path:
    return real_data / "der" / "ECO_3_000_M_500uA_0.mp4"


@pytest.fixture
def hog(clip: Path, tmp_path: Path) -> Path:
    *_, last = features(clip, "hog", crop=CROP, output_dir=tmp_path)
    assert isinstance(last, Finished)
    return Path(last.result.files[0].path)


def test_frames_of_a_clip_are_compared(hog: Path, clip: Path) -> None:
    *_, last = compare_frames(hog, intervals={"shock": [(40, 60)], "never": [(500, 600)]})
    assert isinstance(last, Finished)
    result = last.result
    assert isinstance(result, CompareFramesResult)
    assert (result.kind, result.labels) == ("hog", ("shock",))
    assert [Path(each).name for each in result.videos] == [clip.name]
    assert result.frames.tolist() == list(range(100))
    assert np.flatnonzero(result.label == 0).tolist() == list(range(40, 60))
    assert result.similarity.shape == (100, 100)
    np.testing.assert_allclose(np.diagonal(result.similarity), 1, atol=1e-3)
    assert sorted(result.clusters.tolist()) == list(range(100))
    assert result.explained is not None
    assert result.explained[0] > result.explained[1] > 0
    # The shock is what changes this face most.
    quiet, shocked = result.points[:40, 0], result.points[41:60, 0]
    assert abs(shocked.mean() - quiet.mean()) > 2 * quiet.std()


def test_every_frame_is_compared_with_the_typical_face_of_each_label(hog: Path) -> None:
    *_, last = likeness(hog, {"shock": [(41, 60)], "never": [(300, 310)]})
    assert isinstance(last, Finished)
    result = last.result
    assert isinstance(result, LikenessResult)
    assert (result.labels, result.frames) == (("shock",), (0, 100, 1))
    assert result.similarity.shape == (100, 1)
    like = result.similarity[:, 0]
    # The face stays other than it was, and most so at once.
    assert like[41:60].mean() > like[60:].mean() > like[:40].mean()
    with pytest.raises(VitFaceError, match="has a label"):
        list(likeness(hog, {}))


def test_the_mean_face_of_a_crop(clip: Path) -> None:
    *_, last = mean_face(clip, range(41, 60), range(40), crop=CROP)
    assert isinstance(last, Finished)
    result = last.result
    assert isinstance(result, MeanFaceResult)
    assert (result.corner, result.mean.shape) == ((8, 6), (76, 92))
    with open_video(clip) as video:
        part = video[:60][:, 6:82, 8:100].astype(np.float64)
    np.testing.assert_allclose(result.mean, part[41:60].mean(axis=0), atol=1e-2)
    expected = part[41:60].mean(axis=0) - part[:40].mean(axis=0)
    np.testing.assert_allclose(result.contrast, expected, atol=1e-2)
    with pytest.raises(VitFaceError, match="frames 0 to 99, and no frame 100"):
        list(mean_face(clip, [3, 100]))
    with pytest.raises(VitFaceError, match="and none is chosen"):
        list(mean_face(clip, []))
