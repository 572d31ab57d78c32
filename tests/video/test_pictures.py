"""What frames look like as arrays: colours, depth, range, odd sizes, rotation."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from napari_vitface.video import Scale, VideoWriter, open_video, scale_image
from napari_vitface.video.picture import PictureConverter, describe


def store(
    path: Path, frames: list[NDArray[Any]], pixel_format: str, codec: str = "ffv1", rate: int = 10
) -> Path:
    """Write arrays in FFmpeg's own layout of `pixel_format`, without loss."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        for image in frames:
            layout = {2: "gray", 3: "rgb24"}[image.ndim]
            if image.dtype == np.uint16:
                layout = {2: "gray16le", 3: "rgb48le"}[image.ndim]
            frame = av.VideoFrame.from_ndarray(image, format=layout).reformat(format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def gradient(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    return (rows * 2 + columns * 3 + 10).astype(np.uint8)


def test_grey_frames_keep_every_value(tmp_path: Path) -> None:
    images = [gradient(31, 45), 255 - gradient(31, 45)]
    with open_video(store(tmp_path / "video.mkv", images, "gray")) as video:
        assert (video.shape, video.dtype, video.white) == ((2, 31, 45), np.uint8, 255)
        np.testing.assert_array_equal(video[:], images)


def test_rgb_frames_keep_every_value(tmp_path: Path) -> None:
    image = np.stack([gradient(30, 44), gradient(30, 44)[::-1], gradient(30, 44)[:, ::-1]], axis=-1)
    with open_video(store(tmp_path / "video.mkv", [image], "bgr0")) as video:
        assert video.shape == (1, 30, 44, 3)
        np.testing.assert_array_equal(video[0], image)


def test_sixteen_bit_grey_keeps_every_value(tmp_path: Path) -> None:
    image = gradient(30, 44).astype(np.uint16) * 257 + 3
    for name, pixel_format, codec in (
        ("little.mkv", "gray16le", "ffv1"),
        ("big.mov", "gray16be", "png"),
    ):
        path = store(tmp_path / name, [image], pixel_format, codec)
        with open_video(path) as video:
            assert (video.shape, video.dtype, video.white) == ((1, 30, 44), np.uint16, 65535)
            np.testing.assert_array_equal(video[0], image)


@pytest.mark.parametrize("bits", [10, 12])
def test_grey_between_8_and_16_bits_keeps_its_stored_values(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "video.mkv"
    stored = (np.arange(48 * 64).reshape(48, 64) % (1 << bits)).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, f"gray{bits}le"
        frame = av.VideoFrame(64, 48, f"gray{bits}le")
        padded = np.zeros((48, frame.planes[0].line_size // 2), np.uint16)
        padded[:, :64] = stored
        frame.planes[0].update(padded.tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(path) as video:
        assert video.dtype == np.uint16
        assert video.white == (1 << bits) - 1
        np.testing.assert_array_equal(video[0], stored)
        eight = scale_image(video[0], Scale(None, (48, 64), True), white=video.white)
        np.testing.assert_allclose(eight, stored * (255 / video.white), atol=0.51)
        ((_, streamed),) = video.frames(scale=Scale(None, (48, 64), True))
        np.testing.assert_array_equal(streamed, eight)


def test_ten_bit_colour_becomes_sixteen(tmp_path: Path) -> None:
    image = np.full((32, 48, 3), (40000, 20000, 60000), np.uint16)
    with open_video(store(tmp_path / "video.mkv", [image], "yuv420p10le")) as video:
        assert (video.shape, video.dtype, video.white) == ((1, 32, 48, 3), np.uint16, 65535)
        np.testing.assert_allclose(video[0], image, atol=500)


def test_a_grey_camera_stored_as_colour_is_read_as_grey(tmp_path: Path) -> None:
    image = gradient(48, 64)
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (48, 64), 30, options={"crf": "1"}) as writer:
        for _ in range(40):
            writer.write(image)
    with open_video(path) as video:
        assert video.shape == (40, 48, 64)
        # Stored as 16..235, shown as 0..255.
        assert np.abs(video[7].astype(int) - image).max() <= 8
        assert abs(video[7].mean() - image.mean()) < 1


def test_full_range_and_limited_range_look_the_same(tmp_path: Path) -> None:
    image = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    limited = store(tmp_path / "limited.mkv", [image], "yuv420p")
    full = store(tmp_path / "full.avi", [image], "yuvj420p", codec="mjpeg")
    with open_video(limited) as a, open_video(full) as b:
        assert a.ndim == b.ndim == 3
        assert np.abs(a[0].astype(int) - image).max() <= 2
        assert np.abs(b[0].astype(int) - image).max() <= 6


def test_colour_later_in_the_video_makes_it_colour(tmp_path: Path) -> None:
    grey = np.repeat(gradient(48, 64)[..., None], 3, axis=2)
    red = grey.copy()
    red[10:30, 10:40] = (220, 30, 30)
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (48, 64), 30, keyframe_interval=10) as writer:
        for number in range(60):
            writer.write(red if number >= 40 else grey)
    with open_video(path) as video:
        assert video.shape == (60, 48, 64, 3)
        assert video[50][20, 20, 0] > video[50][20, 20, 1] + 100
        assert np.ptp(video[5].astype(int), axis=-1).max() <= 4


@pytest.mark.parametrize("size", [(63, 97), (64, 97), (63, 96), (1, 1), (2, 333)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    image = gradient(*size)
    with open_video(store(tmp_path / "video.mkv", [image] * 3, "yuv444p")) as video:
        assert video.shape == (3, *size)
        assert np.abs(video[1].astype(int) - image).max() <= 2
    with open_video(store(tmp_path / "odd420.mkv", [image] * 3, "yuv420p")) as video:
        assert video.shape == (3, *size)
        assert np.abs(video[1].astype(int) - image).max() <= 2


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write (a, b, c, d) into the display matrix of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    for k, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[place + 4 * k : place + 4 * k + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        # ISO/IEC 14496-12: (x, y) goes to (a x + c y, b x + d y), y down.
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a quarter turn clockwise
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.T),
    ],
)
def test_rotated_video_is_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], expected: Any
) -> None:
    image = np.full((48, 80), 100, np.uint8)
    image[4:16, 6:30] = 230
    image[30:44, 50:58] = 20
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (48, 80), 30, options={"crf": "1"}) as writer:
        for _ in range(5):
            writer.write(image)
    turn(path, matrix)
    upright = expected(image)
    with open_video(path) as video:
        assert video.shape == (5, *upright.shape)
        assert np.abs(video[2].astype(int) - upright).mean() < 3
        scale = Scale((2, 3, 30, 40), (32, 24), True)
        for i, frame in video.frames(scale=scale):
            np.testing.assert_array_equal(frame, scale_image(video[i], scale))


LIMITED = (
    "yuv420p", "yuva420p", "yuv444p", "yuv420p10le", "yuyv422", "uyvy422", "yvyu422",
    "nv12", "nv21", "nv16", "nv24", "p010le", "p016le", "p210le", "y210le",
)  # fmt: skip
FULL = (
    "gray", "gray10le", "ya8", "rgb24", "bgr24", "bgra", "argb", "rgb0", "gbrp", "gbrap",
    "gbrp10le", "rgb48le",
)  # fmt: skip


@pytest.mark.parametrize("pixel_format", LIMITED + FULL)
def test_grey_is_grey_with_the_same_black_and_white_however_it_is_stored(pixel_format: str) -> None:
    image = np.tile(np.linspace(0, 255, 128).round().astype(np.uint8), (16, 1))
    frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pixel_format)
    picture = describe([frame])
    assert not picture.colour
    found = PictureConverter(picture)(frame) * (255 / picture.white)
    assert np.abs(found - image).max() <= 1.1
    scaled = PictureConverter(picture, Scale(None, (16, 128), True))(frame)
    assert np.abs(scaled.astype(int) - image).max() <= 2


@pytest.mark.parametrize("pixel_format", ["nv12", "yuyv422", "yuv420p10le"])
def test_a_range_that_the_frame_says_is_full_is_taken_as_full(pixel_format: str) -> None:
    image = np.tile(np.linspace(0, 255, 128).round().astype(np.uint8), (16, 1))
    grey = av.VideoFrame.from_ndarray(image, format="gray")
    frame = grey.reformat(format=pixel_format, dst_color_range=ColorRange.JPEG)
    frame.color_range = ColorRange.JPEG
    picture = describe([frame])
    found = PictureConverter(picture)(frame) * (255 / picture.white)
    assert np.abs(found - image).max() <= 1.1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuyv422", "bgr24", "gbrp", "bgra"])
def test_colour_is_colour_however_it_is_stored(pixel_format: str) -> None:
    image = np.full((16, 32, 3), 90, np.uint8)
    image[:, 16:, 0] = 140
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
    picture = describe([frame])
    assert picture.colour
    assert np.abs(PictureConverter(picture)(frame)[8, 28].astype(int) - (140, 90, 90)).max() <= 4


def _frames() -> int:
    return sum(isinstance(item, av.VideoFrame) for item in gc.get_objects())


def test_a_closed_video_leaves_no_frame_behind(tmp_path: Path) -> None:
    """A frame keeps its pixels and the threads of its converter, many MiB for each video."""
    path = store(tmp_path / "a.mkv", [gradient(48, 64)] * 3, "yuv420p")
    with open_video(path) as video:
        video[0]
    del video
    gc.collect()
    gc.disable()
    try:
        # Videos that other tests of this process share have theirs.
        before = _frames()
        video = open_video(path)
        video[0]
        video.close()
        del video
        assert _frames() == before
    finally:
        gc.enable()
