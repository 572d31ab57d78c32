"""Edits of the events of the video on screen: every command that changes them, undo and redo.

Knows napari's viewer model through the session, but no widget and no Qt. The loop of an edit is: a
command makes an edit of the intervals, `EventDocument.do` writes it to the journal and carries it
out, and signals have it drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.events.clock import Clock
from napari_vitface.events.event_labels import EventLabel
from napari_vitface.events.intervals import (
    Events,
    Interval,
    make_edit,
)
from napari_vitface.events.merge import EventsConflict
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.events.event_documents import EventDocuments
from napari_vitface.gui.open_video import OpenVideo, on_video

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.session import Session
    from napari_vitface.project.event_document import EventDocument

_NO_LABEL = "Make a label first: what is to be marked in the video?"


class EventEditing:
    """Intervals drawn, changed and taken back.

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
        return self._session.made.events.document

    @property
    def events(self) -> Events:
        """The events of the current video."""
        return self._session.made.events.drawn

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        """The labels of the current video, in the order of their lanes."""
        return self._session.made.events.labels

    @property
    def line(self) -> str:
        """What is on disk, in a sentence."""
        return self._session.made.events.line or ""

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

    def draw(self, label: str, onset: int, offset: int) -> bool | None:
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

    def mark_point(self) -> bool | None:
        """Add an event without duration at the frame on screen."""
        if not self.label:
            self.hint(_NO_LABEL)
            return False
        return self.draw(self.label, self._session.frame, self._session.frame)

    def change(self, interval: Interval, onset: int, offset: int) -> bool | None:
        """Give an interval other edges."""
        return self._put(f"move {interval.label}", interval.label, onset, offset, interval)

    def relabel(self) -> bool | None:
        """Give the selected interval the chosen label."""
        if not (chosen := self.selected):
            return self._hint_to_select()
        what = f"call {chosen.label} {self.label}"
        return self._put(what, self.label, chosen.onset, chosen.offset, chosen)

    def delete(self) -> bool:
        """Delete the selected interval."""
        if not (chosen := self.selected):
            return self._hint_to_select()
        return self._do(f"delete {chosen.label}", remove=(chosen,))

    def _hint_to_select(self) -> bool:
        self.hint("Select an event first: click on it.")
        return False

    @on_video
    def _put(
        self, opened: OpenVideo, what: str, label: str, onset: int, offset: int, *instead: Interval
    ) -> bool:
        end, is_point = len(opened.video), offset == onset
        onset = min(max(onset, 0), end - 1)
        offset = onset if is_point else min(max(offset, onset + 1), end)
        interval = Interval(onset, offset, label)
        done = self._do(what, remove=instead, add=(interval,))
        if done:
            self.select(interval)
        return done

    # ----------------------------------------------------------------- doing and undoing

    def undo(self) -> bool:
        """Take back the last edit of the events."""
        return self._step("undo")

    def redo(self) -> bool:
        """Do again what was undone last."""
        return self._step("redo")

    def _step(self, what: str) -> bool:
        if not self._session.made.events.can(what):
            self.hint(f"There is nothing to {what}.")
            return False
        return self._carry_out(getattr(self.document, what))

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
        return self._carry_out(lambda: document.do(edit))

    def _carry_out(self, work: Callable[[], object]) -> bool:
        if not self._try(work):
            # What is on screen may be what was wanted and not what is.
            self.changed.emit()
            return False
        self._after()
        return True

    def _after(self) -> None:
        """Draw what is there now."""
        self.hint("")
        if self.selected is not None and self.selected not in self.events:
            self.select(None)
        self._keep_choice()
        self.changed.emit()
        self.state_changed.emit()

    # ----------------------------------------------------------------- the rest

    def hint(self, text: str) -> None:
        """Say how to go on; the empty sentence takes the last one away."""
        self.hinted.emit(text)

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
