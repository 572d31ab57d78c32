"""`open_video`: any video, folder of images or TIFF stack as one lazy, thread-safe array."""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.read_ahead import decode_ahead
from napari_vitface.video.scale import Scale
from napari_vitface.video.sources import IMAGE_SUFFIXES, Source, source_kind, video_suffixes
from napari_vitface.video.white import checked_white
from napari_vitface.words import counted

OnBroken = Literal["raise", "blank"]


def open_video(
    path: str | os.PathLike[str],
    *,
    cache_bytes: int = 256 << 20,
    on_broken: OnBroken = "raise",
    white: int | None = None,
) -> Video:
    """Open a video file, a folder of images, a TIFF stack or a single image.

    Parameters
    ----------
    path : path
        A file with one of `VIDEO_SUFFIXES` or `IMAGE_SUFFIXES`, or that another package opens
        (`napari_vitface.video.sources`), or a folder of images, which are taken in natural order
        of their names.
    cache_bytes : int
        Decoded frames kept in memory.
    on_broken : {"raise", "blank"}
        What indexing a frame that cannot be decoded does: raise `VideoError`, or give a black
        frame (for a window that has to show something).
    white : int, optional
        The value that is white in a recording of more than 8 bits. Default: what the file says, or
        what the brightest of some frames spread over it needs, see `napari_vitface.video.white`.

    Returns
    -------
    Video

    Raises
    ------
    VideoError
        One sentence: what is wrong with the file and what to do.
    """
    if white is not None:
        checked_white(white, str(path))
    return Video(_open_source(Path(path), cache_bytes, white), on_broken=on_broken)


def _open_source(path: Path, cache_bytes: int, white: int | None) -> Source:
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{path} cannot be opened ({reason}): check the name.") from error
    if not exists:
        raise VideoError(f"{path} does not exist: check the name, and that its disk is connected.")
    kind = source_kind("" if is_folder else path.suffix or ".")
    if kind is None:
        raise VideoError(
            f"{path} is not a kind of video that is known here: open one of "
            f"{', '.join((*video_suffixes(), *IMAGE_SUFFIXES))} or a folder of images."
        )
    make: Callable[[Path, int, int | None], Source] = resolve_name(kind.place)
    return make(path, cache_bytes, white)


class Video:
    """Frames of a video as an array that is read when it is indexed. Thread-safe.

    Index i is the i-th decodable frame in presentation order. A frame that is damaged in the
    middle keeps its index: see `on_broken` of `open_video`, and `frames`. What follows it is given
    as the decoder makes it, which may be distorted up to the next key frame.

    Colour video whose frames are all grey, as many cameras record it, is grey here; a few frames
    spread over the video decide.

    Attributes
    ----------
    path : Path
    name : str
        Name of the file without its suffix.
    shape : tuple of int
        (T, H, W) for grey, (T, H, W, 3) for RGB, upright.
    dtype : uint8 or uint16
    white : int
        The value of the brightest white: 255, 65535, or for instance 4095 for 12-bit grey, also
        where that is held in 16 bits. Can be set where there are more than 8 bits.
    times : (T,) float64
        Presentation times in seconds from the first frame.
    frame_rate : float
        Frames per second; 0 where unknown.
    problems : tuple of str
        Sentences for the user about what is wrong with the file although it can be read.
    """

    def __init__(self, source: Source, *, on_broken: OnBroken = "raise") -> None:
        self._source = source
        self._lock = threading.RLock()
        self._closed = False
        self.path = source.path
        self.name = source.path.name if source.path.is_dir() else source.path.stem
        self.shape = source.shape
        self.dtype = source.dtype
        self.times = source.times
        self.frame_rate = source.frame_rate
        self.problems = source.problems
        self.on_broken = on_broken

    @property
    def white(self) -> int:
        return self._source.white

    @white.setter
    def white(self, white: int) -> None:
        if self.dtype != np.uint8:
            self._source.white = checked_white(white, str(self.path))

    @property
    def key_frames(self) -> NDArray[np.int64]:
        """(N,) Frames from which decoding can begin; all of them where each stands alone."""
        found = getattr(self._source, "key_frames", None)
        return np.arange(len(self)) if found is None else found

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Video({str(self.path)!r}, shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, rest = self._split(key)
        if isinstance(first, int):
            return self._frame(first)[rest]
        # Filled frame by frame, with the other axes cut at once, so that no more than the result
        # is held.
        inner = np.broadcast_to(np.empty((), self.dtype), self.shape[1:])[rest].shape
        result = np.empty((len(first), *inner), self.dtype)
        for position, number in enumerate(first):
            result[position] = self._frame(number)[rest]
        return result

    def _split(self, key: Any) -> tuple[int | Sequence[int], tuple[Any, ...]]:
        """Frame number or numbers, and the index of the other axes, as numpy understands `key`."""
        keys = list(key) if isinstance(key, tuple) else [key]
        dots = [i for i, part in enumerate(keys) if part is Ellipsis]
        if len(dots) > 1:
            raise IndexError("an index can only have a single ellipsis ('...')")
        if dots:
            keys[dots[0] : dots[0] + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for a video of {self.ndim} dimensions")
        if not all(isinstance(part, slice) or np.ndim(part) == 0 for part in keys[1:]):
            raise IndexError("only the first axis of a video takes a list of indices")
        first, rest = (keys[0], tuple(keys[1:])) if keys else (slice(None), ())
        if isinstance(first, slice):
            return range(*first.indices(len(self))), rest
        if np.ndim(first) == 1:
            numbers = np.asarray(first)
            if numbers.dtype == bool and len(numbers) == len(self):
                numbers = np.flatnonzero(numbers)
            return [self._number(number) for number in numbers], rest
        return self._number(first), rest

    def _number(self, index: Any) -> int:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"frame {number} of a video of {counted(len(self), 'frame')}")
        return number % len(self)

    def _frame(self, number: int) -> NDArray[Any]:
        """A copy of one frame, that the caller may change."""
        with self._lock:
            if self._closed:
                raise VideoError(f"{self.path} was closed: open it again.")
            frame = self._source.read(number)
        if frame is not None:
            return frame
        if self.on_broken == "blank":
            return np.zeros(self.shape[1:], self.dtype)
        raise VideoError(
            f"{self._source.name_of(number)} cannot be decoded because the file is damaged there: "
            "use another frame."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def frames(
        self, indices: Sequence[int] | None = None, *, scale: Scale | None = None, ahead: int = 64
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        """Iterate over frames that a thread of its own decodes ahead.

        Parameters
        ----------
        indices : range or sequence of int, optional
            Which frames, in this order; default all. Frames in between are decoded where they must
            be, but not converted.
        scale : Scale, optional
            Give uint8 frames of this crop, size and colour instead of whole ones.
        ahead : int
            Frames decoded before they are asked for, at most.

        Yields
        ------
        index : int
        frame : array or None
            None for a frame that cannot be decoded; the iteration goes on after it.

        Notes
        -----
        Closing the iterator, or dropping it, ends the thread.
        """
        numbers = range(len(self)) if indices is None else indices
        if len(numbers) and (min(numbers) < 0 or max(numbers) >= len(self)):
            raise IndexError(f"{numbers} reaches beyond a video of {counted(len(self), 'frame')}")
        return decode_ahead(lambda: self._source.stream(numbers, scale), ahead)

    def __deepcopy__(self, memo: object) -> Video:
        """The video itself, which nothing can change: napari copies the data of a copied layer."""
        return self

    def close(self) -> None:
        """Give back the file and the memory; a closed video keeps its shape, times and name."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._source.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
