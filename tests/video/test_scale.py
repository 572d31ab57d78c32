"""The one resampler: same pixels for arrays and decoded frames, and pixel centres kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_vitface.video import Scale, VideoWriter, open_video, scale_image


def blob(size: tuple[int, int], x: float, y: float, spread: tuple[float, float]) -> NDArray[Any]:
    rows, columns = np.ogrid[: size[0], : size[1]]
    value = np.exp(-0.5 * (((columns - x) / spread[0]) ** 2 + ((rows - y) / spread[1]) ** 2))
    return (255 * value).round().astype(np.uint8)


def centre(image: NDArray[Any]) -> tuple[float, float]:
    weights = image.astype(float) / image.sum()
    rows, columns = np.indices(image.shape)
    return float((columns * weights).sum()), float((rows * weights).sum())


@given(
    width=st.integers(60, 700),
    height=st.integers(60, 500),
    new_width=st.integers(30, 400),
    new_height=st.integers(30, 400),
    place=st.tuples(st.floats(0.35, 0.65), st.floats(0.35, 0.65)),
)
def test_a_point_at_x_goes_to_x_plus_half_times_s_minus_half(
    width: int, height: int, new_width: int, new_height: int, place: tuple[float, float]
) -> None:
    # Wide enough for both grids to sample it, and all inside the frame.
    factors = new_width / width, new_height / height
    spread = tuple(max(2.5, 2.5 / factor) for factor in factors)
    x, y = place[0] * width, place[1] * height
    if min(x, width - x) < 4 * spread[0] or min(y, height - y) < 4 * spread[1]:
        return
    image = blob((height, width), x, y, (spread[0], spread[1]))
    found = centre(scale_image(image, Scale(None, (new_height, new_width), True)))
    expected = [(c + 0.5) * s - 0.5 for c, s in zip((x, y), factors, strict=True)]
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_crop_then_resize_places_points_relative_to_the_crop() -> None:
    image = blob((300, 400), 210.0, 120.0, (6, 6))
    found = centre(scale_image(image, Scale((101, 33, 200, 180), (90, 100), True)))
    expected = ((210 - 101 + 0.5) * 0.5 - 0.5, (120 - 33 + 0.5) * 0.5 - 0.5)
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_reducing_does_not_alias() -> None:
    # Stripes of one pixel: without a filter they would come out black and white or in waves.
    stripes = np.zeros((400, 400), np.uint8)
    stripes[:, ::2] = 255
    small = scale_image(stripes, Scale(None, (130, 130), True))
    assert np.abs(small[5:-5, 5:-5].astype(int) - 127).max() <= 15


@pytest.mark.parametrize("value", [0, 1, 17, 128, 254, 255])
def test_flat_images_keep_their_value(value: int) -> None:
    for shape in ((77, 131), (77, 131, 3)):
        image = np.full(shape, value, np.uint8)
        for size in ((30, 40), (77, 131), (200, 300)):
            for grey in (True, False):
                result = scale_image(image, Scale(None, size, grey))
                assert result.shape == (size if grey else (*size, 3))
                assert (result == value).all()


def test_colours_become_grey_by_their_brightness() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[...] = (200, 100, 50)
    result = scale_image(image, Scale(None, (10, 10), True))
    assert (result == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_sixteen_bits_become_eight_by_the_full_range_or_a_given_white() -> None:
    image = np.full((20, 20), 2048, np.uint16)
    scale = Scale(None, (20, 20), True)
    assert (scale_image(image, scale) == 8).all()
    assert (scale_image(image, scale, white=4095) == 128).all()
    assert (scale_image(image, scale, white=1023) == 255).all()


def test_what_is_no_frame_is_refused() -> None:
    scale = Scale(None, (10, 10), True)
    for image in (np.zeros((5, 5, 4), np.uint8), np.zeros(5, np.uint8), np.zeros((5, 5))):
        with pytest.raises(ValueError, match="a frame is"):
            scale_image(image, scale)
    with pytest.raises(ValueError, match="not inside the frame"):
        scale_image(np.zeros((20, 20), np.uint8), Scale((15, 0, 10, 10), (5, 5), True))
    with pytest.raises(ValueError, match="crop"):
        Scale((-1, 0, 5, 5), (5, 5), True)


@pytest.mark.parametrize("kind", ["grey", "colour"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
def test_scaled_frames_equal_scaled_arrays(tmp_path: Path, kind: str, pixel_format: str) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (6, 8, 3) if kind == "colour" else (6, 8), dtype=np.uint8)
    path = tmp_path / "video.mov"
    codec = "mjpeg" if pixel_format == "yuvj420p" else "ffv1"
    if codec == "ffv1":
        path = path.with_suffix(".mkv")
    with VideoWriter(path, (96, 128), 30, codec=codec, pixel_format=pixel_format) as writer:
        for number in range(6):
            writer.write(np.roll(coarse, number, axis=1).repeat(16, axis=0).repeat(16, axis=1))
    with open_video(path) as video:
        assert video.ndim == (4 if kind == "colour" else 3)
        for scale in (
            Scale(None, (64, 80), True),
            Scale(None, (64, 80), False),
            Scale(None, (96, 128), True),
            Scale((11, 7, 90, 71), (140, 101), True),
            Scale((11, 7, 90, 71), (40, 44), False),
        ):
            frames = list(video.frames(scale=scale))
            assert [i for i, _ in frames] == list(range(6))
            for i, frame in frames:
                expected = scale_image(video[i], scale, white=video.white)
                np.testing.assert_array_equal(frame, expected)
