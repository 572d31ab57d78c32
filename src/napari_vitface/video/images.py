"""Folders of images, and single images, as a source of frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.cache import FrameCache
from napari_vitface.video.scale import ImageScaler, Scale
from napari_vitface.video.suffixes import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from PIL.Image import Image

#: Headers read at opening to see that all images have one size; the others are checked when read.
CHECKED = 5000


class ImageFolderSource:
    """One frame an image file: a folder in natural order of names, or a single file."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self.path = path
        self._cache: FrameCache[NDArray[Any]] = FrameCache(cache_bytes)
        self.files = image_files(path) if path.is_dir() else [path]
        if not self.files:
            raise VideoError(
                f"The folder {path} holds no images: choose a folder of "
                f"{', '.join(IMAGE_SUFFIXES)} files, or a video file."
            )
        first = read_image(self.files[0])
        self.frame_shape = first.shape
        self.dtype = first.dtype
        self.shape = (len(self.files), *first.shape)
        self.white = int(np.iinfo(first.dtype).max)
        self.times = np.zeros(len(self.files))
        self.frame_rate = 0.0
        self.promised: int | None = None
        self.problems: tuple[str, ...] = ()
        for file in self.files[1:CHECKED]:
            self._check_size(file, image_size(file))

    def _check_size(self, file: Path, size: tuple[int, int]) -> None:
        height, width = self.frame_shape[:2]
        if size != (height, width):
            raise VideoError(
                f"{file} has {size[1]} x {size[0]} pixels but {self.files[0].name} has "
                f"{width} x {height}: images of one folder must have one size."
            )

    def _image(self, frame: int) -> NDArray[Any] | None:
        file = self.files[frame]
        try:
            image = read_image(file)
        except VideoError:
            return None
        self._check_size(file, image.shape[:2])
        return as_kind(image, len(self.frame_shape) == 3, self.dtype)

    def read(self, frame: int) -> NDArray[Any] | None:
        """One image; None if its file is broken."""
        if frame not in self._cache:
            image = self._image(frame)
            self._cache.put(frame, image, 0 if image is None else image.nbytes)
        image = self._cache.get(frame)
        return None if image is None else image.copy()

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        scaler = None if scale is None else ImageScaler(scale)
        for frame in frames:
            image = self._image(frame)
            if image is not None and scaler is not None:
                image = scaler(image, white=self.white)
            yield frame, image

    def name_of(self, frame: int) -> str:
        return f"Frame {frame} ({self.files[frame]})"

    def close(self) -> None:
        self._cache.clear()


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder in natural order: ``img2`` before ``img10``; hidden ones left out."""
    files = (
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    return sorted((file for file in files if file.is_file()), key=lambda file: natural(file.name))


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which numbers in names compare as numbers."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), 0, "") if part.isdigit() else (-1, 1, part) for part in parts if part], name


def _open(file: Path) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        raise VideoError(f"{file} is no image, whatever its name says: remove it.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise VideoError(f"{file} cannot be read ({error}): is it complete?") from error


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
                return _sixteen_bits(file, np.asarray(image))
            if image.mode in ("1", "L", "LA"):
                return np.array(image.convert("L"))
            if image.mode == "F":
                raise VideoError(f"{file} holds floating-point values: save it in 8 or 16 bits.")
            return np.array(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
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
