"""Files that are cut off, damaged or no videos: one clear sentence, and the rest can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from napari_vitface.errors import VideoError
from napari_vitface.video import Scale, open_video
from napari_vitface.video.picture import PictureConverter


def numbers(numbered: Any, video: Any) -> list[int | None]:
    return [None if frame is None else numbered.read(frame) for _, frame in video.frames()]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_a_damaged_frame_in_the_middle_keeps_its_number(
    numbered: Any, tmp_path: Path, suffix: str, codec: str
) -> None:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = numbered.write(
        tmp_path / f"video{suffix}", 100, codec, pixel_format=pixel_format, gop=20
    )
    numbered.damage(path, [45, 72])
    with open_video(path) as video:
        assert len(video) == 100
        found = numbers(numbered, video)
        assert [i for i, number in enumerate(found) if number is None] == [45, 72]
        # Up to the damage, and from the next key frame on, all is as it was.
        for part in (range(45), range(60, 72), range(80, 100)):
            assert [found[i] for i in part] == list(part)
        with pytest.raises(VideoError, match=r"Frame 45 of .*video.* use another frame"):
            video[45]
        assert numbered.read(video[44]) == 44
        assert numbered.read(video[60]) == 60
        scaled = dict(video.frames(range(40, 50), scale=Scale(None, (32, 48), True)))
        assert scaled[45] is None
        assert scaled[44] is not None

    with open_video(path, on_broken="blank") as video:
        assert not video[45].any()
        assert video[43:47].shape == (4, 64, 96)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_frames_after_a_broken_key_frame_are_the_same_however_they_are_reached(
    numbered: Any, tmp_path: Path, suffix: str
) -> None:
    path = numbered.write(tmp_path / f"video{suffix}", 120, gop=30, b_frames=2)
    numbered.damage(path, [60])
    with open_video(path) as video:
        assert len(video) == 120
        in_order = numbers(numbered, video)
        assert in_order[:60] == list(range(60))
        assert in_order[60] is None
        assert in_order[90:] == list(range(90, 120))
    for i in (85, 66, 61):
        with open_video(path, on_broken="blank") as video:
            expected = in_order[i]
            assert numbered.read(video[i]) == (0 if expected is None else expected)


def test_a_damaged_stretch_at_the_start_does_not_shift_what_follows(
    numbered: Any, tmp_path: Path
) -> None:
    path = numbered.write(tmp_path / "video.avi", 100, gop=20, b_frames=2)
    numbered.damage(path, [5, 6, 20])
    with open_video(path) as video:
        assert len(video) == 100
        assert [numbered.read(video[i]) for i in range(40, 100)] == list(range(40, 100))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "mjpeg"),
        (".mp4", "libx264"),
        (".mov", "libx264"),
        (".avi", "mjpeg"),
        (".avi", "libx264"),
        (".mkv", "libx264"),
        (".webm", "libvpx"),
    ],
)
@pytest.mark.parametrize("share", [0.75, 0.6])
def test_a_video_cut_off_in_the_middle_has_the_count_that_decodes(
    numbered: Any, tmp_path: Path, suffix: str, codec: str, share: float
) -> None:
    whole = numbered.write(
        tmp_path / f"whole{suffix}",
        200,
        codec,
        gop=25,
        options={"deadline": "realtime"} if codec == "libvpx" else None,
        pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
        container_options={"movflags": "faststart"} if suffix in (".mp4", ".mov") else None,
    )
    path = tmp_path / f"cut{suffix}"
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with open_video(path) as video:
        assert 10 < len(video) < 200
        found = numbers(numbered, video)
        assert found == list(range(len(video)))
        (problem,) = video.problems
        assert "cut off" in problem
        assert path.name in problem
        assert str(len(video)) in problem
        if suffix != ".mkv" and suffix != ".webm":
            assert "promises 200 frames" in problem
        with pytest.raises(IndexError):
            video[len(video)]


def test_frames_that_do_not_decode_at_the_end_do_not_count(numbered: Any, tmp_path: Path) -> None:
    # As after a power cut on a file system that had reserved the room: the table is there, the
    # last packets are zeros.
    path = numbered.write(tmp_path / "video.mp4", 100, gop=20)
    numbered.damage(path, range(93, 100))
    with open_video(path) as video:
        assert len(video) == 93
        assert numbered.read(video[-1]) == 92
        assert "7 of its 100 frames" in video.problems[0]


def test_recordings_that_begin_before_their_first_key_frame(numbered: Any, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "video.avi", 60, gop=20)
    numbered.damage(path, [0])
    expected = [number for number in numbers(numbered, open_video(path)) if number is not None]
    with open_video(path) as video:
        assert video[0].shape == (64, 96)
        assert video.times[0] == 0
        assert numbered.read(video[-1]) == 59
        assert expected[-40:] == list(range(20, 60))


def refused(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        open_video(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing.mp4")
    assert "no images" in refused(tmp_path)
    for suffix in (".mp4", ".avi", ".png", ".tif"):
        empty = tmp_path / f"empty{suffix}"
        empty.touch()
        assert "empty" in refused(empty)
        text = tmp_path / f"text{suffix}"
        text.write_text("Dear diary,\n" * 200)
        refused(text)
    unknown = tmp_path / "notes.txt"
    unknown.write_text("nothing")
    assert "not a kind of video" in refused(unknown)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for part in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 44100
            frame.pts = part * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "only sound" in refused(path)


def test_a_video_none_of_whose_frames_decodes_is_refused(numbered: Any, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "video.avi", 40, "mjpeg", pixel_format="yuvj420p")
    numbered.damage(path, range(40))
    assert "None of the frames" in refused(path)


def test_a_video_whose_times_leave_no_frame_to_show_is_refused(
    numbered: Any, tmp_path: Path
) -> None:
    path = numbered.write(tmp_path / "video.mp4", 12, b_frames=2)
    data = bytearray(path.read_bytes())
    entry = data.index(b"ctts") + 12  # first entry: for how many frames, how much later
    data[entry : entry + 8] = b"\x00\xff\xff\xff\xff\x80\x00\x00"
    path.write_bytes(data)
    assert "None of the frames" in refused(path)


def test_closing_gives_the_file_back(numbered: Any, tmp_path: Path) -> None:
    video = open_video(numbered.write(tmp_path / "video.mp4", 10))
    video.close()
    video.close()
    assert video.shape == (10, 64, 96)
    with pytest.raises(VideoError, match="closed"):
        video[0]


def test_a_frame_of_colours_that_cannot_be_converted_is_broken(
    numbered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise av.error.OSError(95, "Operation not supported")

    path = numbered.write(tmp_path / "video.mp4", 5)
    with open_video(path) as video:
        monkeypatch.setattr(PictureConverter, "upright", refuse)
        with pytest.raises(VideoError, match="Frame 2"):
            video[2]
        assert [image for _, image in video.frames()] == [None] * 5
