"""The most recently used frames, bounded by their size in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Frame = TypeVar("Frame")


class FrameCache(Generic[Frame]):
    """Frames by number; the least recently used ones go when there are too many bytes.

    The newest frame is always kept, however large. None stands for a broken frame and takes no
    room, so it is remembered as long as the frames around it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: OrderedDict[int, tuple[Frame | None, int]] = OrderedDict()
        self._bytes = 0

    def __contains__(self, number: int) -> bool:
        return number in self._frames

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, number: int) -> Frame | None:
        """A frame that is in the cache, which becomes the most recently used one."""
        self._frames.move_to_end(number)
        return self._frames[number][0]

    def image(self, number: int, read: Callable[[int], Frame | None]) -> Frame | None:
        """A copy of an image that is in the cache, or comes into it by `read`."""
        if number not in self._frames:
            made: Any = read(number)
            self.put(number, made, 0 if made is None else made.nbytes)
        found: Any = self.get(number)
        return None if found is None else found.copy()

    def put(self, number: int, frame: Frame | None, size: int) -> None:
        """Keep a frame of `size` bytes."""
        if number in self._frames:
            self._bytes -= self._frames.pop(number)[1]
        self._frames[number] = frame, size
        self._bytes += size
        while self._bytes > self._limit and len(self._frames) > 1:
            self._bytes -= self._frames.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._frames.clear()
        self._bytes = 0
