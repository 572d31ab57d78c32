"""TIFF stacks as a source of frames, page by page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.cache import FrameCache
from napari_vitface.video.scale import ImageScaler, Scale


class TiffSource:
    """Pages of a TIFF file."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self.path = path
        self._cache: FrameCache[NDArray[Any]] = FrameCache(cache_bytes)
        if not path.stat().st_size:
            raise VideoError(f"{path} is empty (0 bytes): copy or record it again.")
        self._pages = TiffPages(path)
        self.shape = self._pages.shape
        self.dtype = self._pages.dtype
        self.white = int(np.iinfo(self.dtype).max)
        self.times = np.zeros(self.shape[0])
        self.frame_rate = 0.0
        self.promised: int | None = self._pages.promised
        self.problems: tuple[str, ...] = ()
        if self._pages.promised > len(self.times):
            self.problems = (
                f"{path.name} promises {self.promised} frames but holds {len(self.times)}: it was "
                "cut off. The frames that are there can be used.",
            )

    def read(self, frame: int) -> NDArray[Any] | None:
        """One page; None if it is broken."""
        if frame not in self._cache:
            image = self._pages.read(frame)
            self._cache.put(frame, image, 0 if image is None else image.nbytes)
        image = self._cache.get(frame)
        return None if image is None else image.copy()

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        scaler = None if scale is None else ImageScaler(scale)
        pages = TiffPages(self.path)
        try:
            for frame in frames:
                image = pages.read(frame)
                if image is not None and scaler is not None:
                    image = scaler(image, white=self.white)
                yield frame, image
        finally:
            pages.close()

    def name_of(self, frame: int) -> str:
        return f"Frame {frame} of {self.path}"

    def close(self) -> None:
        self._cache.clear()
        self._pages.close()


class TiffPages:
    """Reads frames of the first series of a TIFF file. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        import tifffile

        self.path = path
        try:
            self._file = tifffile.TiffFile(path)
            series: Any = self._file.series[0]
        except (tifffile.TiffFileError, OSError, IndexError, ValueError) as error:
            raise VideoError(f"{path} cannot be read as TIFF ({error}): is it complete?") from error
        self.dtype = np.dtype(series.dtype).newbyteorder("=")
        if self.dtype not in (np.uint8, np.uint16):
            raise VideoError(f"{path} holds {self.dtype} values: save it in 8 or 16 bits unsigned.")
        shape, axes = series.shape, series.axes
        count, self._planar, colour = _frame_axes(path, shape, axes)
        self._inner_shape = shape[-3:] if colour else shape[-2:]
        self._memory: NDArray[Any] | None = None
        self._pages: Any = series.pages
        self._pages_a_frame = max(1, len(series.pages) // count)
        self.promised = count
        if series.dataoffset is not None:
            # Written in one piece, perhaps with an entry for the first page alone, as ImageJ does.
            if self._file.imagej_metadata and not colour:
                self.promised = max(count, int(self._file.imagej_metadata.get("images", 1)))
            count = self._map(path, series.dataoffset)
        elif count == 1 and len(self._file.series) > 1:
            # Pages that were written one by one, without a word on how they belong together.
            self._pages = self._file.pages
            alike = [page.shape == self._pages[0].shape for page in self._pages]
            self.promised = count = alike.index(False) if False in alike else len(alike)
        height, width = shape[axes.index("Y")], shape[axes.index("X")]
        self.shape: tuple[int, ...] = (count, height, width, *((3,) if colour else ()))
        self._pillow = self._memory is None and not self._can_decode()

    def _map(self, path: Path, offset: int) -> int:
        """Map the frames from `offset` on that are all there; their number."""
        frame_bytes = math.prod(self._inner_shape) * self.dtype.itemsize
        count = min(self.promised, (path.stat().st_size - offset) // frame_bytes)
        if count < 1:
            raise VideoError(
                f"{path} was cut off before the end of its first frame: copy it again."
            )
        stored = self.dtype.newbyteorder(self._file.byteorder)
        self._memory = np.memmap(path, stored, "r", offset, (count, *self._inner_shape))
        return count

    def _can_decode(self) -> bool:
        """Whether tifffile has the codec; LZW and JPEG need a package that Pillow does without."""
        try:
            self._pages[0].asarray()
        except (ValueError, KeyError) as error:
            return "imagecodecs" not in str(error)
        except Exception:  # damaged pages are told when they are read
            return True
        return True

    def read(self, frame: int) -> NDArray[Any] | None:
        """One frame; None if its pages are damaged or missing."""
        try:
            if self._memory is not None:
                image = np.array(self._memory[frame])
            elif self._pillow:
                image = _read_by_pillow(self.path, frame * self._pages_a_frame)
            else:
                first = frame * self._pages_a_frame
                pages = [self._pages[first + k].asarray() for k in range(self._pages_a_frame)]
                image = np.stack(pages).reshape(self._inner_shape)
        except Exception:  # tifffile raises errors of many kinds over damaged pages
            return None
        if self._planar and not self._pillow:
            image = np.moveaxis(image, 0, -1)
        if len(self.shape) == 4:
            image = image[..., :3]
        return np.ascontiguousarray(image, dtype=self.dtype)

    def close(self) -> None:
        self._memory = None
        self._file.close()


def _frame_axes(path: Path, shape: tuple[int, ...], axes: str) -> tuple[int, bool, bool]:
    """Number of frames, whether colours are planes, and whether there are colours.

    Raises `VideoError` for stacks of more than one dimension beside the picture's own.
    """
    planar = axes[-3:-2] in ("S", "C") and axes[-2:] == "YX" and shape[-3] in (3, 4)
    colour = planar or (axes[-3:] in ("YXS", "YXC") and shape[-1] in (3, 4))
    inner = 3 if colour else 2
    outer = [size for size in shape[:-inner] if size != 1]
    if len(outer) > 1 or not (planar or axes[-inner:].startswith("YX")):
        sizes = " x ".join(str(size) for size in shape)
        raise VideoError(
            f"{path} has {len(shape)} dimensions ({axes}, {sizes}): save it as one stack of frames."
        )
    return (outer[0] if outer else 1), planar, colour


def _read_by_pillow(path: Path, page: int) -> NDArray[Any]:
    from PIL import Image

    with Image.open(path) as image:
        image.seek(page)
        return np.array(image)
