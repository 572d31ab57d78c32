"""What to do about events that another program changed since they were read.

Three sets of intervals are compared: what the disk held when it was last read (the base), what is
in memory (ours), and what the disk holds now (theirs). Intervals of one label that overlap,
directly or through others, in whichever of the sets, belong together. Such a group that only one
side changed is taken from that side; one that both changed, differently, is a conflict, and a
person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from napari_vitface.errors import LabelError
from napari_vitface.events.intervals import Interval


@dataclass(frozen=True)
class EventConflict:
    """Intervals of one label about the same place, changed here and by another program.

    Attributes
    ----------
    label : str
    base, ours, theirs : frozenset of Interval
        As read, in memory, and on disk.
    """

    label: str
    base: frozenset[Interval]
    ours: frozenset[Interval]
    theirs: frozenset[Interval]


class EventsConflict(LabelError):
    """Nothing was saved, because another program changed the same events.

    Attributes
    ----------
    conflicts : tuple of EventConflict
        By onset.
    """

    def __init__(self, message: str, conflicts: tuple[EventConflict, ...]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


@dataclass
class EventMerge:
    """The outcome of comparing.

    Attributes
    ----------
    gone, new : set of Interval
        What another program took out and put in, and nobody here touched.
    both_gone, both_new : set of Interval
        What is out or in on both sides alike.
    conflicts : list of EventConflict
    """

    gone: set[Interval] = field(default_factory=set)
    new: set[Interval] = field(default_factory=set)
    both_gone: set[Interval] = field(default_factory=set)
    both_new: set[Interval] = field(default_factory=set)
    conflicts: list[EventConflict] = field(default_factory=list)


def merge(
    base: Iterable[Interval], ours: Iterable[Interval], theirs: Iterable[Interval]
) -> EventMerge:
    """Compare events in memory with those on disk."""
    sides = [frozenset(side) for side in (base, ours, theirs)]
    outcome = EventMerge()
    if sides[0] == sides[2]:
        return outcome
    for group in _groups(frozenset().union(*sides)):
        before, mine, there = (side & group for side in sides)
        if there == mine:
            outcome.both_gone |= before - there
            outcome.both_new |= there - before
        elif there == before:
            continue
        elif mine == before:
            outcome.gone |= mine - there
            outcome.new |= there - mine
        else:
            label = next(iter(group)).label
            outcome.conflicts.append(EventConflict(label, before, mine, there))
    outcome.conflicts.sort(key=lambda each: min(each.base | each.ours | each.theirs))
    return outcome


def _groups(intervals: frozenset[Interval]) -> Iterator[frozenset[Interval]]:
    """Those of one label that overlap, directly or through others."""
    group: set[Interval] = set()
    stop = 0
    for each in sorted(intervals, key=lambda each: (each.label, each.onset)):
        if group and (each.label != next(iter(group)).label or each.onset >= stop):
            yield frozenset(group)
            group, stop = set(), 0
        group.add(each)
        stop = max(stop, each.stop)
    if group:
        yield frozenset(group)
