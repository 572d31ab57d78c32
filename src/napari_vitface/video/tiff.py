"""TIFF stacks as a source of frames, page by page."""

from __future__ import annotations

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
        self.promised: int | None = None
        self.problems: tuple[str, ...] = ()

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
            series = self._file.series[0]
        except (tifffile.TiffFileError, OSError, IndexError, ValueError) as error:
            raise VideoError(f"{path} cannot be read as TIFF ({error}): is it complete?") from error
        shape, axes = series.shape, series.axes
        self.dtype = np.dtype(series.dtype)
        if self.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
            raise VideoError(f"{path} holds {self.dtype} values: save it in 8 or 16 bits unsigned.")
        self.dtype = self.dtype.newbyteorder("=")
        self._axes = axes[-3:] if axes[-1] in "SC" and shape[-1] in (3, 4) else axes[-2:]
        if len(axes) > 2 and axes[-3] == "S":
            self._axes = axes[-3:]
        inner = len(self._axes)
        outer = [n for n in shape[:-inner] if n != 1]
        if len(outer) > 1 or self._axes.replace("S", "").replace("C", "") != "YX":
            raise VideoError(
                f"{path} has the axes {axes} with sizes {shape}: save it as one stack of frames."
            )
        self._series: Any = series
        count = outer[0] if outer else 1
        height, width = series.shape[axes.index("Y")], series.shape[axes.index("X")]
        self.shape: tuple[int, ...] = (
            (count, height, width, 3) if inner == 3 else (count, height, width)
        )
        self._inner_shape = shape[-inner:]
        # Stacks that are written in one piece (ImageJ's) may have a single page entry.
        self._memory = None
        if series.dataoffset is not None:
            self._memory = np.memmap(
                path, series.dtype, "r", series.dataoffset, (count, *self._inner_shape)
            )
        self._pages_a_frame = max(1, len(series.pages) // count)

    def read(self, frame: int) -> NDArray[Any] | None:
        try:
            if self._memory is not None:
                image = np.array(self._memory[frame])
            else:
                step = self._pages_a_frame
                pages = [self._series.pages[frame * step + k].asarray() for k in range(step)]
                image = np.stack(pages).reshape(self._inner_shape)
        except (OSError, ValueError, IndexError, AttributeError):
            return None
        if len(self._axes) == 3:
            if self._axes[0] in "SC":
                image = np.moveaxis(image, 0, -1)
            image = image[..., :3]
        return np.ascontiguousarray(image, dtype=self.dtype)

    def close(self) -> None:
        self._memory = None
        self._file.close()
