"""A frame number means one frame: in every container and codec that PyAV can write."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.video import VIDEO_SUFFIXES, VideoWriter, open_video

COUNT = 80

H264: dict[str, Any] = {"codec": "libx264"}
B_FRAMES: dict[str, Any] = {"codec": "libx264", "b_frames": 3}
OPEN_GOP: dict[str, Any] = {
    "codec": "libx264",
    "b_frames": 3,
    "options": {"x264-params": "open-gop=1:scenecut=0"},
}
HEVC: dict[str, Any] = {
    "codec": "libx265",
    "options": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:open-gop=1"},
}
MPEG4_B: dict[str, Any] = {"codec": "mpeg4", "b_frames": 2}
MPEG2_B: dict[str, Any] = {"codec": "mpeg2video", "b_frames": 2}
MPEG1: dict[str, Any] = {"codec": "mpeg1video", "b_frames": 1}
MJPEG: dict[str, Any] = {"codec": "mjpeg", "pixel_format": "yuvj420p"}
JPEG2000: dict[str, Any] = {"codec": "jpeg2000", "pixel_format": "gray"}
VP8: dict[str, Any] = {"codec": "libvpx", "options": {"deadline": "realtime"}}
VP9: dict[str, Any] = {
    "codec": "libvpx-vp9",
    "options": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "16"},
}
RAW: dict[str, Any] = {"codec": "rawvideo", "pixel_format": "gray"}
FFV1: dict[str, Any] = {"codec": "ffv1", "pixel_format": "gray"}
WMV: dict[str, Any] = {"codec": "wmv2"}
AV1: dict[str, Any] = {"codec": "libsvtav1", "options": {"preset": "8", "crf": "1"}}

CASES = [
    (".mp4", "h264", H264),
    (".mp4", "b-frames", B_FRAMES),
    (".mp4", "open-gop", OPEN_GOP),
    (".mp4", "hevc", HEVC),
    (".mp4", "mpeg4-b", MPEG4_B),
    (".mp4", "vp9", VP9),
    (".mp4", "av1", AV1),
    (".avi", "mjpeg", MJPEG),
    (".avi", "raw", RAW),
    (".avi", "b-frames", B_FRAMES),
    (".avi", "open-gop", OPEN_GOP),
    (".avi", "mpeg4-b", MPEG4_B),
    (".avi", "ffv1", FFV1),
    (".mov", "b-frames", B_FRAMES),
    (".mov", "raw-palette", RAW),
    (".mov", "mjpeg", MJPEG),
    (".mkv", "open-gop", OPEN_GOP),
    (".mkv", "hevc", HEVC),
    (".mkv", "mpeg4-b", MPEG4_B),
    (".mkv", "ffv1", FFV1),
    (".m4v", "b-frames", B_FRAMES),
    (".m4v", "mpeg4", {"codec": "mpeg4"}),
    (".mj2", "jpeg2000", {**JPEG2000, "container": "mov"}),
    (".mpeg", "mpeg1", MPEG1),
    (".mpeg", "mpeg2-b", MPEG2_B),
    (".mpg", "h264", B_FRAMES),
    (".mpg", "transport-stream", {**B_FRAMES, "container": "mpegts"}),
    (".asf", "mpeg4-b", MPEG4_B),
    (".asf", "h264", B_FRAMES),
    (".wmv", "wmv2", WMV),
    (".wmv", "msmpeg4", {"codec": "msmpeg4"}),
    (".webm", "vp8", VP8),
    (".webm", "vp9", VP9),
]


def test_every_listed_container_is_tried() -> None:
    assert {suffix for suffix, _, _ in CASES} == set(VIDEO_SUFFIXES)


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [pytest.param(suffix, settings, id=f"{suffix[1:]}-{name}") for suffix, name, settings in CASES],
)
def test_each_way_of_reading_gives_the_frames_of_sequential_decoding(
    numbered: Any, tmp_path: Path, suffix: str, settings: dict[str, Any]
) -> None:
    try:
        path = numbered.write(tmp_path / f"video{suffix}", COUNT, **settings)
    except ValueError as error:
        pytest.skip(f"this build of FFmpeg cannot write it: {error}")
    expected = numbered.decode(path)
    assert len(set(expected)) == COUNT

    # A cache of a few frames, so that hardly any request is answered from memory.
    frame_bytes = 64 * 96 * 3
    with open_video(path, cache_bytes=4 * frame_bytes) as video:
        assert len(video) == len(expected)
        assert video.problems == ()
        shuffled = random.Random(0).sample(range(COUNT), 30)
        for order in (shuffled, range(COUNT - 1, COUNT - 41, -1), range(COUNT)):
            assert [numbered.read(video[i]) for i in order] == [expected[i] for i in order]
        assert [numbered.read(frame) for frame in video[40:4:-9]] == expected[40:4:-9]
        streamed = [(i, frame) for i, frame in video.frames(range(3, COUNT, 7))]
        assert [i for i, _ in streamed] == list(range(3, COUNT, 7))
        assert [numbered.read(frame) for _, frame in streamed] == expected[3::7]
        assert (np.diff(video.times) > 0).all()
        assert video.frame_rate == pytest.approx(25, rel=0.01)


def test_variable_frame_rate_keeps_frames_and_times(numbered: Any, tmp_path: Path) -> None:
    steps = random.Random(1).choices([7, 33, 40, 41, 250, 900], k=119)
    times = [0, *np.cumsum(steps).tolist()]
    for name in ("video.mp4", "video.mkv"):
        path = numbered.write(tmp_path / name, 120, b_frames=3, gop=50, times=times)
        with open_video(path) as video:
            for i in random.Random(2).sample(range(120), 40):
                assert numbered.read(video[i]) == i
            np.testing.assert_allclose(video.times, np.array(times) / 1000, atol=2e-3)


def test_a_group_of_250_pictures_is_decoded_once_when_stepping_back(
    numbered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = numbered.write(tmp_path / "video.mp4", 500, gop=250, b_frames=2)
    with open_video(path) as video:
        decoded = count_decoded(monkeypatch)
        for i in range(499, 260, -1):
            assert numbered.read(video[i]) == i
        assert len(decoded) <= 270

        decoded.clear()
        for i in range(100, 200):
            assert numbered.read(video[i]) == i
        assert len(decoded) <= 225, "reading on must not start again at the key frame"


def test_a_cache_smaller_than_a_group_of_pictures_still_serves_steps_back(
    numbered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = numbered.write(tmp_path / "video.mp4", 250, gop=250)
    with open_video(path, cache_bytes=50 * 64 * 96 * 2) as video:
        decoded = count_decoded(monkeypatch)
        for i in range(249, 149, -1):
            assert numbered.read(video[i]) == i
        # Twice or thrice from the key frame on, not a hundred times.
        assert len(decoded) < 4 * 260


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the packets whose frames come out of any decoder from now on."""
    from napari_vitface.video.packets import PacketDecoder

    decoded: list[int] = []
    original = PacketDecoder.__next__

    def counting(self: PacketDecoder) -> Any:
        number, frame = original(self)
        decoded.append(number)
        return number, frame

    monkeypatch.setattr(PacketDecoder, "__next__", counting)
    return decoded


def test_frames_cut_by_an_edit_list_do_not_count(numbered: Any, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "video.mp4", 90, gop=30, b_frames=2)
    data = bytearray(path.read_bytes())
    edit = data.index(b"elst") + 12  # first entry: duration, media time, rate
    start = int.from_bytes(data[edit + 4 : edit + 8], "big")
    unit = start // 2  # two frames of delay for B-frames
    data[edit : edit + 4] = (53 * 40).to_bytes(4, "big")
    data[edit + 4 : edit + 8] = (start + 37 * unit).to_bytes(4, "big")
    path.write_bytes(data)
    expected = numbered.decode(path)
    assert expected[0] == 37
    with open_video(path) as video:
        assert [numbered.read(frame) for frame in video] == expected
        assert numbered.read(video[5]) == 42
        assert video.times[0] == 0
        assert video.problems == ()


def test_hidden_reference_frames_do_not_count(numbered: Any, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "video.avi", 60, **VP8)
    data = bytearray(path.read_bytes())
    for number in (7, 20, 41):
        place, _, is_key = numbered.packets(path)[number]
        assert not is_key
        data[place] &= ~0x10  # VP8's show_frame bit
    path.write_bytes(data)
    expected = numbered.decode(path)
    assert len(expected) == 57
    with open_video(path) as video:
        assert [numbered.read(video[i]) for i in range(56, -1, -1)] == expected[::-1]


def test_real_footage(real_data: Path) -> None:
    path = real_data / "videos" / "mirror_mouse.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    import av

    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with open_video(path, cache_bytes=8 << 20) as video:
        assert video.shape == (994, 406, 396)
        assert video.frame_rate == 250
        numbers = [*random.Random(3).sample(range(994), 30), *range(700, 660, -1)]
        for i in numbers:
            np.testing.assert_array_equal(video[i], expected[i])
        for i, frame in video.frames(range(0, 994, 31)):
            np.testing.assert_array_equal(frame, expected[i])


_OPEN_AND_CLOSE = """
import sys
import av
from napari_vitface.video import open_video

for _ in range(60):
    av.logging.set_level(av.logging.ERROR)
    open_video(sys.argv[1]).close()
"""


def test_a_video_closes_although_others_ask_ffmpeg_for_messages(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (60, 96, 128), dtype=np.uint8)
    with VideoWriter(path, (96, 128), 30.0) as writer:
        for image in noise:
            writer.write(image)
    # A deadlock is over after some opens, so the limit is far from what it takes.
    subprocess.run([sys.executable, "-c", _OPEN_AND_CLOSE, str(path)], check=True, timeout=600)
