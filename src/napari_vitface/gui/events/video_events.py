"""The events of one video, with the labels that they can have."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.events.event_labels import EventLabel, with_used
from napari_vitface.events.format import read_events
from napari_vitface.events.intervals import Events, Interval
from napari_vitface.gui.given import given
from napari_vitface.project.event_document import EventDocument
from napari_vitface.project.event_labels import write_event_labels

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class VideoEvents:
    """The events of a video; none, and in no document, of no video and before they are opened.

    Attributes
    ----------
    document : EventDocument or None
    project : Path or None
        The folder of the project that they are kept in; None: beside the video.
    declared : tuple of EventLabel
        Labels that were made, whether there are events of them or not.
    """

    document: EventDocument | None = None
    project: Path | None = None
    declared: tuple[EventLabel, ...] = ()

    @property
    def drawn(self) -> Events:
        """The intervals."""
        return self.document.events if self.document is not None else Events()

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        """The labels that are shown, one lane each."""
        return with_used(self.declared, self.drawn.labels)

    @property
    @given("document")
    def line(self, document: EventDocument) -> str:
        """What is on disk, in a sentence."""
        if document.read_only:
            return document.read_only
        if document.unsaved:
            return "Not saved yet, safe in the journal."
        return "Saved." if len(document.events) else ""

    @property
    @given("document")
    def problems(self, document: EventDocument) -> Iterable[str]:
        """What is wrong with their files, in sentences."""
        return document.problems

    @given("document")
    def is_in(self, document: EventDocument, project: Path | None) -> bool:
        """Whether they are kept in the folder of a project; None: beside the video."""
        return self.project == project

    @given("document")
    def can(self, document: EventDocument, what: str) -> bool:
        """Whether there is something to "undo" or to "redo"."""
        return bool(getattr(document.history, f"can_{what}"))

    def taken_over(self, table: Path) -> Iterable[Interval]:
        """What a project takes over: what was drawn, or else is in the table beside the video."""
        if self.document is None:
            return read_events(table) if table.exists() else ()
        return self.drawn

    def declare(self, labels: tuple[EventLabel, ...]) -> None:
        """Have other labels; `VitFaceError` if they cannot be kept."""
        if self.document is None:
            raise VitFaceError("There is no video to annotate.")
        if self.project is not None:
            write_event_labels(self.project, labels)
        self.declared = labels

    @given("document")
    def close(self, document: EventDocument) -> None:
        """Let go of them, saved if nothing is against it; what is not stays in their journal."""
        try:
            if document.unsaved and not document.read_only:
                document.save()
        except LabelError as error:
            _log.info("%s; the edits stay in %s", error, document.journal.path)
        except Exception:
            _log.exception("cannot save %s", document)
        try:
            document.close()
        except Exception:
            _log.exception("cannot close %s", document)
