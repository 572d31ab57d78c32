"""The events of one video: in memory, with undo and redo, in the journal and in a file.

How nothing is lost: as with labels (see `document.py`), every edit is in the journal before it
counts. The journal begins with the events that the edits were made on. So whenever the process is
killed, opening carries out the edits on these, which gives what was in memory, and compares all
three with what the file holds: it may hold that already, or what another program wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from napari_vitface.errors import LabelError
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import (
    EventEdit,
    EventHistory,
    Events,
    Interval,
    intervals_from_json,
    intervals_to_json,
    make_edit,
)
from napari_vitface.events.merge import EventConflict, EventsConflict, merge
from napari_vitface.history import Line
from napari_vitface.project.journal import Journal, no_edit
from napari_vitface.project.journalled import ADOPTED, ATTEMPTS, Journalled


class EventDocument(Journalled[EventEdit]):
    """The events of one video, open for editing in this process alone.

    Parameters
    ----------
    name : str
        Of the video.
    path : Path
        The table, a TSV that counts frames; made by the first save, and its folder with it. The
        folder above must be there.
    journal : Journal

    Attributes
    ----------
    events : Events
        As they are now. Read them; change them through `do`.
    history : EventHistory
    problems : tuple of str
        Sentences about what is odd on disk.

    Raises
    ------
    LabelError
        If the table or the journal cannot be read.
    """

    what = "events"

    def __init__(self, name: str, path: Path, journal: Journal) -> None:
        self.name = name
        self.path = path
        self.journal = journal
        there = self._read()
        header, entries = journal.content.header, journal.content.entries
        base = _from_json(journal, header.get("events")) if entries else there or ()
        #: What the file may hold without another program having changed it.
        self._base = Events(base)
        self.events = Events(base)
        self.history = EventHistory(self.events, self._append)
        self._replay(entries)
        # The base that the journal gives; the next entry notes what is another by then.
        self._noted = Events(self._base)
        journal.begin(self._header())
        self.problems = journal.content.problems
        if journal.refused:
            self.problems += (journal.refused,)
            return
        try:
            self._adopt(there)
        except LabelError as error:
            # On a full disk the events can be seen; the next save takes over what changed.
            self.problems += (str(error),)

    @property
    def unsaved(self) -> bool:
        """Whether the file does not hold all events yet; the journal always does."""
        return self.events != self._base

    def save(self) -> int:
        """Write the events to their file, merged into what is there now.

        Returns
        -------
        int
            Intervals that another program had changed and that were taken over (one step of undo).

        Raises
        ------
        EventsConflict
            If another program changed intervals that were changed here: see `resolve`.
        LabelError
            If the file cannot be read or written. Nothing is lost: the events stay in memory and
            the edits in the journal.
        """
        self._check_writable(self.path.parent.parent)
        adopted = 0
        for _ in range(ATTEMPTS):
            content = self._content()
            there = self._read()
            conflicts = merge(self._base, self.events, self._or_base(there)).conflicts
            if conflicts:
                raise self._conflict(conflicts)
            adopted += self._adopt(there)
            if there is not None and self.events == Events(there):
                break
            if self._content() == content:
                self._write()
                break
        else:
            raise self._never_settled(self.path)
        self._base = Events(self.events)
        try:
            self.journal.restart(self._header())
            self._noted = Events(self._base)
        except LabelError as error:
            # The file is complete; edits that the journal still holds are in it, and the next entry
            # says so: undone, they would come back from the file as another program's.
            self.problems += (str(error),)
        return adopted

    def resolve(
        self,
        conflicts: EventsConflict | Iterable[EventConflict],
        keep: Literal["ours", "theirs"],
    ) -> None:
        """Decide conflicts; the next `save` goes by it.

        Parameters
        ----------
        conflicts : EventsConflict, or several EventConflict
        keep : "ours" or "theirs"
            Keep what is in memory, or take what is on disk (one step of undo).

        Raises
        ------
        LabelError
            If the decision cannot be recorded.
        """
        if isinstance(conflicts, EventsConflict):
            conflicts = conflicts.conflicts
        conflicts = list(conflicts)
        ours = {each for conflict in conflicts for each in conflict.ours}
        theirs = {each for conflict in conflicts for each in conflict.theirs}
        before = {each for conflict in conflicts for each in conflict.base}
        known = make_edit(self._base, ADOPTED, remove=before, add=theirs)
        edit = make_edit(self.events, ADOPTED, remove=ours, add=theirs)
        if keep == "theirs" and edit is not None:
            with self._knowing(known):
                self.do(edit)
        elif known is not None:
            with self._knowing(known):
                self._append({}, "The choice was not kept")

    def close(self) -> None:
        """Let other processes open the events. Unsaved edits stay in the journal."""
        if not self.unsaved and not self.journal.refused:
            self.journal.remove()
        self.journal.close()

    # --- how --------------------------------------------------------------------------------------

    def _header(self) -> Line:
        return {"video": self.name, "events": intervals_to_json(self._base)}

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    def _read(self) -> tuple[Interval, ...] | None:
        """What is on disk; None if there is no file."""
        return read_events(self.path) if self.path.exists() else None

    def _or_base(self, there: tuple[Interval, ...] | None) -> Iterable[Interval]:
        """A file that is gone does not mean that events were deleted."""
        return self._base if there is None else there

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise LabelError(
                f"{self.path.parent} cannot be made ({error.strerror or error})."
            ) from error
        write_events(self.path, self.events, format="tsv")

    def _append(self, line: Line, otherwise: str = "The edit was not made") -> None:
        """Write an entry, with how the base changed since the last."""
        base = set(self._base)
        known = make_edit(self._noted, ADOPTED, remove={*self._noted} - base, add=base)
        if known is not None:
            line = {**line, "base": known.to_json()}
        self.journal.append(line, otherwise)
        self._noted = Events(base)

    @contextmanager
    def _knowing(self, known: EventEdit | None) -> Iterator[None]:
        """Change the base for an entry, and back if it cannot be written."""
        before = Events(self._base)
        if known is not None:
            self._base.apply(known)
        try:
            yield
        except BaseException:
            self._base = before
            raise

    def _adopt(self, there: tuple[Interval, ...] | None) -> int:
        """Take over what another program changed, as a step that can be undone."""
        outcome = merge(self._base, self.events, self._or_base(there))
        edit = make_edit(self.events, ADOPTED, remove=outcome.gone, add=outcome.new)
        # After a crash while saving the file holds edits that the journal has too: undone, they
        # would come back from the file as another program's.
        both = make_edit(self._base, ADOPTED, remove=outcome.both_gone, add=outcome.both_new)
        if both is not None:
            self._base.apply(both)
        if edit is not None:
            known = make_edit(self._base, ADOPTED, remove=outcome.gone, add=outcome.new)
            with self._knowing(known):
                self.do(edit)
            return len(edit.removed) + len(edit.added)
        if both is not None:
            try:
                self._append({}, "What the file holds was not noted")
            except LabelError as error:
                # The next entry notes it.
                self.problems += (str(error),)
        return 0

    def _replay(self, entries: Iterable[Line]) -> None:
        steps = {
            "do": self.history.replay_do,
            "undo": self.history.replay_undo,
            "redo": self.history.replay_redo,
            "base": self._base.apply,
        }
        for entry in entries:
            for kind, data in entry.items():
                try:
                    steps[kind](EventEdit.from_json(data))
                except (KeyError, ValueError) as error:
                    raise no_edit(self.journal.path, "events", error) from error

    def _conflict(self, conflicts: list[EventConflict]) -> EventsConflict:
        first = conflicts[0]
        frame = min(first.base | first.ours | first.theirs).onset
        more = f" and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
        return EventsConflict(
            f"Another program changed events of {self.name} that were changed here too: "
            f"{first.label} about frame {frame}{more}. Nothing was saved; choose which to keep.",
            tuple(conflicts),
        )


def open_events(name: str, path: Path, journal: Path) -> EventDocument:
    """Open the events of a video, by its name, the path of their table and that of their journal.

    Raises
    ------
    LabelError
        If they cannot be read or are open elsewhere.
    """
    opened = Journal(journal, f"the events of {name}")
    try:
        return EventDocument(name, path, opened)
    except BaseException:
        opened.close()
        raise


def _from_json(journal: Journal, data: object) -> tuple[Interval, ...]:
    try:
        return intervals_from_json(data)
    except ValueError as error:
        raise no_edit(journal.path, "events", error) from error
