"""TIFF stacks as a source of frames, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.cache import FrameCache
from napari_vitface.video.scale import Scale, scaled_images
from napari_vitface.video.tiff_pages import TiffPages
from napari_vitface.video.white import spread, white_level
from napari_vitface.words import counted


class TiffSource:
    """Pages of a TIFF file."""

    def __init__(self, path: Path, cache_bytes: int, white: int | None = None) -> None:
        self.path = path
        self._cache: FrameCache[NDArray[Any]] = FrameCache(cache_bytes)
        if not path.stat().st_size:
            raise VideoError(f"{path} is empty (0 bytes): copy or record it again.")
        self._pages = TiffPages(path)
        self.shape = self._pages.shape
        self.dtype = self._pages.dtype
        self.white = 255 if self.dtype == np.uint8 else white or self._pages.white or self._level()
        self.times = np.zeros(self.shape[0])
        self.frame_rate = 0.0
        self.problems: tuple[str, ...] = ()
        if others := self._pages.others:
            self.problems += (
                f"{counted(others, 'page')} of {path.name} {'has' if others == 1 else 'have'} "
                "another size or kind than the first one and "
                f"{'is' if others == 1 else 'are'} left out.",
            )
        if self._pages.promised > len(self.times):
            self.problems += (
                f"{path.name} promises {counted(self._pages.promised, 'frame')} but holds "
                f"{len(self.times)}: it was cut off. The frames that are there can be used.",
            )

    def _level(self) -> int:
        frames = (self._pages.read(frame) for frame in spread(self.shape[0]))
        return white_level(frame for frame in frames if frame is not None)

    def read(self, frame: int) -> NDArray[Any] | None:
        """One page; None if it is broken."""
        return self._cache.image(frame, self._pages.read)

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        pages = TiffPages(self.path)
        with closing(pages):
            yield from scaled_images(pages.read, frames, scale, self.white)

    def name_of(self, frame: int) -> str:
        return f"Frame {frame} of {self.path}"

    def close(self) -> None:
        self._cache.clear()
        self._pages.close()
