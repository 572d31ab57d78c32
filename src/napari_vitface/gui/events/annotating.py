"""Annotating the video on screen: its events, their labels, and files of them.

Knows napari's viewer model through the session, but no widget and no Qt.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.events.columns import Unit
from napari_vitface.events.event_labels import EventLabel, next_colour
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import EventEdit, Events, Interval, checked_label, make_edit
from napari_vitface.events.merge import EventsConflict
from napari_vitface.gui.events.event_editing import EventEditing, clock_of
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import OpenVideo, on_video

if TYPE_CHECKING:
    from napari_vitface.project.event_document import EventDocument
    from napari_vitface.project.project import Project


class Annotating(EventEditing):
    """What the timeline, its buttons and the keys call."""

    #: Saving found events on disk that another program changed meanwhile.
    conflict_found = Signal(object)

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
        """Call a label otherwise, in this video and in all others of the project."""

        def work() -> None:
            label = checked_name(new)
            if label in [each.name for each in self.labels if each.name != old]:
                raise VitFaceError(f"There is a label {label} already: choose another name.")
            self._declare(
                [
                    EventLabel(label if each.name == old else each.name, each.colour)
                    for each in self.labels
                ]
            )
            edit = renaming(self.events, old, label)
            if edit is not None:
                self._do(edit.what, remove=edit.removed, add=edit.added)
            self.label = label
            self.select(None)
            self._rename_elsewhere(old, label)

        return self._try(work)

    @given("_session.made.project")
    def _rename_elsewhere(self, project: Project, old: str, new: str) -> None:
        """Rename in the other videos of the project, which share its labels; saved at once."""
        shown = {document.name for _, document in self.documents.all()}
        for events, document in self.documents.all():
            edit = renaming(document.events, old, new)
            if events.project == project.folder and edit is not None:
                document.do(edit)
        for entry in project.videos:
            if entry.name not in shown and project.events_path(entry).exists():
                document = project.events(entry.name)
                try:
                    edit = renaming(document.events, old, new)
                    if edit is not None:
                        document.do(edit)
                        document.save()
                finally:
                    document.close()

    def remove_label(self, name: str) -> bool:
        """Take a label and its events away."""

        def work() -> None:
            self._do(f"remove {name}", remove=[e for e in self.events if e.label == name])
            self._declare([each for each in self.labels if each.name != name])
            self.choose(self.labels[0].name if self.labels else "")

        return self._try(work)

    def _declare(self, labels: Iterable[EventLabel]) -> None:
        labels = tuple(labels)
        self._session.made.events.declare(labels)
        self._share(labels)
        self.changed.emit()

    @given("_session.made.project_folder")
    def _share(self, folder: Path, labels: tuple[EventLabel, ...]) -> None:
        """Have the other videos of the project show the same labels."""
        for events, _ in self.documents.all():
            if events.project == folder:
                events.declared = labels

    # ----------------------------------------------------------------- files

    @given("document")
    def save(self, document: EventDocument) -> bool:
        """Merge the events into their file; a conflict is said and nothing is overwritten."""
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

    @given("conflict")
    @given("document")
    def resolve(
        self, document: EventDocument, conflict: EventsConflict, keep_ours: bool
    ) -> bool | None:
        """Save after a conflict: keep what is in the window, or take what is on disk."""
        keep = "ours" if keep_ours else "theirs"
        done = self._try(lambda: document.resolve(conflict, keep))  # type: ignore[arg-type]
        self._after()
        return done and self.save()

    @on_video
    def import_file(self, opened: OpenVideo, path: Path, unit: Unit | None = None) -> bool:
        """Add the events of a file; what is there already stays."""
        found: tuple[Interval, ...] = ()

        def work() -> None:
            nonlocal found
            found = read_events(path, clock_of(opened), unit=unit, video=opened.path.name)
            end = len(opened.video)
            late = [each for each in found if each.stop > end]
            if late:
                raise VitFaceError(
                    f"{path} has an event of {late[0].label} up to frame {late[0].offset}, but "
                    f"{opened.path.name} has {counted(end, 'frame')}: is it of another video, or "
                    "in another unit?"
                )

        if not self._try(work):
            return False
        if not self._do(f"import {path.name}", add=found):
            self.hint(f"There is nothing in {path.name} that is not here already.")
            return False
        return True

    @on_video
    def export_file(self, opened: OpenVideo, path: Path, format: str | None = None) -> bool:
        """Write the events to a file, in the format that its name says or of that name."""
        events, clock, name = list(self.events), clock_of(opened), opened.path.name
        done = self._try(lambda: write_events(path, events, clock, format=format, video=name))
        if done:
            self._session.tell(f"Wrote {path}.", "info")
        return done


def renaming(events: Events, old: str, new: str) -> EventEdit | None:
    """The edit that gives all events of a label another one; None if there are none."""
    mine = [each for each in events if each.label == old]
    renamed = [Interval(each.onset, each.offset, new) for each in mine]
    return make_edit(events, f"rename {old}", remove=mine, add=renamed)


def checked_name(text: str) -> str:
    """The label that was typed; `VitFaceError` if it cannot be one."""
    try:
        return checked_label(text)
    except ValueError as error:
        sentence = str(error)
        raise VitFaceError(f"{sentence[:1].upper()}{sentence[1:]}.") from None
