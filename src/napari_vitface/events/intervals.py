"""Intervals with a label, those of one video together, and edits of them that have an inverse."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from napari_vitface.errors import LabelError
from napari_vitface.history import History, Line
from napari_vitface.words import counted

#: What tables write where there is nothing.
MISSING = ("", "n/a", "na", "nan", "none", "null")

_LONGEST_LABEL = 100
#: Frame numbers are below it: a century at a thousand frames a second.
_FRAMES = 1 << 42
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


@dataclass(frozen=True, order=True, slots=True)
class Interval:
    """Frames in which something is the case.

    Attributes
    ----------
    onset : int
        The first frame.
    offset : int
        The frame after the last. Equal to `onset` for a point event, which has no duration.
    label : str
        What is the case. See `checked_label`.

    Raises
    ------
    ValueError
        If there are no such frames or the label cannot be one.
    """

    onset: int
    offset: int
    label: str

    def __post_init__(self) -> None:
        if self.onset < 0:
            raise ValueError(f"it begins before the video, at frame {self.onset}")
        if self.offset >= _FRAMES:
            raise ValueError("it ends after more frames than a video has")
        if self.offset < self.onset:
            raise ValueError(f"it ends at frame {self.offset}, before it begins at {self.onset}")
        if checked_label(self.label) != self.label:
            raise ValueError(f"{self.label!r} is no label")

    @property
    def is_point(self) -> bool:
        """Whether it has no duration."""
        return self.offset == self.onset

    @property
    def stop(self) -> int:
        """The frame after the last that it is seen in: a point event is seen in one."""
        return max(self.offset, self.onset + 1)

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether it is seen in one of the frames from `start` up to `stop`."""
        return self.onset < stop and start < self.stop


def checked_label(text: str) -> str:
    """The label that a text gives: without spaces around it.

    Raises
    ------
    ValueError
        If it is empty, what tables write for nothing, longer than a line, or more than one line.
    """
    label = text.strip()
    if label.lower() in MISSING:
        raise ValueError(f"{label!r} cannot be a label, because tables write it for nothing")
    if len(label) > _LONGEST_LABEL or _CONTROL.search(label):
        raise ValueError(f"{label[:30]!r}… cannot be a label: use a few words on one line")
    return label


@dataclass(frozen=True)
class EventEdit:
    """Something that changed events, as one step of undo.

    Attributes
    ----------
    what : str
        What the user did, as it follows "Undo": "draw groom".
    removed, added : tuple of Interval
        Sorted, none in both.
    """

    what: str
    removed: tuple[Interval, ...]
    added: tuple[Interval, ...]

    def inverse(self) -> EventEdit:
        """The edit that takes this one back."""
        return EventEdit(self.what, self.added, self.removed)

    def to_json(self) -> Line:
        """As plain JSON data."""
        return {
            "what": self.what,
            "removed": intervals_to_json(self.removed),
            "added": intervals_to_json(self.added),
        }

    @classmethod
    def from_json(cls, data: Any) -> EventEdit:
        """Inverse of `to_json`; `ValueError` if `data` is nothing of the kind."""
        match data:
            case {"what": str() as what, "removed": list() as removed, "added": list() as added}:
                return cls(what, intervals_from_json(removed), intervals_from_json(added))
        raise ValueError(f"{data!r} is no edit of events")


def intervals_to_json(intervals: Iterable[Interval]) -> list[list[Any]]:
    """As plain JSON data: ``[[onset, offset, label], ...]``."""
    return [[each.onset, each.offset, each.label] for each in intervals]


def intervals_from_json(data: Any) -> tuple[Interval, ...]:
    """Inverse of `intervals_to_json`; `ValueError` if `data` is nothing of the kind."""
    found = []
    for each in data if isinstance(data, list) else [None]:
        match each:
            case [int() as onset, int() as offset, str() as label]:
                found.append(Interval(onset, offset, label))
            case _:
                raise ValueError(f"{each!r} is no interval")
    return tuple(found)


class Events:
    """The intervals of one video, in order; none is there twice, any may overlap.

    Parameters
    ----------
    intervals : iterable of Interval
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._all = sorted(set(intervals))
        #: No interval of the video is longer, so that those in view are found by their onset.
        self._longest = max((each.stop - each.onset for each in self._all), default=0)

    def __iter__(self) -> Iterator[Interval]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, interval: object) -> bool:
        if not isinstance(interval, Interval):
            return False
        place = bisect_left(self._all, interval)
        return place < len(self._all) and self._all[place] == interval

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Events) and self._all == other._all

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Events({counted(len(self), 'interval')})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that there are, sorted."""
        return tuple(sorted({each.label for each in self._all}))

    def within(self, start: int, stop: int) -> list[Interval]:
        """The intervals seen in a frame from `start` up to `stop`, in order."""
        first = bisect_left(self._all, start - self._longest, key=lambda each: each.onset)
        last = bisect_left(self._all, stop, key=lambda each: each.onset)
        return [each for each in self._all[first:last] if each.overlaps(start, stop)]

    def apply(self, edit: EventEdit) -> None:
        """Carry out an edit. What is gone already, or there already, is left as it is."""
        for each in edit.removed:
            place = bisect_left(self._all, each)
            if place < len(self._all) and self._all[place] == each:
                del self._all[place]
        for each in edit.added:
            if each not in self:
                insort(self._all, each)
                self._longest = max(self._longest, each.stop - each.onset)


def make_edit(
    events: Events, what: str, *, remove: Iterable[Interval] = (), add: Iterable[Interval] = ()
) -> EventEdit | None:
    """The edit that takes intervals out and puts others in; None if it would change nothing."""
    out, put = set(remove), set(add)
    removed = {each for each in out - put if each in events}
    added = {each for each in put if each not in events}
    if not removed and not added:
        return None
    return EventEdit(what, tuple(sorted(removed)), tuple(sorted(added)))


class EventHistory(History[EventEdit]):
    """Undo and redo of the events of one video.

    Parameters
    ----------
    events : Events
    record : callable
        See `History`.
    """

    def __init__(self, events: Events, record: Callable[[Line], None]) -> None:
        super().__init__(record)
        self.events = events

    def _check(self, edit: EventEdit) -> None:
        gone = [each for each in edit.removed if each not in self.events]
        there = [each for each in edit.added if each in self.events]
        if gone or there or not (edit.removed or edit.added):
            raise LabelError(f"“{edit.what}” was not done: the events have changed meanwhile.")

    def _apply(self, edit: EventEdit) -> None:
        self.events.apply(edit)

    def _take_back(self, edit: EventEdit) -> None:
        self.events.apply(edit.inverse())
