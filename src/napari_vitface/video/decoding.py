"""Frames of a video file by number: seek to a key frame, decode forward, and tell broken ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.video.index import FrameIndex
from napari_vitface.video.packet_table import NO_TIME
from napari_vitface.video.packets import PacketDecoder

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: Decoding this many frames forward is cheaper than emptying the decoder and seeking.
NEAR = 12

#: Key frames tried, going back, where the container does not find the nearest one.
SEEKS = 4


class FrameDecoder:
    """Decodes frames of one file by number. Not thread-safe.

    A frame is broken, and comes as None, if its packet gives no picture or one that FFmpeg flags as
    corrupt. Frames after a broken one are given as FFmpeg makes them up to the next key frame,
    whichever way they are reached.
    """

    def __init__(self, path: Path, index: FrameIndex, *, careful: bool = False) -> None:
        self._path = path
        self._index = index
        self._careful = careful  # one packet at a time, so that an error costs no neighbours
        self._packets = PacketDecoder(path, threads=not careful)
        self._next = 0  # no frame below this number will come before the next seek
        self._entered = -1  # frame number of the key frame that was sought, -1: file start
        self._waiting: tuple[int, VideoFrame] | None = None
        self._second: FrameDecoder | None = None
        self._broken: set[int] = set()
        self._bad_entries: set[int] = set()

    def frame(self, frame: int) -> VideoFrame | None:
        """Decode one frame; None if it is broken."""
        result = None
        for number, decoded in self.advance(frame):
            if number == frame:
                result = decoded
        return result

    def advance(self, frame: int) -> Iterator[tuple[int, VideoFrame | None]]:
        """Decode up to `frame`; gives it last, and the frames that had to be decoded on the way."""
        entry = self._entry(frame)
        start = int(self._index.key_frames[entry]) if entry >= 0 else 0
        reached = self._waiting[0] if self._waiting else self._next
        if self._next > frame or (start > self._next and frame - reached > NEAR):
            self._go_to(entry)
        while self._next <= frame:
            number, picture = self._take()
            missing = range(self._next, min(number, frame + 1))
            if missing and missing.start == self._entered:
                # The key frame itself is broken: what follows it depends on frames before it.
                self._bad_entries.add(self._index.entry(self._entered))
                self._go_to(self._entry(self._entered))
                continue
            yield from self._second_try(missing)
            self._next = missing.stop
            if picture is None:
                continue
            if number <= frame:
                yield number, picture
                self._next = number + 1
            else:
                self._waiting = number, picture

    def _entry(self, frame: int) -> int:
        """The last key frame not after `frame` that is not known to be broken."""
        entry = self._index.entry(frame)
        while entry in self._bad_entries:
            entry -= 1
        return entry

    def _take(self) -> tuple[int, VideoFrame | None]:
        """The next sound frame in presentation order; at the end none, behind all of them."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return waiting
        rank = self._index.rank
        for packet, picture in self._packets:
            number = int(rank[packet]) if packet < len(rank) else -1
            # Below: leading pictures of an open GOP, whose references were not decoded.
            if number >= self._next and not picture.is_corrupt:
                return number, picture
        return sys.maxsize, None

    def _go_to(self, entry: int) -> None:
        index = self._index
        self._waiting = None
        for earlier in self._findable(entry):
            number = int(index.key_packets[earlier])
            pts, dts = (
                None if stamps[earlier] == NO_TIME else int(stamps[earlier])
                for stamps in (index.key_pts, index.key_dts)
            )
            time = pts if index.by_pts or dts is None else dts
            pos = int(index.key_pos[earlier])
            if earlier in self._bad_entries or number == 0 or time is None:
                continue
            if index.key_shares_time[earlier]:
                # Among equals FFmpeg may land behind the wanted one: begin before all of them.
                time -= 1
            if self._packets.seek(number, time, pts, dts, pos):
                self._entered = int(index.key_frames[earlier])
                self._next = max(self._entered, 0)
                return
        self._packets.rewind()
        self._entered = -1
        self._next = 0

    def _findable(self, entry: int) -> Iterator[int]:
        """Key frames up to `entry`, going back, that time or place tell from all others."""
        index = self._index
        found = (
            earlier
            for earlier in range(entry, -1, -1)
            if not index.key_shares_time[earlier] or index.key_pos[earlier] >= 0
        )
        return islice(found, SEEKS)

    def _second_try(self, missing: range) -> Iterator[tuple[int, VideoFrame | None]]:
        """Frames that did not come out: decode them again, one packet at a time."""
        if self._careful or all(number in self._broken for number in missing):
            yield from ((number, None) for number in missing)
            return
        if self._second is None:
            self._second = FrameDecoder(self._path, self._index, careful=True)
        for wanted in missing:
            picture = self._second.frame(wanted)
            if picture is None:
                self._broken.add(wanted)
            yield wanted, picture

    def renumbered(self) -> None:
        """Start afresh after the index was given other numbers."""
        self._go_to(-1)
        self._broken.clear()
        self._bad_entries.clear()
        if self._second is not None:
            self._second.renumbered()

    def close(self) -> None:
        self._packets.close()
        if self._second is not None:
            self._second.close()
