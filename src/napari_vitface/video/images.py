"""Folders of images, and single images, as a source of frames."""

from __future__ import annotations

import contextlib
import copy
import re
import struct
import warnings
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.cache import FrameCache
from napari_vitface.video.scale import Scale, as_uint8, scaled_images
from napari_vitface.video.sources import IMAGE_SUFFIXES, TIFF_SUFFIXES
from napari_vitface.video.white import spread, white_level
from napari_vitface.words import counted

if TYPE_CHECKING:
    from PIL.Image import Image

    from napari_vitface.video.tiff_pages import TiffPages

#: Headers read at opening to see that all images have one size; the others are checked when read.
CHECKED = 5000
#: A size that at least this share of the images has is the recording's; others are strays.
MOST = 2 / 3
#: TIFF stacks of a folder that are kept open.
OPEN_STACKS = 4
#: An image of more pixels than `SMALL` has at most this many for each byte of its file.
MOST_PIXELS_A_BYTE = 5000
SMALL = 1 << 24
#: What Pillow raises over damaged files.
UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, AttributeError,
    ArithmeticError, MemoryError, NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
#: What Pillow may take a file for. Left to itself it runs other programs on some kinds.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")


class ImageFolderSource:
    """A frame an image file, in natural order of names, or each page of TIFF stacks among them."""

    def __init__(self, path: Path, cache_bytes: int, white: int | None = None) -> None:
        self.path = path
        self._cache: FrameCache[NDArray[Any]] = FrameCache(cache_bytes)
        self._stacks: OrderedDict[Path, TiffPages] = OrderedDict()
        self.problems: tuple[str, ...] = ()
        files = [path]
        if path.is_dir():
            found = _recording(path, path.stat().st_mtime_ns)
            files = list(found.files)
            if found.refusal:
                raise VideoError(found.refusal)
            if found.strays:
                self.problems = (_left_out(path, found),)
        if not files:
            raise VideoError(
                f"The folder {path} holds no images: choose a folder of "
                f"{', '.join(IMAGE_SUFFIXES)} files, or a video file."
            )
        self._places = [place for file in files for place in _places(file)]
        first = self._read(0)
        self.frame_shape = first.shape
        self.dtype = first.dtype
        self.shape = (len(self._places), *first.shape)
        self.white = 255
        if self.dtype == np.uint16:
            self.white = white or white_level(
                image for i in spread(len(self._places)) if (image := self._image(i)) is not None
            )
        self.times = np.zeros(len(self._places))
        self.frame_rate = 0.0

    def _read(self, frame: int) -> NDArray[Any]:
        """An image as it is; `VideoError` if it cannot be read."""
        file, page = self._places[frame]
        if page is None:
            return read_image(file)
        from napari_vitface.video.tiff_pages import TiffPages

        stack = self._stacks.pop(file, None) or TiffPages(file)
        self._stacks[file] = stack
        while len(self._stacks) > OPEN_STACKS:
            self._stacks.popitem(last=False)[1].close()
        image = stack.read(page)
        if image is None:
            raise VideoError(f"Page {page} of {file} cannot be read: it is damaged.")
        return image

    def _image(self, frame: int) -> NDArray[Any] | None:
        try:
            image = self._read(frame)
        except VideoError:
            return None
        if image.shape[:2] != self.frame_shape[:2]:
            return None
        return as_kind(image, len(self.frame_shape) == 3, self.dtype)

    def read(self, frame: int) -> NDArray[Any] | None:
        """One image; None if its file is broken or of another size."""
        return self._cache.image(frame, self._image)

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        """Frames in the given order by a reader of their own; for use in another thread."""
        reader = copy.copy(self)
        reader._stacks = OrderedDict()
        try:
            yield from scaled_images(reader._image, frames, scale, self.white)
        finally:
            reader._close_stacks()

    def name_of(self, frame: int) -> str:
        file, page = self._places[frame]
        return f"Frame {frame} ({file}{'' if page is None else f', page {page}'})"

    def _close_stacks(self) -> None:
        for stack in self._stacks.values():
            stack.close()
        self._stacks.clear()

    def close(self) -> None:
        self._cache.clear()
        self._close_stacks()


@dataclass(frozen=True)
class _Recording:
    """The images of a folder.

    Attributes
    ----------
    files : tuple of Path
    strays : tuple of Path
        Those among its files that have another size than most, and are left out.
    refusal : str
        Why they are no recording: no size is that of most, or one is no image; empty if they are.
    """

    files: tuple[Path, ...]
    strays: tuple[Path, ...] = ()
    refusal: str = ""


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder in natural order: ``img2`` before ``img10``; hidden ones left out.

    A few images of another size than all others (a thumbnail, a plot) are left out too.
    """
    return list(_recording(folder, folder.stat().st_mtime_ns).files)


@lru_cache(maxsize=32)
def _recording(folder: Path, changed: int) -> _Recording:
    found = (
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    files = sorted((file for file in found if file.is_file()), key=lambda file: natural(file.name))
    sizes: dict[Path, tuple[int, int]] = {}
    unreadable = ""
    for file in files[:CHECKED]:
        try:
            sizes[file] = image_size(file)
        except VideoError as error:
            unreadable = unreadable or str(error)
    if len(set(sizes.values())) < 2:
        return _Recording(tuple(files), refusal=unreadable)
    usual, count = Counter(sizes.values()).most_common(1)[0]
    if count < MOST * len(sizes):
        return _Recording(tuple(files), refusal=_mixed(sizes))
    strays = {file: None for file, size in sizes.items() if size != usual}
    return _Recording(tuple(file for file in files if file not in strays), tuple(strays))


def _mixed(sizes: dict[Path, tuple[int, int]]) -> str:
    (first, (height, width)), *others = sizes.items()
    odd, size = next((file, size) for file, size in others if size != (height, width))
    return (
        f"{odd} has {size[1]} x {size[0]} pixels but {first.name} has {width} x {height}: images "
        "of one folder must have one size."
    )


def _left_out(folder: Path, found: _Recording) -> str:
    names = ", ".join(file.name for file in found.strays[:3])
    count = len(found.strays)
    more = f" and {count - 3} more" if count > 3 else ""
    return (
        f"{counted(count, 'image')} of {folder.name} "
        f"{'has' if count == 1 else 'have'} another size than the other {len(found.files)} and "
        f"{'is' if count == 1 else 'are'} left out: {names}{more}."
    )


def _places(file: Path) -> Iterator[tuple[Path, int | None]]:
    """The frames of an image file: itself, or the pages of a TIFF stack."""
    if file.suffix.lower() in TIFF_SUFFIXES:
        from napari_vitface.video.tiff_pages import TiffPages, is_stack

        if is_stack(file):
            stack = TiffPages(file)
            stack.close()
            yield from ((file, page) for page in range(stack.shape[0]))
            return
    yield file, None


class EightBitReader:
    """Reads labelled images as a model sees them, those of each folder with one white level.

    The level is that of `open_video` for the folder, so training sees what prediction sees.

    Parameters
    ----------
    told : callable
        The level that is set for a folder, or None.

    Attributes
    ----------
    levels : dict of Path to int
        The level of each folder with images of more than 8 bits that were read.
    """

    def __init__(self, told: Callable[[Path], int | None] = lambda folder: None) -> None:
        self._told = told
        self.levels: dict[Path, int] = {}

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """One image (H, W) or (H, W, 3); `VideoError` if it cannot be read."""
        image = read_image(path)
        if image.dtype == np.uint8:
            return image
        folder = path.parent
        if folder not in self.levels:
            self.levels[folder] = self._told(folder) or _level_of(folder)
        return as_uint8(image, self.levels[folder])


def _level_of(folder: Path) -> int:
    files = image_files(folder)
    samples = (_deep(files[i]) for i in spread(len(files)))
    return white_level(deep for deep in samples if deep is not None)


def _deep(file: Path) -> NDArray[Any] | None:
    """An image of more than 8 bits."""
    with contextlib.suppress(VideoError):
        image = read_image(file)
        return image if image.dtype == np.uint16 else None
    return None


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which numbers in names compare as numbers."""
    parts = re.split(r"(\d+)", name.lower())
    return [
        (int(part), 0, "") if part.isdecimal() else (-1, 1, part) for part in parts if part
    ], name


def _open(file: Path) -> Image:
    from PIL import Image, UnidentifiedImageError

    if not file.is_file():
        raise VideoError(f"{file} is not a file: check the name, and that its disk is connected.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise VideoError(f"{file} is no image, whatever its name says: remove it.") from error
    except Image.DecompressionBombError as error:
        raise VideoError(
            f"{file} tells of more pixels than a frame can have ({error}): remove it, or make it "
            "smaller."
        ) from error
    except UNREADABLE as error:
        raise VideoError(f"{file} cannot be read ({error}): is it complete?") from error
    stored = file.stat().st_size
    if image.width * image.height > MOST_PIXELS_A_BYTE * stored + SMALL:
        image.close()
        raise VideoError(
            f"{file} tells of {image.width} x {image.height} pixels but holds {stored} bytes: it "
            "is damaged, copy it again or remove it."
        )
    return image


def image_size(file: Path) -> tuple[int, int]:
    """Height and width, upright, from the header alone."""
    from PIL import Image

    with _open(file) as image:
        # Not the method of PNG images, which decodes the whole picture in search of Exif data.
        turned = Image.Image.getexif(image).get(0x0112, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def read_image(file: Path) -> NDArray[Any]:
    """An image as (H, W) or (H, W, 3), uint8 or uint16.

    Palettes and other colour models become RGB, transparency is left out, the camera's orientation
    is applied.

    Raises
    ------
    VideoError
        If it cannot be read or is of a kind that is no picture (floating point).
    """
    from PIL import ImageOps

    with _open(file) as opened:
        try:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                values = _sixteen_bits(file, np.asarray(image))
                # Pillow turns pictures round in which white is 0, but for these.
                inverted = opened.format == "TIFF" and opened.tag_v2.get(262) == 0  # type: ignore[attr-defined]
                return ~values if inverted else values
            if image.mode in ("1", "L", "LA"):
                return np.array(image.convert("L"))
            if image.mode == "F":
                raise VideoError(f"{file} holds floating-point values: save it in 8 or 16 bits.")
            return np.array(image.convert("RGB"))
        except UNREADABLE as error:
            raise VideoError(f"{file} cannot be read ({error}): is it complete?") from error


def _sixteen_bits(file: Path, values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.min() < 0 or values.max() > 65535:
        raise VideoError(f"{file} holds values beyond 16 bits: save it in 8 or 16 bits.")
    return values.astype(np.uint16)


def as_kind(image: NDArray[Any], colour: bool, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An image with the colours and depth of the first one of its folder."""
    if colour and image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    elif not colour and image.ndim == 3:
        image = (image @ np.array([0.299, 0.587, 0.114])).round().astype(image.dtype)
    if image.dtype != dtype:
        image = (image // 257).astype(np.uint8) if dtype == np.uint8 else image.astype(dtype) * 257
    return np.ascontiguousarray(image)
