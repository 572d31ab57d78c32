"""Undo and redo without limit, by edits that have an inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

#: A line of a journal: plain JSON data. Those who read one back look at what is in it.
Line = dict[str, Any]


class HasInverse(Protocol):
    """Something that was done, as one step of undo."""

    @property
    def what(self) -> str:
        """What the user did, as it follows "Undo": "move nose tip"."""

    def to_json(self) -> Line:
        """As plain JSON data."""


E = TypeVar("E", bound=HasInverse)


class History(Generic[E]):
    """What was done and can be undone, and what was undone and can be redone.

    Subclasses say how an edit is carried out and taken back.

    Parameters
    ----------
    record : callable
        Called with one line of plain JSON data, ``{"do" | "undo" | "redo": edit}``, before
        anything is changed. If it raises, nothing is.

    Attributes
    ----------
    done, undone : list of edits
        What `undo` and `redo` take from, the next one last.
    changed : list of callables
        Each is called with the edit after it was done or redone, and with it again after it was
        undone.
    """

    def __init__(self, record: Callable[[Line], None] = lambda line: None) -> None:
        self.record = record
        self.done: list[E] = []
        self.undone: list[E] = []
        self.changed: list[Callable[[E], None]] = []

    @property
    def can_undo(self) -> bool:
        return bool(self.done)

    @property
    def can_redo(self) -> bool:
        return bool(self.undone)

    @property
    def undo_text(self) -> str:
        """What `undo` would take back: "move nose tip"; empty if there is nothing."""
        return self.done[-1].what if self.done else ""

    @property
    def redo_text(self) -> str:
        """What `redo` would do again; empty if there is nothing."""
        return self.undone[-1].what if self.undone else ""

    def do(self, edit: E) -> None:
        """Carry out an edit; what was undone before can then no longer be redone.

        Raises
        ------
        LabelError
            If it was made from something else than what is there now.
        """
        self._check(edit)
        self.record({"do": edit.to_json()})
        self.replay_do(edit)
        self._notify(edit)

    def undo(self) -> E | None:
        """Take back the last edit and return it; None if there is none."""
        if not self.done:
            return None
        edit = self.done[-1]
        self.record({"undo": edit.to_json()})
        self.replay_undo(edit)
        self._notify(edit)
        return edit

    def redo(self) -> E | None:
        """Do again what was undone last and return it; None if there is nothing."""
        if not self.undone:
            return None
        edit = self.undone[-1]
        self.record({"redo": edit.to_json()})
        self.replay_redo(edit)
        self._notify(edit)
        return edit

    # What follows changes memory alone: it is how a journal is read back.

    def replay_do(self, edit: E) -> None:
        """`do` without recording it or telling anybody."""
        self._apply(edit)
        self.done.append(edit)
        self.undone.clear()

    def replay_undo(self, edit: E) -> None:
        """`undo` of an edit that may have been done before the history began."""
        self._take_back(edit)
        if self.done:
            self.done.pop()
        self.undone.append(edit)

    def replay_redo(self, edit: E) -> None:
        """`redo` of an edit that may have been undone before the history began."""
        self._apply(edit)
        if self.undone:
            self.undone.pop()
        self.done.append(edit)

    # What subclasses say.

    def _check(self, edit: E) -> None:
        """Raise if an edit cannot be carried out on what is there now."""

    def _apply(self, edit: E) -> None:
        raise NotImplementedError

    def _take_back(self, edit: E) -> None:
        raise NotImplementedError

    def _notify(self, edit: E) -> None:
        for callback in tuple(self.changed):
            callback(edit)
