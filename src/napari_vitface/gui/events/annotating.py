"""Annotating the video on screen: every command that changes its events, undo and redo.

Knows napari's viewer model through the session, but no widget and no Qt. The loop of an edit is: a
command makes an edit of the intervals, `EventDocument.do` writes it to the journal and carries it
out, and signals have it drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.events.clock import Clock
from napari_vitface.events.columns import Unit
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import (
    EventEdit,
    Events,
    Interval,
    checked_label,
    make_edit,
)
from napari_vitface.events.labels import EventLabel, next_colour
from napari_vitface.events.merge import EventsConflict
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.events.documents import EventDocuments

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.project.event_document import EventDocument

_NO_LABEL = "Make a label first: what is to be marked in the video?"


class Annotating:
    """What the timeline, its buttons and the keys call.

    What cannot be done is said by `hinted`, what failed by `Session.told`; neither raises.

    Attributes
    ----------
    documents : EventDocuments
    label : str
        The chosen one, which is drawn; empty if there is none.
    selected : Interval or None
    begun : int or None
        The frame at which `mark` began an event.
    conflict : EventsConflict or None
        What kept the last save from being done.
    """

    #: The events, or the labels that there are, are others.
    changed = Signal()
    #: Another interval, or none, is selected, or another label chosen.
    selection_changed = Signal()
    #: What can be undone, or what is saved, changed.
    state_changed = Signal()
    #: A sentence on how to use it.
    hinted = Signal(str)
    #: Saving found events on disk that another program changed meanwhile.
    conflict_found = Signal(object)

    def __init__(self, session: Session, documents: Documents) -> None:
        self._session = session
        self.documents = EventDocuments(session, documents)
        self.label = ""
        self.selected: Interval | None = None
        self.begun: int | None = None
        self.conflict: EventsConflict | None = None
        self._shown: EventDocument | None = None
        self.documents.changed.connect(self._on_document)

    # ----------------------------------------------------------------- what there is

    @property
    def document(self) -> EventDocument | None:
        """The events of the current video; None without one, or while they are opened."""
        current = self.documents.current
        return current.document if current is not None else None

    @property
    def events(self) -> Events:
        """The events of the current video."""
        document = self.document
        return document.events if document is not None else Events()

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        """The labels of the current video, in the order of their lanes."""
        current = self.documents.current
        return current.labels if current is not None else ()

    @property
    def clock(self) -> Clock | None:
        """When the frames of the current video are shown, as far as that is known."""
        opened = self._session.current
        return clock_of(opened) if opened is not None else None

    @property
    def line(self) -> str:
        """What is on disk, in a sentence."""
        document = self.document
        if document is None:
            return ""
        if document.read_only:
            return document.read_only
        if document.unsaved:
            return "Not saved yet, safe in the journal."
        return "Saved." if len(document.events) else ""

    # ----------------------------------------------------------------- choosing

    def choose(self, label: str) -> None:
        """Draw events of a label from now on."""
        if label != self.label:
            self.label, self.begun = label, None
            self.selection_changed.emit()

    def choose_next(self) -> None:
        """Choose the next label; behind the last one the first."""
        names = [each.name for each in self.labels]
        if not names:
            self.hint(_NO_LABEL)
            return
        at = names.index(self.label) if self.label in names else -1
        self.choose(names[(at + 1) % len(names)])

    def select(self, interval: Interval | None) -> None:
        """Select an interval, and choose its label; None selects none."""
        if interval is not None and interval.label != self.label:
            self.label, self.begun = interval.label, None
        self.selected = interval
        self.selection_changed.emit()

    def go(self, step: int) -> None:
        """Select the next (1) or previous (-1) event of the chosen label, and show its onset."""
        frame = self._session.frame
        mine = [each for each in self.events if each.label == self.label]
        beyond = [each for each in mine if (each.onset - frame) * step > 0]
        if not beyond:
            self.hint(f"There is no {'other' if mine else 'event of'} {self.label} that way.")
            return
        found = beyond[0] if step > 0 else beyond[-1]
        self.select(found)
        self._session.go_to(found.onset)

    def next_event(self) -> None:
        """Go to the next event of the chosen label."""
        self.go(1)

    def previous_event(self) -> None:
        """Go to the previous event of the chosen label."""
        self.go(-1)

    # ----------------------------------------------------------------- edits

    def draw(self, label: str, onset: int, offset: int) -> bool:
        """Add an event of the frames from `onset` up to `offset`."""
        return self._put(f"draw {label}", label, onset, offset)

    def mark(self) -> None:
        """Begin an event at the frame on screen; the second time, end it after that frame."""
        if self.document is None:
            self.hint("There is no video to annotate.")
            return
        if not self.label:
            self.hint(_NO_LABEL)
            return
        frame = self._session.frame
        if self.begun is None:
            self.begun = frame
            self.hint(f"{self.label} begins at frame {frame}; again where it ends.")
            self.selection_changed.emit()
            return
        onset, offset = sorted((self.begun, frame))
        self.begun = None
        self.draw(self.label, onset, offset + 1)

    def mark_point(self) -> bool:
        """Add an event without duration at the frame on screen."""
        if not self.label:
            self.hint(_NO_LABEL)
            return False
        return self.draw(self.label, self._session.frame, self._session.frame)

    def change(self, interval: Interval, onset: int, offset: int) -> bool:
        """Give an interval other edges."""
        return self._put(f"move {interval.label}", interval.label, onset, offset, interval)

    def relabel(self, label: str) -> bool:
        """Give the selected interval another label."""
        chosen = self.selected
        if chosen is None:
            return False
        return self._put(f"call {chosen.label} {label}", label, chosen.onset, chosen.offset, chosen)

    def delete(self) -> bool:
        """Delete the selected interval."""
        chosen = self.selected
        if chosen is None:
            self.hint("Select an event first: click on it.")
            return False
        return self._do(f"delete {chosen.label}", remove=(chosen,))

    def _put(
        self, what: str, label: str, onset: int, offset: int, instead: Interval | None = None
    ) -> bool:
        opened = self._session.current
        if opened is None:
            return False
        end, is_point = len(opened.video), offset == onset
        onset = min(max(onset, 0), end - 1)
        offset = onset if is_point else min(max(offset, onset + 1), end)
        interval = Interval(onset, offset, label)
        done = self._do(what, remove=() if instead is None else (instead,), add=(interval,))
        if done:
            self.select(interval)
        return done

    # ----------------------------------------------------------------- labels

    def add_label(self, name: str) -> bool:
        """Have another label, and choose it."""

        def work() -> None:
            label = checked_name(name)
            if label not in [each.name for each in self.labels]:
                new = EventLabel(label, next_colour(self.labels))
                self._declare([*self.labels, new])
            self.choose(label)

        return self._try(work)

    def recolour(self, name: str, colour: str) -> bool:
        """Give a label another colour, ``#rrggbb``."""
        labels = [
            EventLabel(each.name, colour if each.name == name else each.colour)
            for each in self.labels
        ]
        return self._try(lambda: self._declare(labels))

    def rename_label(self, old: str, new: str) -> bool:
        """Call a label otherwise, in all events of this video."""

        def work() -> None:
            label = checked_name(new)
            if label in [each.name for each in self.labels if each.name != old]:
                raise VitFaceError(f"There is a label {label} already: choose another name.")
            mine = [each for each in self.events if each.label == old]
            renamed = [Interval(each.onset, each.offset, label) for each in mine]
            self._declare(
                [
                    EventLabel(label if each.name == old else each.name, each.colour)
                    for each in self.labels
                ]
            )
            self._do(f"rename {old}", remove=mine, add=renamed)
            self.label = label
            self.select(None)

        return self._try(work)

    def remove_label(self, name: str) -> bool:
        """Take a label and its events away."""

        def work() -> None:
            self._do(f"remove {name}", remove=[e for e in self.events if e.label == name])
            self._declare([each for each in self.labels if each.name != name])
            self.choose(self.labels[0].name if self.labels else "")

        return self._try(work)

    def _declare(self, labels: Iterable[EventLabel]) -> None:
        current = self.documents.current
        if current is None:
            raise VitFaceError("There is no video to annotate.")
        current.declare(tuple(labels))
        self.changed.emit()

    # ----------------------------------------------------------------- doing and undoing

    def undo(self) -> bool:
        """Take back the last edit of the events."""
        document = self.document
        if document is None or not document.history.can_undo:
            self.hint("There is nothing to undo.")
            return False
        return self._carry_out(document.undo)

    def redo(self) -> bool:
        """Do again what was undone last."""
        document = self.document
        if document is None or not document.history.can_redo:
            self.hint("There is nothing to redo.")
            return False
        return self._carry_out(document.redo)

    def _do(
        self, what: str, *, remove: Iterable[Interval] = (), add: Iterable[Interval] = ()
    ) -> bool:
        document = self.document
        if document is None:
            self.hint("The events are being opened …" if self.documents.opening else "")
            return False
        edit = make_edit(document.events, what, remove=remove, add=add)
        if edit is None:
            return False

        def work() -> EventEdit:
            document.do(edit)
            return edit

        return self._carry_out(work)

    def _carry_out(self, work: Callable[[], EventEdit | None]) -> bool:
        done: list[EventEdit | None] = []
        if not self._try(lambda: done.append(work())):
            # What is on screen may be what was wanted and not what is.
            self.changed.emit()
            return False
        self._after()
        return done[0] is not None

    def _after(self) -> None:
        """Draw what is there now."""
        self.hint("")
        if self.selected is not None and self.selected not in self.events:
            self.select(None)
        self._keep_choice()
        self.changed.emit()
        self.state_changed.emit()

    # ----------------------------------------------------------------- files

    def save(self) -> bool:
        """Merge the events into their file; a conflict is said and nothing is overwritten."""
        document = self.document
        if document is None:
            return False
        self.conflict = None
        adopted = 0

        def work() -> None:
            nonlocal adopted
            try:
                adopted = document.save()
            except EventsConflict as conflict:
                self.conflict = conflict
                raise

        saved = self._try(work)
        if self.conflict is not None:
            self.conflict_found.emit(self.conflict)
        if adopted:
            self._session.tell(
                "Another program had changed events on disk; they are as it left them (Undo "
                "brings yours back).",
                "warning",
            )
            self._after()
        self.state_changed.emit()
        return saved

    def resolve(self, keep_ours: bool) -> bool:
        """Save after a conflict: keep what is in the window, or take what is on disk."""
        document, conflict = self.document, self.conflict
        if document is None or conflict is None:
            return False
        keep = "ours" if keep_ours else "theirs"
        done = self._try(lambda: document.resolve(conflict, keep))  # type: ignore[arg-type]
        self._after()
        return done and self.save()

    def import_file(self, path: Path, unit: Unit | None = None) -> bool:
        """Add the events of a file; what is there already stays."""
        opened = self._session.current
        if opened is None:
            return False
        found: tuple[Interval, ...] = ()

        def work() -> None:
            nonlocal found
            found = read_events(path, clock_of(opened), unit=unit, video=opened.path.name)
            end = len(opened.video)
            late = [each for each in found if each.stop > end]
            if late:
                raise VitFaceError(
                    f"{path} has an event of {late[0].label} up to frame {late[0].offset}, but "
                    f"{opened.path.name} has {end} frames: is it of another video, or in another "
                    "unit?"
                )

        if not self._try(work):
            return False
        if not self._do(f"import {path.name}", add=found):
            self.hint(f"There is nothing in {path.name} that is not here already.")
            return False
        return True

    def export_file(self, path: Path, format: str | None = None) -> bool:
        """Write the events to a file, in the format that its name says or of that name."""
        opened = self._session.current
        if opened is None:
            return False
        events, clock, name = list(self.events), clock_of(opened), opened.path.name
        done = self._try(lambda: write_events(path, events, clock, format=format, video=name))
        if done:
            self._session.tell(f"Wrote {path}.", "info")
        return done

    # ----------------------------------------------------------------- the rest

    def hint(self, text: str) -> None:
        """Say how to go on; the empty sentence takes the last one away."""
        self.hinted.emit(text)

    def close(self) -> None:
        """Let go of all events; what cannot be saved is in the journals."""
        self.documents.close()

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:
            # Also a fault of ours must leave the events and the window as they are.
            self._session.tell(sentence_of("changing the events", error), "error")
            self.state_changed.emit()
            return False
        return True

    def _on_document(self) -> None:
        if self.document is not self._shown:
            self._shown = self.document
            self.selected = self.begun = self.conflict = None
            self._keep_choice()
        self.changed.emit()
        self.selection_changed.emit()
        self.state_changed.emit()

    def _keep_choice(self) -> None:
        names = [each.name for each in self.labels]
        if self.label not in names:
            self.label = names[0] if names else ""
            self.begun = None


def clock_of(opened: OpenVideo) -> Clock | None:
    """When the frames of a video are shown; None for images without a rate."""
    video = opened.video
    return Clock(video.frame_rate, video.times) if video.frame_rate > 0 else None


def checked_name(text: str) -> str:
    """The label that was typed; `VitFaceError` if it cannot be one."""
    try:
        return checked_label(text)
    except ValueError as error:
        sentence = str(error)
        raise VitFaceError(f"{sentence[:1].upper()}{sentence[1:]}.") from None
