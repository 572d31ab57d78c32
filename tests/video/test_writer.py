"""Writing video: complete or not at all, playable, with the frames and times that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VideoError
from napari_vitface.video import VideoWriter, open_video


def test_what_is_written_is_read_back(numbered: Any, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (64, 96), 29.97) as writer:
        for number in range(50):
            writer.write(numbered.draw(number))
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]
    with open_video(path) as video:
        assert len(video) == 50
        assert video.frame_rate == pytest.approx(29.97, abs=0.01)
        assert [numbered.read(frame) for frame in video] == list(range(50))


def test_colours_and_sixteen_bits(tmp_path: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20], image[20:] = (200, 40, 40), (40, 40, 200)
    with VideoWriter(tmp_path / "video.mp4", (40, 60), 30) as writer:
        for _ in range(5):
            writer.write(image)
    with open_video(tmp_path / "video.mp4") as video:
        assert np.abs(video[2].astype(int) - image).mean() < 4
    deep = np.full((40, 60), 12345, np.uint16)
    with VideoWriter(
        tmp_path / "deep.mkv", (40, 60), 30, codec="ffv1", pixel_format="gray16le"
    ) as writer:
        writer.write(deep)
    with open_video(tmp_path / "deep.mkv") as video:
        np.testing.assert_array_equal(video[0], deep)


@pytest.mark.parametrize("size", [(63, 97), (101, 64), (33, 34)])
def test_odd_sizes_are_padded_at_the_far_edges(tmp_path: Path, size: tuple[int, int]) -> None:
    image = np.full(size, 60, np.uint8)
    image[:, -1] = image[-1] = 220
    image[5, 5] = 255
    path = tmp_path / "video.mp4"
    with VideoWriter(path, size, 30, options={"crf": "1"}) as writer:
        writer.write(image)
    with open_video(path) as video:
        height, width = (length + length % 2 for length in size)
        assert video.shape == (1, height, width)
        assert np.abs(video[0][: size[0], : size[1]].astype(int) - image).max() < 25
        assert video[0][0, -1] > 180


def test_frames_may_come_at_their_own_times(numbered: Any, tmp_path: Path) -> None:
    times = [0.0, 0.01, 0.5, 0.51, 2.0, 2.0333]
    for name in ("video.mp4", "video.mkv"):
        with VideoWriter(tmp_path / name, (64, 96), None) as writer:
            for number, time in enumerate(times):
                writer.write(numbered.draw(number), time=time)
        with open_video(tmp_path / name) as video:
            np.testing.assert_allclose(video.times, times, atol=1.1e-3)
            assert [numbered.read(frame) for frame in video] == list(range(6))
    with VideoWriter(tmp_path / "again.mp4", (64, 96), 30) as writer:
        writer.write(numbered.draw(0))
        with pytest.raises(ValueError, match="times of their own"):
            writer.write(numbered.draw(1), time=0.5)


def test_an_error_leaves_what_was_there(numbered: Any, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"the old one")
    writer = VideoWriter(path, (64, 96), 30)
    writer.write(numbered.draw(1))
    with pytest.raises(RuntimeError, match="on purpose"), writer:
        raise RuntimeError("on purpose")
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for path, codec in (
        (tmp_path / "video.mp4", "no-such-codec"),
        (tmp_path / "video.webm", "h264"),
        (tmp_path / "video.unknown", "h264"),
        (tmp_path / "missing" / "video.mp4", "h264"),
    ):
        with pytest.raises(VideoError, match="cannot be written as video"):
            VideoWriter(path, (64, 96), 30, codec=codec)
    with pytest.raises(VideoError, match="cannot be written"):  # noqa: SIM117
        with VideoWriter(tmp_path / "v.mp4", (64, 96), 30, pixel_format="rgb48le") as writer:
            writer.write(np.zeros((64, 96), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="in a video of"),
        VideoWriter(tmp_path / "video.mp4", (64, 96), 30) as writer,
    ):
        writer.write(np.zeros((64, 64), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_no_video(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match="no frame"),
        VideoWriter(tmp_path / "video.mp4", (64, 96), 30),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
