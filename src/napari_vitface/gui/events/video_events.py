"""The events of one video, with the labels that they can have."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.events.event_labels import EventLabel, with_used
from napari_vitface.events.format import read_events
from napari_vitface.events.intervals import Events, Interval
from napari_vitface.project.event_labels import write_event_labels

if TYPE_CHECKING:
    from napari_vitface.project.event_document import EventDocument

_log = logging.getLogger(__name__)


class VideoEvents:
    """The events of no video, and of one whose events are being opened: there are none."""

    @property
    def document(self) -> EventDocument | None:
        """What they are edited in."""
        return None

    @property
    def opened(self) -> list[OpenEvents]:
        """These, if they are open."""
        return []

    @property
    def drawn(self) -> Events:
        """The intervals."""
        return Events()

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        """The labels that are shown, one lane each."""
        return ()

    @property
    def line(self) -> str:
        """What is on disk, in a sentence."""
        return ""

    def taken_over(self, table: Path) -> Iterable[Interval]:
        """What a project takes over: what was drawn, or else is in the table beside the video."""
        return read_events(table) if table.exists() else ()

    def is_kept_in(self, project: Path | None) -> bool:
        """Whether they are kept in the folder of a project; None: beside the video."""
        return False

    def can(self, what: str) -> bool:
        """Whether there is something to "undo" or to "redo"."""
        return False

    def declare(self, labels: tuple[EventLabel, ...]) -> None:
        """Have other labels; `VitFaceError` if they cannot be kept."""
        raise VitFaceError("There is no video to annotate.")

    def close(self) -> None:
        """Let go of them, saved if nothing is against it; what is not stays in their journal."""


class OpenEvents(VideoEvents):
    """The events of an open video.

    Parameters
    ----------
    document : EventDocument
    project : Path or None
        The folder of the project that they are kept in; None: beside the video.
    declared : tuple of EventLabel
        Labels that were made, whether there are events of them or not.
    """

    def __init__(
        self,
        document: EventDocument,
        project: Path | None,
        declared: tuple[EventLabel, ...] = (),
    ) -> None:
        self._document = document
        self.project = project
        self.declared = declared

    @property
    def document(self) -> EventDocument:
        return self._document

    @property
    def opened(self) -> list[OpenEvents]:
        return [self]

    @property
    def drawn(self) -> Events:
        return self._document.events

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        return with_used(self.declared, self.drawn.labels)

    @property
    def line(self) -> str:
        if self._document.read_only:
            return self._document.read_only
        if self._document.unsaved:
            return "Not saved yet, safe in the journal."
        return "Saved." if len(self.drawn) else ""

    def taken_over(self, table: Path) -> Iterable[Interval]:
        return self.drawn

    def is_kept_in(self, project: Path | None) -> bool:
        return self.project == project

    def can(self, what: str) -> bool:
        return bool(getattr(self._document.history, f"can_{what}"))

    def declare(self, labels: tuple[EventLabel, ...]) -> None:
        if self.project is not None:
            write_event_labels(self.project, labels)
        self.declared = labels

    def close(self) -> None:
        document = self._document
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
