from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import AttentionComputed, Finished
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.predict import predict


@pytest.fixture
def maps_of(tiny_model, resources):
    def maps_of(source: Path, frame: int, **options) -> AttentionComputed:
        options = {"precision": "fp32", "resources": resources, **options}
        *_, computed, finished = explain(source, frame, tiny_model, **options)
        assert isinstance(computed, AttentionComputed)
        assert isinstance(finished, Finished)
        assert finished.result.names == computed.names
        return computed

    return maps_of


def test_each_keypoint_has_a_map_whose_shares_sum_to_one(maps_of, video):
    computed = maps_of(video, 7)
    assert computed.frame == 7
    assert computed.names == ("eye", "nose tip", "mouth", "global")
    assert computed.maps.shape == (4, 4, 5)
    total = computed.maps.sum(axis=(1, 2)) + computed.prefix_share
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert computed.settings["method"] == "rollout"
    assert computed.settings["layers"] == [1, 2]


def test_the_grid_covers_the_padded_input_in_video_pixels(maps_of, video):
    # 128 x 96 becomes 80 x 60 in an input of 80 x 64: patches of 16 are 25.6 video pixels.
    computed = maps_of(video, 0)
    assert computed.scale == pytest.approx((25.6, 25.6))
    assert computed.translate == pytest.approx((96 / 2 - 0.5 - 1.5 * 25.6, 12.8 - 0.5))
    cropped = maps_of(video, 0, crop=(20, 10, 80, 64))
    assert cropped.scale == pytest.approx((16, 16))
    assert cropped.translate == pytest.approx((10 + 7.5, 20 + 7.5))


def test_the_pose_is_the_one_that_predict_finds(maps_of, video, tiny_model, resources):
    list(predict(video, tiny_model, precision="fp32", resources=resources))
    table = read_poses(video.with_name("mouse_vitface_tiny.h5"))
    for frame in (0, 31, -1):
        computed = maps_of(video, frame)
        np.testing.assert_allclose(computed.xy, table.xy[frame], atol=0.5)
        np.testing.assert_allclose(computed.confidence, table.confidence[frame], atol=0.01)
    assert computed.frame == 59


def test_settings_reach_the_maps(maps_of, video):
    plain = maps_of(video, 3, keypoint="eye")
    assert plain.names == ("eye",)
    raw = maps_of(video, 3, keypoint="eye", method="raw", layers="1")
    assert raw.settings["layers"] == [1, 2]
    assert not np.allclose(raw.maps, plain.maps, atol=1e-6)
    hidden = maps_of(video, 3, keypoint="eye", hide_self=True)
    total = hidden.maps.sum() + hidden.prefix_share + hidden.own_share
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert hidden.own_share[0] > 0


def test_what_cannot_be_explained_is_told_in_a_sentence(maps_of, video):
    with pytest.raises(VitFaceError, match=r"mouse\.mp4 has the frames 0 to 59, and no frame 60"):
        maps_of(video, 60)
    with pytest.raises(VitFaceError, match="no keypoint 'tail'"):
        maps_of(video, 0, keypoint="tail")
    with pytest.raises(VideoError, match="does not exist"):
        maps_of(video.with_name("none.mp4"), 0)


def test_a_damaged_frame_is_told(maps_of, tmp_path):
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((96, 128), 50, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:50])
    with pytest.raises(VideoError, match=r"1\.png"):
        maps_of(tmp_path, 1)
    assert maps_of(tmp_path, 2).frame == 2
