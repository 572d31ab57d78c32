"""Video files as a source of frames: index, check of both ends, decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.decoding import FrameDecoder
from napari_vitface.video.index import FrameIndex, build_index, reindex_by_decoding
from napari_vitface.video.packets import PacketDecoder, open_container
from napari_vitface.video.picture import Picture, PictureConverter, describe
from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: Frames decoded at the start to see that packets and frames go together.
HEAD = 32

#: Longest run after the last key frame that is decoded at opening where nothing looks damaged.
TAIL = 600

#: Places in the video where it is judged whether it has colour.
COLOUR_SAMPLES = 8


class EncodedSource:
    """Frames of a video file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        index = build_index(path)
        if not _starts_as_indexed(path, index):
            index = reindex_by_decoding(path)
        indexed = len(index)
        _trim(path, index)
        self.index = index
        self.picture = _look(path, index)
        self.shape = (len(index), *self.picture.shape)
        self.dtype = self.picture.dtype
        self.white = self.picture.white
        self.times = index.times
        self.frame_rate = _frame_rate(path, index)
        self.promised = index.promised
        self.problems = _problems(path, index, indexed)
        self._decoder: FrameDecoder | None = None
        self._convert = PictureConverter(self.picture)

    def read(self, frame: int, spare: int) -> Iterator[tuple[int, NDArray[Any] | None]]:
        """Decode a frame; also gives up to `spare` of the frames decoded on the way to it."""
        if self._decoder is None:
            self._decoder = FrameDecoder(self.path, self.index)
        for number, decoded in self._decoder.advance(frame):
            if number >= frame - spare:
                yield number, None if decoded is None else self._convert(decoded)

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]:
        """Frames in the given order by a decoder of their own; for use in another thread."""
        convert = PictureConverter(self.picture, scale)
        decoder = FrameDecoder(self.path, self.index)
        try:
            for frame in frames:
                for number, decoded in decoder.advance(frame):
                    if number == frame:
                        yield number, None if decoded is None else convert(decoded)
        finally:
            decoder.close()

    def name_of(self, frame: int) -> str:
        return f"Frame {frame} of {self.path}"

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None


def _starts_as_indexed(path: Path, index: FrameIndex) -> bool:
    """Whether the first frames come out in the indexed order, one for each packet.

    Not so where the container's times are wrong, or where two packets make one frame (interlaced
    fields). Packets that are damaged or precede the first key frame do not speak against it.
    """
    for threads in (True, False):
        decoder = PacketDecoder(path, threads=threads)
        ranks: list[int] = []
        try:
            for number, _ in decoder:
                if number < len(index.rank):
                    ranks.append(int(index.rank[number]))
                if len(ranks) >= HEAD:
                    break
        finally:
            decoder.close()
        shown = [rank for rank in ranks if rank >= 0]
        if any(later <= earlier for earlier, later in pairwise(shown)):
            return False
        damaged = {int(index.rank[number]) for number in decoder.errors if number < len(index.rank)}
        silent = set(range(shown[0], shown[-1])) - set(shown) - damaged if shown else set()
        if not silent and len(shown) == len(ranks):
            return True
    return False


def _trim(path: Path, index: FrameIndex) -> None:
    """Leave out frames at both ends that cannot be decoded, so that the count is the true one."""
    decoder = FrameDecoder(path, index, careful=True)
    try:
        first = next(
            (
                number
                for number, decoded in _decoded(decoder, range(len(index)))
                if decoded is not None
            ),
            None,
        )
    finally:
        decoder.close()
    if first is None:
        raise VideoError(f"None of the frames of {path} can be decoded: the file is damaged.")
    stop = len(index)
    decoder = FrameDecoder(path, index)
    try:
        entry = index.entry(stop - 1)
        while True:
            start = max(first, int(index.key_frames[entry])) if entry >= 0 else first
            if not index.damaged and stop - start > TAIL:
                break
            sound = [
                number
                for number, decoded in _decoded(decoder, range(start, stop))
                if decoded is not None
            ]
            stop = max(sound) + 1 if sound else start
            if sound or entry < 0 or start <= first:
                break
            entry -= 1
    finally:
        decoder.close()
    index.keep(first, max(stop, first + 1))


def _decoded(decoder: FrameDecoder, frames: range) -> Iterator[tuple[int, VideoFrame | None]]:
    for frame in frames:
        for number, decoded in decoder.advance(frame):
            if number == frame:
                yield number, decoded


def _look(path: Path, index: FrameIndex) -> Picture:
    """Describe the pictures from the first frame and key frames spread over the video."""
    count = len(index)
    frames = {0}
    if len(index.key_frames):
        spread = np.linspace(0, len(index.key_frames) - 1, COLOUR_SAMPLES).round().astype(int)
        frames.update(int(number) for number in index.key_frames[spread] if 0 <= number < count)
    decoder = FrameDecoder(path, index)
    try:
        samples = [
            decoded
            for frame in sorted(frames)
            for _, decoded in _decoded(decoder, range(frame, frame + 1))
        ]
        return describe(decoded for decoded in samples if decoded is not None)
    finally:
        decoder.close()


def _frame_rate(path: Path, index: FrameIndex) -> float:
    """Frames per second: the container's figure unless the frames' times say otherwise."""
    container, stream = open_container(path)
    claimed = float(stream.average_rate or stream.guessed_rate or 0)
    container.close()
    span = float(index.times[-1])
    measured = (len(index) - 1) / span if span > 0 else 0.0
    if claimed and (not measured or abs(measured / claimed - 1) < 0.01):
        return claimed
    return measured


def _problems(path: Path, index: FrameIndex, indexed: int) -> tuple[str, ...]:
    count = len(index)
    problems = []
    if index.promised is not None and index.promised > index.packets:
        problems.append(
            f"{path.name} promises {index.promised} frames but holds {count}: it was cut off or "
            "damaged; the frames that are there can be used."
        )
    elif indexed > count:
        problems.append(
            f"{indexed - count} frames at the ends of {path.name} cannot be decoded and are left "
            f"out; {count} can be used."
        )
    elif index.damaged:
        problems.append(
            f"{path.name} is damaged in places; frames that cannot be decoded have no picture."
        )
    return tuple(problems)
