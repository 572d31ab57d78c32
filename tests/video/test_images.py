"""Folders of images, TIFF stacks and single images are videos too."""

from __future__ import annotations

import lzma
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_vitface.errors import VideoError
from napari_vitface.video import Scale, open_video, scale_image
from napari_vitface.video.images import EightBitReader, image_files


def images(count: int, dtype: Any = np.uint8, colour: bool = False) -> np.ndarray:
    generator = np.random.default_rng(0)
    shape = (count, 40, 60, 3) if colour else (count, 40, 60)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def test_a_folder_is_read_in_the_natural_order_of_names(tmp_path: Path) -> None:
    stack = images(12)
    for number, image in enumerate(stack):
        Image.fromarray(image).save(tmp_path / f"img{number}.png")
    (tmp_path / ".img3.png").write_bytes(b"left by a file manager")
    (tmp_path / "labels.csv").write_text("not an image")
    with open_video(tmp_path) as video:
        assert video.shape == (12, 40, 60)
        assert (video.name, video.frame_rate) == (tmp_path.name, 0.0)
        np.testing.assert_array_equal(video[:], stack)
        np.testing.assert_array_equal(video[10], stack[10])
        scale = Scale((3, 4, 50, 30), (20, 25), True)
        for i, frame in video.frames(scale=scale):
            np.testing.assert_array_equal(frame, scale_image(stack[i], scale))


def test_a_folder_whose_name_has_a_dot_keeps_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "cam1.2023"
    folder.mkdir()
    Image.fromarray(images(1)[0]).save(folder / "a.png")
    with open_video(folder) as video:
        assert video.name == "cam1.2023"


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg", ".JPEG"])
def test_a_single_image_is_a_video_of_one_frame(tmp_path: Path, suffix: str) -> None:
    image = images(1, colour=True)[0]
    path = tmp_path / f"image{suffix}"
    Image.fromarray(image).save(path, quality=95)
    with open_video(path) as video:
        assert video.shape == (1, 40, 60, 3)
        if suffix.lower() not in (".jpg", ".jpeg"):
            np.testing.assert_array_equal(video[0], image)


def test_sixteen_bit_images(tmp_path: Path) -> None:
    stack = images(3, np.uint16)
    for number, image in enumerate(stack):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    with open_video(tmp_path) as video:
        assert video.dtype == np.uint16
        np.testing.assert_array_equal(video[:], stack)


def test_transparency_palettes_and_bits_become_plain_pictures(tmp_path: Path) -> None:
    rgba = np.concatenate([images(1, colour=True)[0], np.full((40, 60, 1), 128, np.uint8)], axis=2)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    Image.fromarray(rgba).convert("RGB").quantize(16).save(tmp_path / "palette.png")
    Image.fromarray(images(1)[0] > 128).save(tmp_path / "bits.png")
    with open_video(tmp_path / "alpha.png") as video:
        np.testing.assert_array_equal(video[0], rgba[..., :3])
    with open_video(tmp_path / "palette.png") as video:
        assert video.shape == (1, 40, 60, 3)
    with open_video(tmp_path / "bits.png") as video:
        assert video.shape == (1, 40, 60)
        assert set(np.unique(video[0])) == {0, 255}


def test_the_cameras_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(images(1)[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "image.png", exif=exif)
    with open_video(tmp_path / "image.png") as video:
        np.testing.assert_array_equal(video[0], np.rot90(np.asarray(image), -1))


def test_images_of_another_size_are_named(tmp_path: Path) -> None:
    Image.fromarray(images(1)[0]).save(tmp_path / "a.png")
    Image.fromarray(images(1)[0][:30]).save(tmp_path / "b.png")
    with pytest.raises(VideoError, match=r"b\.png has 60 x 30 pixels but a\.png has 60 x 40"):
        open_video(tmp_path)


def test_a_broken_image_in_the_middle_is_a_frame_without_picture(tmp_path: Path) -> None:
    stack = images(5)
    for number, image in enumerate(stack):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(data[: len(data) // 2])
    with open_video(tmp_path) as video:
        assert [i for i, frame in video.frames() if frame is None] == [2]
        with pytest.raises(VideoError, match=r"Frame 2 .*2\.png"):
            video[2]


def test_grey_among_colour_takes_the_kind_of_the_first(tmp_path: Path) -> None:
    Image.fromarray(images(1, colour=True)[0]).save(tmp_path / "a.png")
    Image.fromarray(images(1)[0]).save(tmp_path / "b.png")
    with open_video(tmp_path) as video:
        assert video.shape == (2, 40, 60, 3)
        np.testing.assert_array_equal(video[1], np.repeat(images(1)[0][..., None], 3, axis=2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"compression": "zlib"},
        {"bigtiff": True, "byteorder": ">"},
        {"rowsperstrip": 7},
        {"metadata": None},
    ],
)
@pytest.mark.parametrize("kind", ["grey", "grey16", "colour"])
def test_tiff_stacks(tmp_path: Path, options: dict[str, Any], kind: str) -> None:
    stack = images(9, np.uint16 if kind == "grey16" else np.uint8, kind == "colour")
    photometric = "rgb" if kind == "colour" else "minisblack"
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack, photometric=photometric, **options)
    with open_video(path) as video:
        assert video.shape == stack.shape
        assert video.dtype == stack.dtype
        for i in (8, 0, 5):
            np.testing.assert_array_equal(video[i], stack[i])
        np.testing.assert_array_equal(video[2:8:3], stack[2:8:3])
        for i, frame in video.frames():
            np.testing.assert_array_equal(frame, stack[i])


def test_tiff_in_planes(tmp_path: Path) -> None:
    stack = images(4, colour=True)
    path = tmp_path / "stack.tif"
    planes = np.ascontiguousarray(stack.transpose(0, 3, 1, 2))
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    with open_video(path) as video:
        assert video.shape == stack.shape
        np.testing.assert_array_equal(video[:], stack)


def test_tiff_written_page_by_page_as_cameras_do(tmp_path: Path) -> None:
    stack = images(6)
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as writer:
        for image in stack:
            writer.write(image, contiguous=False, metadata=None)
    with open_video(path) as video:
        np.testing.assert_array_equal(video[:], stack)


def test_tiff_with_lzw_needs_no_further_package(tmp_path: Path) -> None:
    stack = images(5)
    path = tmp_path / "stack.tif"
    first, *rest = [Image.fromarray(image) for image in stack]
    first.save(path, save_all=True, append_images=rest, compression="tiff_lzw")
    with open_video(path) as video:
        np.testing.assert_array_equal(video[:], stack)
        assert [i for i, frame in video.frames() if frame is not None] == list(range(5))


def test_tiff_that_is_no_stack_of_pictures_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "float.tif", np.zeros((4, 20, 20), np.float32), photometric="minisblack"
    )
    with pytest.raises(VideoError, match="float32"):
        open_video(tmp_path / "float.tif")
    tifffile.imwrite(
        tmp_path / "volume.tif",
        np.zeros((3, 5, 20, 20), np.uint8),
        photometric="minisblack",
        metadata={"axes": "TZYX"},
    )
    with pytest.raises(VideoError, match="one stack of frames"):
        open_video(tmp_path / "volume.tif")


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {}, {"imagej": True}])
def test_a_tiff_stack_that_is_cut_off_gives_what_is_there(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    stack = images(8)
    path = tmp_path / "stack.tif"
    if "compression" in options:
        with tifffile.TiffWriter(path) as writer:
            for image in stack:
                writer.write(image, contiguous=False, **options)
    else:
        tifffile.imwrite(path, stack, photometric="minisblack", **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 5 // 8])
    with open_video(path) as video:
        readable = [i for i, frame in video.frames() if frame is not None]
        assert readable[:4] == [0, 1, 2, 3]
        for i in readable:
            np.testing.assert_array_equal(video[i], stack[i])
        assert len(video) <= 5
        if (
            "compression" not in options
        ):  # in one piece: the file says how many frames it should have
            assert "promises 8 frames but holds" in video.problems[0]


def test_the_real_frames(real_data: Path) -> None:
    folder = real_data / "mouse_face" / "labeled-data" / "cam1_G7c1_1"
    with open_video(folder) as video:
        assert video.shape == (119, 646, 864)
        assert video[118].std() > 5


# --- many pages -----------------------------------------------------------------------------------


def test_pages_that_were_appended_one_by_one_are_all_frames(tmp_path: Path) -> None:
    stack = images(12)
    appended, written = tmp_path / "appended.tif", tmp_path / "written.tif"
    for image in stack:
        tifffile.imwrite(appended, image, append=True)
    with tifffile.TiffWriter(written) as writer:
        for image in stack:
            writer.write(image, photometric="minisblack")
    for path in (appended, written):
        with open_video(path) as video:
            assert video.problems == ()
            np.testing.assert_array_equal(video[:], stack)


@pytest.mark.skipif(os.name != "posix", reason="limits open files as POSIX does")
def test_thousands_of_appended_pages_take_no_open_file_each(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "many.tif"
    with tifffile.TiffWriter(path) as writer:
        for number in range(300):
            page = np.full((8, 8), number % 256, np.uint8)
            writer.write(page, photometric="minisblack", contiguous=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 50, hard))
    try:
        with open_video(path) as video:
            assert [int(frame[0, 0]) for _, frame in video.frames()] == [
                number % 256 for number in range(300)
            ]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thumbnail_after_a_stack_is_named_and_left_out(tmp_path: Path) -> None:
    stack = images(5)
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(stack[:3], photometric="minisblack")
        writer.write(stack[0, ::4, ::4], photometric="minisblack")
        writer.write(stack[3:], photometric="minisblack")
    with open_video(path) as video:
        np.testing.assert_array_equal(video[:], stack)
        assert video.problems == (
            "1 page of stack.tif has another size or kind than the first one and is left out.",
        )


def test_every_page_of_the_stacks_of_a_folder_is_a_frame(tmp_path: Path) -> None:
    stack = images(14)
    tifffile.imwrite(tmp_path / "rec_0.tif", stack[:5], photometric="minisblack")
    tifffile.imwrite(tmp_path / "rec_2.tif", stack[5:9], imagej=True)
    tifffile.imwrite(tmp_path / "rec_10.tif", stack[9], photometric="minisblack")
    for image in stack[10:]:
        tifffile.imwrite(tmp_path / "rec_11.tif", image, append=True)
    with open_video(tmp_path) as video:
        np.testing.assert_array_equal(video[:], stack)
        order = [13, 0, 9, 5, 4, 10]
        np.testing.assert_array_equal(video[order], stack[order])
        for i, frame in video.frames():
            np.testing.assert_array_equal(frame, stack[i])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"append": True}])
def test_white_is_white_also_where_it_is_zero(tmp_path: Path, options: dict[str, Any]) -> None:
    stack = images(3)
    path = tmp_path / "inverted.tif"
    tifffile.imwrite(path, 255 - stack, photometric="miniswhite", **options)
    with open_video(path) as video:
        np.testing.assert_array_equal(video[:], stack)


# --- white ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "suffix"), [(10, ".tif"), (12, ".tif"), (14, ".tif"), (12, "")])
def test_white_is_what_the_recording_needs(tmp_path: Path, bits: int, suffix: str) -> None:
    eight = images(40)
    deep = eight.astype(np.uint16) << (bits - 8)
    path = tmp_path / f"deep{suffix}"
    if suffix:
        tifffile.imwrite(path, deep, photometric="minisblack")
    else:
        path.mkdir()
        for number, image in enumerate(deep):
            Image.fromarray(image).save(path / f"{number}.png")
    with open_video(path) as video:
        assert (video.dtype, video.white) == (np.uint16, (1 << bits) - 1)
        np.testing.assert_array_equal(video[3], deep[3])
        scale = Scale(None, (40, 60), True)
        for i, frame in video.frames(range(2), scale=scale):
            assert np.abs(frame.astype(int) - eight[i]).max() <= 1
    with open_video(path, white=(2 << bits) - 1) as video:
        assert video.white == (2 << bits) - 1
        _, frame = next(video.frames(range(1), scale=scale))
        assert np.abs(frame.astype(int) - eight[0] // 2).max() <= 1


def test_labelled_images_have_the_white_of_their_folder(tmp_path: Path) -> None:
    deep = images(9).astype(np.uint16) * 16
    deep[1:] //= 8
    for number, image in enumerate(deep):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    with open_video(tmp_path) as video:
        scale = Scale(None, (40, 60), True)
        seen = [frame for _, frame in video.frames(scale=scale)]
    read = EightBitReader()
    for number in (4, 0, 8):
        np.testing.assert_array_equal(read(tmp_path / f"{number}.png"), seen[number])


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_few_darker_frames_of_a_recording_have_its_white(tmp_path: Path, bits: int) -> None:
    deep = np.full((6, 8), (1 << bits) - 1, np.uint16)
    for share in (1, 0.7, 0.4, 0.3):
        folder = tmp_path / str(share)
        folder.mkdir()
        Image.fromarray((deep * share).astype(np.uint16)).save(folder / "img0.png")
        with open_video(folder) as video:
            assert video.white == (1 << bits) - 1


def test_a_file_that_tells_its_white_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "told.tif"
    dark = images(3).astype(np.uint16)
    tifffile.imwrite(path, dark, photometric="minisblack", extratags=[(281, 3, 1, 1023, True)])
    with open_video(path) as video:
        assert video.white == 1023


# --- strays and strangers -------------------------------------------------------------------------


def test_a_stray_picture_is_named_and_left_out(tmp_path: Path) -> None:
    stack = images(8)
    for number, image in enumerate(stack):
        Image.fromarray(image).save(tmp_path / f"img{number}.png")
    Image.fromarray(stack[0][:10]).save(tmp_path / "a_thumbnail.png")
    with open_video(tmp_path) as video:
        np.testing.assert_array_equal(video[:], stack)
        assert video.problems == (
            f"1 image of {tmp_path.name} has another size than the other 8 and is left out: "
            "a_thumbnail.png.",
        )
    assert [file.name for file in image_files(tmp_path)] == [f"img{k}.png" for k in range(8)]


def test_a_program_that_calls_itself_a_picture_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "frame1.png"
    path.write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n"
        f"({mark}) (w) file closefile\nshowpage\n%%EOF\n"
    )
    with pytest.raises(VideoError, match="is no image"):
        open_video(path)
    assert not mark.exists()


@pytest.mark.skipif(os.name != "posix", reason="such names are not allowed elsewhere")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(VideoError):
        open_video(tmp_path / f"pipe{suffix}")


def test_odd_numbers_in_names_are_sorted(tmp_path: Path) -> None:
    for name in ("²1", "12345678901234567890", "2", "x"):
        Image.fromarray(images(1)[0]).save(tmp_path / f"{name}.png")
    with open_video(tmp_path) as video:
        assert len(video) == 4


def test_more_pixels_than_a_frame_can_have_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.fromarray(images(1)[0]).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(VideoError, match="more pixels than a frame can have"):
        open_video(path)


def test_an_image_of_far_more_pixels_than_its_bytes_can_hold_takes_no_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "empty.png"
    Image.fromarray(images(1)[0]).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 13_000, 13_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"13000 x 13000 pixels but holds \d+ bytes"):
        open_video(path)


def test_pages_that_follow_each_other_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path) as writer:
        for image in images(2):
            writer.write(image, contiguous=False)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[1].offset
        tags = len(file.pages[1].tags)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, last + 2 + 12 * tags, first)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="in a circle"):
        open_video(path)


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
@pytest.mark.parametrize("beyond", [0, 1000, 200 << 20])
def test_a_strip_inflates_no_further_than_its_page(
    tmp_path: Path, compression: str, beyond: int
) -> None:
    page = images(1)[0]
    data = page.tobytes() + bytes(beyond)
    packed = zlib.compress(data) if compression == "zlib" else lzma.compress(data, preset=0)
    path = tmp_path / "strip.tif"
    tifffile.imwrite(path, iter([packed]), shape=page.shape, dtype=np.uint8,
                     compression=compression, photometric="minisblack",
                     rowsperstrip=40)  # fmt: skip
    del data
    tracemalloc.start()
    with open_video(path, on_broken="blank") as video:
        shown = video[0]
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(shown, page if beyond < 10_000 else np.zeros_like(page))
    assert taken < 20 << 20


def test_a_page_whose_checksum_is_wrong_is_broken(tmp_path: Path) -> None:
    page = images(1)[0]
    path = tmp_path / "strip.tif"
    packed = zlib.compress(page.tobytes())[:-4] + b"abcd"
    tifffile.imwrite(path, iter([packed]), shape=page.shape, dtype=np.uint8, compression="zlib",
                     photometric="minisblack", rowsperstrip=40)  # fmt: skip
    with open_video(path) as video, pytest.raises(VideoError, match="cannot be decoded"):
        video[0]


def test_tiles_far_beyond_their_page_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, np.zeros((40, 60), np.uint8), compression="zlib", tile=(64, 64))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in (322, 323):
            file.pages[0].tags[tag].overwrite(1 << 15)
    with pytest.raises(VideoError, match="tells of tiles of"):
        open_video(path)


def test_deep_colours_that_pillow_would_cut_to_eight_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "colour.tif"
    tifffile.imwrite(path, np.zeros((40, 60, 3), np.uint16), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[259].overwrite(5)
    with pytest.raises(VideoError, match=r"compressed in a way .* \(LZW, 16 bits\): save it"):
        open_video(path)


def test_deep_white_is_zero_with_lzw(tmp_path: Path) -> None:
    page = images(1, np.uint16)[0]
    path = tmp_path / "inverted.tif"
    Image.fromarray(page).save(path, compression="tiff_lzw")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[262].overwrite(0)
    for place in (path, tmp_path):
        with open_video(place) as video:
            np.testing.assert_array_equal(video[0], 65535 - page)
