"""Video files as a source of frames: index, check of both ends, decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.cache import FrameCache
from napari_vitface.video.decoding import FrameDecoder
from napari_vitface.video.index import FrameIndex, build_index, lost_to_errors
from napari_vitface.video.packets import PacketDecoder
from napari_vitface.video.picture import Picture, PictureConverter, describe
from napari_vitface.video.scale import Scale
from napari_vitface.words import counted

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: Frames decoded at the start to see that packets and frames go together.
HEAD = 32

#: Pixels decoded at the end to see that the last frames are there, where nothing looks damaged.
TAIL_PIXELS = 100_000_000

#: Places in the video where it is judged whether it has colour.
COLOUR_SAMPLES = 8


class EncodedSource:
    """Frames of a video file.

    The cache holds frames as they are decoded: they take less room than RGB, and those that are
    only on the way to the wanted one cost no conversion, which makes stepping back through a long
    group of pictures cheap.
    """

    def __init__(self, path: Path, cache_bytes: int, white: int | None = None) -> None:
        self.path = path
        index = build_index(path)
        if not _starts_as_indexed(path, index):
            index = build_index(path, by_decoding=True)
        indexed = len(index)
        decoder = FrameDecoder(path, index)
        try:
            first = _first_sound(path, index, decoder)
            stop = _end_of_sound(path, index, decoder, first)
            if (first, stop) != (0, indexed):
                index.keep(first, stop)
                decoder.renumbered()
            self.picture = _look(path, index, decoder, white)
        except BaseException:
            decoder.close()
            raise
        self.index = index
        self._decoder = decoder
        self._convert = PictureConverter(self.picture)
        self._cache: FrameCache[VideoFrame] = FrameCache(cache_bytes)
        self._frame_bytes = 0
        self.shape = (len(index), *self.picture.shape)
        self.dtype = self.picture.dtype
        self.times = index.times
        self.frame_rate = _frame_rate(index)
        self.problems = _problems(path, index, indexed, self.frame_rate)

    @property
    def white(self) -> int:
        return self.picture.white

    @white.setter
    def white(self, white: int) -> None:
        self.picture = replace(self.picture, white=white)
        self._convert = PictureConverter(self.picture)

    @property
    def key_frames(self) -> NDArray[np.int64]:
        """Frames from which decoding can begin."""
        return self.index.key_frames[self.index.key_frames >= 0]

    def read(self, frame: int) -> NDArray[Any] | None:
        """One frame; None if it is broken."""
        if frame in self._cache:
            decoded = self._cache.get(frame)
        else:
            for number, decoded in self._decoder.advance(frame):
                if decoded is not None and not self._frame_bytes:
                    self._frame_bytes = sum(plane.buffer_size for plane in decoded.planes)
                self._cache.put(number, decoded, 0 if decoded is None else self._frame_bytes)
        return _converted(decoded, self._convert)

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        """Frames in the given order by a decoder of their own; for use in another thread."""
        convert = PictureConverter(self.picture, scale)
        decoder = FrameDecoder(self.path, self.index)
        with closing(decoder):
            for frame in frames:
                decoded = decoder.frame(frame)
                yield frame, _converted(decoded, convert)

    def name_of(self, frame: int) -> str:
        return f"Frame {frame} of {self.path}"

    def close(self) -> None:
        self._cache.clear()
        self._decoder.close()


def _converted(decoded: VideoFrame | None, convert: PictureConverter) -> NDArray[Any] | None:
    """A frame as an array; None if it is broken, or of colours unknown to FFmpeg."""
    from av.error import FFmpegError

    try:
        return None if decoded is None else convert(decoded)
    except FFmpegError:
        return None


def _starts_as_indexed(path: Path, index: FrameIndex) -> bool:
    """Whether the first frames come out in the indexed order, one for each packet.

    Not so where the container's times are wrong, or where two packets make one frame (interlaced
    fields). Frames that fail because of damage do not speak against it, nor do those before the
    first key frame.
    """
    for threads in (True, False):
        decoder = PacketDecoder(path, threads=threads)
        with closing(decoder):
            numbers = [number for number, _ in islice(decoder, HEAD)]
        if any(number >= len(index.rank) for number in numbers):
            return False
        ranks = index.rank[numbers].tolist()
        if any(rank < 0 for rank in ranks) or any(b <= a for a, b in pairwise(ranks)):
            return False
        if _without_gaps(index, numbers, decoder.errors):
            return True
    return False


def _without_gaps(index: FrameIndex, numbers: list[int], errors: set[int]) -> bool:
    """Whether every shown packet between those decoded gave a frame or was lost to an error."""
    ranks = index.rank[numbers]
    between = (index.rank >= ranks.min(initial=0)) & (index.rank < ranks.max(initial=0))
    between[numbers] = False
    silent = np.flatnonzero(between)
    return len(lost_to_errors(silent, errors, index.key_packets)) == len(silent)


def _first_sound(path: Path, index: FrameIndex, decoder: FrameDecoder) -> int:
    """The first frame that can be decoded: a recording cut out of another may begin without."""
    for frame in range(len(index)):
        if decoder.frame(frame) is not None:
            return frame
    raise _nothing_in(path)


def _nothing_in(path: Path) -> VideoError:
    return VideoError(f"None of the frames of {path} can be decoded: the file is damaged.")


def _end_of_sound(path: Path, index: FrameIndex, decoder: FrameDecoder, first: int) -> int:
    """One past the last frame that can be decoded."""
    stop = len(index)
    sample = decoder.frame(first)
    pixels = 0 if sample is None else sample.width * sample.height
    entry = index.entry(stop - 1)
    while stop > first + 1:
        start = max(first, int(index.key_frames[entry])) if entry >= 0 else first
        suspect = index.damaged or (index.promised or 0) > index.seen
        if not suspect and (stop - start) * pixels > TAIL_PIXELS:
            break
        sound = [frame for frame in range(start, stop) if decoder.frame(frame) is not None]
        if sound:
            return sound[-1] + 1
        stop, entry = start, entry - 1
    return max(stop, first + 1)


def _look(path: Path, index: FrameIndex, decoder: FrameDecoder, white: int | None) -> Picture:
    """Describe the pictures from the first frame and key frames spread over the video.

    Should colour first appear between those places, the video is still read as grey: its shape
    cannot change once it is open.
    """
    frames = {0}
    keys = index.key_frames[index.key_frames >= 0]
    if len(keys):
        spread = np.linspace(0, len(keys) - 1, COLOUR_SAMPLES).round().astype(int)
        frames.update(keys[spread].tolist())
    samples = (decoder.frame(frame) for frame in sorted(frames))
    sound = (sample for sample in samples if sample is not None)
    # The threads of a decoder do not always give up the same frames of a damaged file.
    if (first := next(sound, None)) is None:
        raise _nothing_in(path)
    return describe(chain([first], sound), white)


def _frame_rate(index: FrameIndex) -> float:
    """Frames per second: the container's figure unless the frames' times say otherwise."""
    span = float(index.times[-1])
    measured = (len(index) - 1) / span if span > 0 else 0.0
    if index.rate and (not measured or abs(measured / index.rate - 1) < 0.01):
        return index.rate
    return measured


def _problems(path: Path, index: FrameIndex, indexed: int, rate: float) -> tuple[str, ...]:
    count = len(index)
    lasts = float(index.times[-1]) + (1 / rate if rate else 0.0)
    if index.promised is not None and index.promised > index.seen:
        return (
            f"{path.name} promises {counted(index.promised, 'frame')} but holds {count}: it was "
            "cut off or is damaged. The frames that are there can be used.",
        )
    if index.promised is None and index.claimed_seconds > max(1.05 * lasts, lasts + 0.5):
        return (
            f"{path.name} promises {index.claimed_seconds:.1f} s of video but holds {lasts:.1f} s "
            f"({counted(count, 'frame')}): it was cut off or is damaged. The frames that are "
            "there can be used.",
        )
    if (lost := indexed - count) > 0:
        return (
            f"{path.name} is cut off or damaged: {lost} of its {counted(indexed, 'frame')}, at the "
            f"ends, cannot be decoded and {'is' if lost == 1 else 'are'} left out; the other "
            f"{count} can be used.",
        )
    if index.damaged:
        return (f"{path.name} is damaged in places: some of its frames may not be readable.",)
    return ()
