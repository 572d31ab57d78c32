"""Frames of a video file by number: seek to a key frame, decode forward, and tell broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.video.index import NO_TIME, FrameIndex
from napari_vitface.video.packets import PacketDecoder

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: Decoding this many frames forward is cheaper than emptying the decoder and seeking.
NEAR = 12

#: How many key frames to go back when the one before a frame is broken itself.
MAX_STEPS_BACK = 3


class FrameDecoder:
    """Decodes frames of one file by number, in one thread. Not thread-safe."""

    def __init__(self, path: Path, index: FrameIndex, *, careful: bool = False) -> None:
        self._path = path
        self._index = index
        self._careful = careful
        self._packets = PacketDecoder(path, threads=not careful)
        self._next = 0  # no frame below this number will come before the next seek
        self._waiting: tuple[int, VideoFrame] | None = None
        self._second: FrameDecoder | None = None
        self._broken: set[int] = set()

    def advance(self, frame: int) -> Iterator[tuple[int, VideoFrame | None]]:
        """Decode up to `frame`; gives it last, and the frames that had to be decoded on the way.

        A frame that cannot be decoded comes as None.
        """
        entry = self._index.entry(frame)
        start = int(self._index.key_frames[entry]) if entry >= 0 else 0
        reached = self._waiting[0] if self._waiting else self._next
        if not (self._next <= frame and (start <= self._next or frame - reached <= NEAR)):
            self._go_to(entry)
            self._next = max(start, 0)
        while self._next <= frame:
            number, picture = self._take()
            stop = frame + 1 if number is None else min(number, frame + 1)
            missing = range(self._next, stop)
            if missing:
                yield from self._second_try(missing)
            self._next = stop
            if number is not None and number <= frame:
                yield number, picture
                self._next = number + 1
            elif number is not None and picture is not None:
                self._waiting = number, picture

    def _take(self) -> tuple[int | None, VideoFrame | None]:
        """The next sound frame in presentation order, or None, None at the end."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return waiting
        rank = self._index.rank
        for packet, picture in self._packets:
            number = int(rank[packet]) if packet < len(rank) else -1
            # Below: leading pictures of an open GOP, whose references were not decoded.
            if number >= self._next and not picture.is_corrupt:
                return number, picture
        return None, None

    def _go_to(self, entry: int) -> None:
        index = self._index
        self._waiting = None
        if entry >= 0 and index.key_packets[entry] > 0:
            number = int(index.key_packets[entry])
            pts, dts = (
                None if stamps[entry] == NO_TIME else int(stamps[entry])
                for stamps in (index.key_pts, index.key_dts)
            )
            time = pts if index.by_pts or dts is None else dts
            if time is not None and self._packets.seek(number, time, pts, dts):
                return
        self._packets.rewind()

    def _second_try(self, missing: range) -> Iterator[tuple[int, VideoFrame | None]]:
        """Frames that did not come out: decode them again, one packet at a time."""
        if self._careful:
            yield from self._from_earlier(missing)
            return
        if all(number in self._broken for number in missing):
            yield from ((number, None) for number in missing)
            return
        if self._second is None:
            self._second = FrameDecoder(self._path, self._index, careful=True)
        for wanted in missing:
            for number, picture in self._second.advance(wanted):
                if number == wanted:
                    if picture is None:
                        self._broken.add(number)
                    yield number, picture

    def _from_earlier(self, missing: range) -> Iterator[tuple[int, VideoFrame | None]]:
        yield from ((number, None) for number in missing)

    def close(self) -> None:
        self._packets.close()
        if self._second is not None:
            self._second.close()
