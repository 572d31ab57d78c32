"""The events of each open video: in the project that it belongs to, else in a file beside it.

Opening may take a while on a network drive, so it happens on a thread; the events are there when
`changed` says so.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import LabelError
from napari_vitface.events.intervals import make_edit
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.events.video_events import VideoEvents
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.jobs.outputs import output_path
from napari_vitface.project.event_document import open_events
from napari_vitface.project.event_labels import read_event_labels
from napari_vitface.user_folders import state_folder

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.session import Session
    from napari_vitface.project.event_document import EventDocument
    from napari_vitface.project.project import Project


class EventDocuments:
    """Opens and closes the events of a session's videos."""

    #: The events of the current video are there, or are others.
    changed = Signal()

    def __init__(self, session: Session, documents: Documents) -> None:
        self._session = session
        self._documents = documents
        self._opening: set[Path] = set()
        #: What went wrong the last time that events were opened; empty if nothing did.
        self.problem = ""
        documents.changed.connect(self._follow)

    def all(self) -> list[tuple[VideoEvents, EventDocument]]:
        """The events of all open videos, with their documents."""
        found = [each.events for each in self._session.videos]
        return [(each, each.document) for each in found if each.document is not None]

    @property
    def opening(self) -> bool:
        """Whether the events of the current video are being opened."""
        return self._session.made.path in self._opening

    def release(self, opened: OpenVideo) -> None:
        """Let go of the events of a video that is no longer open."""
        events, opened.events = opened.events, VideoEvents()
        events.close()

    def close(self) -> None:
        """Let go of all events."""
        for opened in self._session.videos:
            self.release(opened)

    def _follow(self) -> None:
        """Open what belongs to the current video where it is kept now."""
        self.problem = ""
        self._look()
        self.changed.emit()

    @on_video
    def _look(self, opened: OpenVideo) -> None:
        waits = self._documents.opening or self.opening
        if not waits and not opened.events.is_in(opened.project_folder):
            self._open(opened, opened.project)

    def _open(self, opened: OpenVideo, project: Project | None) -> None:
        path, before = opened.path, opened.events
        # What is drawn while they move elsewhere would be left behind.
        self.release(opened)
        self._opening.add(path)

        def work() -> VideoEvents:
            found = _in_project(project, path, before) if project is not None else _beside(path)
            if self._session.closed:
                # Nobody is there to close it later.
                found.close()
            return found

        def done(result: Any) -> None:
            self._opening.discard(path)
            if isinstance(result, Exception):
                self.problem = sentence_of("opening the events", result)
                self._session.tell(self.problem, "error")
                self.changed.emit()
            else:
                self._take(path, result)
                # A project may have been opened or made meanwhile.
                self._follow()

        self._session.in_background(work, done)

    def _take(self, path: Path, events: VideoEvents) -> None:
        # It may have been closed, and opened again, meanwhile.
        now = self._session.videos.find(path)
        if now is None:
            events.close()
            return
        now.events = events
        for problem in events.problems or ():
            self._session.tell(problem, "warning")


def _in_project(project: Project, path: Path, before: VideoEvents) -> VideoEvents:
    """Events in a project, which takes over those that were drawn before it was there."""
    document = project.events(path)
    labels = read_event_labels(project.folder)
    if not document.path.exists() and not len(document.events) and not document.read_only:
        added = before.taken_over(beside(path))
        edit = make_edit(document.events, "take over the events beside the video", add=added)
        if edit is not None:
            document.do(edit)
    return VideoEvents(document, project.folder, labels)


def _beside(path: Path) -> VideoEvents:
    folder = state_folder() / "events"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabelError(
            f"{folder}, which keeps edits safe, cannot be made ({error.strerror or error})."
        ) from error
    mark = zlib.crc32(str(path.resolve()).encode("utf-8", "surrogateescape"))
    journal = folder / f"{path.stem[:60]}.{mark:08x}.jsonl"
    return VideoEvents(open_events(path.name, beside(path), journal), None)


def beside(video: Path) -> Path:
    """Where the events of a video are kept that is in no project."""
    return output_path(video, "_vitface_events.tsv")
