"""The videos of the list, and how the job on each stands; it tells what changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from psygnal import Signal
from psygnal.containers import EventedList

from napari_vitface.errors import VitFaceError
from napari_vitface.gui.crop_rectangle import Crop
from napari_vitface.gui.numbers import counted, digits


class State(StrEnum):
    """Where the work on a video stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Item:
    """A video in the list.

    Attributes
    ----------
    real : Path
        Where the path leads: what tells videos apart.
    crop : (x, y, width, height), "auto", "whole" or None
        This video's own; None for the one of all videos.
    message : str
        The error's sentence, what came of it, or what is being done.
    done, total : int
        Of what the job counts (frames).
    length : int or None
        Frames of the video as its header says, None while unknown.
    speed : float or None
        Frames a second.
    again : bool
        Results that are there are to be replaced.
    result : Path or None
        The table that the job wrote or that was there.
    model : str
        The model, as jobs take it, that the result is of.
    """

    path: Path
    real: Path
    crop: Crop | str | None = None
    state: State = State.WAITING
    message: str = ""
    done: int = 0
    total: int = 0
    length: int | None = None
    speed: float | None = None
    again: bool = False
    result: Path | None = None
    model: str = ""


class Items(EventedList[Item]):
    """The list, in the order in which the videos are gone through.

    `events` has inserted, removed and moved; what an item is changes by `update`.
    """

    #: (item, names of the attributes that changed)
    item_changed = Signal(object, frozenset)

    def __init__(self) -> None:
        super().__init__(child_events=False)

    def append_new(self, found: Iterable[Item]) -> list[Item]:
        """Append the videos that are not in it, and return those; one may be found twice."""
        there = {item.real for item in self}
        fresh: dict[Path, Item] = {}
        for item in found:
            if item.real not in there:
                fresh.setdefault(item.real, item)
        self.extend(fresh.values())
        return list(fresh.values())

    def update(self, item: Item, **changes: Any) -> None:
        """Set attributes of an item, and say so if that changes any."""
        changed = {name for name, value in changes.items() if getattr(item, name) != value}
        for name in changed:
            setattr(item, name, changes[name])
        if changed:
            self.item_changed.emit(item, frozenset(changed))

    def wait(self, item: Item, message: str = "", *, again: bool = False) -> None:
        """Let a video wait for its turn; frames that are done stay counted."""
        self.update(item, state=State.WAITING, message=message, speed=None, again=again)

    def of(self, path: Path) -> list[Item]:
        """The item of a video, if it has one; a file under another name is the same video."""
        wanted = path.resolve()
        return [item for item in self if item.real == wanted]

    def having(self, *states: State) -> list[Item]:
        """The items in one of some states, in their order."""
        return [item for item in self if item.state in states]

    def end_words(self, past: str) -> Iterator[tuple[str, str]]:
        """What is said when the list is through, and how gravely; nothing if nothing came of it."""
        done, failed = len(self.having(State.DONE)), len(self.having(State.FAILED))
        text = f"The list is through: {digits(done)} of {counted(len(self), 'video')} {past}"
        if failed:
            yield f"{text}, {failed} failed; the list says why.", "warning"
        elif done:
            yield f"{text}.", "info"


def same_results(item: Item, other: Item) -> VitFaceError:
    """Why a video cannot have its turn: its results would be those of another one."""
    return VitFaceError(
        f"{item.path.name} would have its results in the files of {other.path}: rename one of the "
        "two, or predict them into different folders."
    )
