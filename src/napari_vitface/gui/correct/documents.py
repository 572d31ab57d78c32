"""Projects and documents of a session: which labels belong to the video on screen.

Opening reads tables and the journal and may take a while on a network drive, so it happens on a
thread; the document is there when `changed` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.gui.correct import project_places
from napari_vitface.gui.unexpected import sentence_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_vitface.gui.session import OpenVideo, Session
    from napari_vitface.pose.edits import Edit
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

    _Found = tuple[Project, LabelDocument | None]

_log = logging.getLogger(__name__)


class Documents:
    """The document of each open video, and the project that it belongs to."""

    #: The document of the current video, or the project, changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[Path, _Entry] = {}
        self._last: Project | None = None
        self._opening: set[Path] = set()
        #: What was asked for while labels of the same video were being opened.
        self._waiting: dict[Path, Callable[[], Project]] = {}
        #: What went wrong the last time that a project was opened or made; empty if nothing did.
        self.problem = ""
        session.video_changed.connect(self._on_video)

    # ----------------------------------------------------------------- what there is

    @property
    def document(self) -> LabelDocument | None:
        """Labels of the current video; None while it is in no project, or is being opened."""
        return self.document_of(self._session.current)

    def document_of(self, opened: OpenVideo | None) -> LabelDocument | None:
        """Labels of an open video."""
        entry = self._open.get(_key(opened))
        return entry.document if entry is not None else None

    def of_project(self, project: Project) -> list[LabelDocument]:
        """The open documents of a project's videos."""
        entries = self._open.values()
        return [e.document for e in entries if e.project.folder == project.folder]

    @property
    def project(self) -> Project | None:
        """The project of the current video, else the one used last in this window."""
        entry = self._open.get(_key(self._session.current))
        return entry.project if entry is not None else self._last

    @property
    def edits(self) -> int:
        """Edits of the current document since its last save."""
        entry = self._open.get(_key(self._session.current))
        return entry.edits if entry is not None else 0

    def note_saved(self, document: LabelDocument | None = None) -> None:
        """Count the edits of a document (default: the current one) anew."""
        document = self.document if document is None else document
        for entry in self._open.values():
            if entry.document is document:
                entry.note_saved()

    @property
    def opening(self) -> bool:
        """Whether labels of the current video are being opened."""
        return _key(self._session.current) in self._opening

    # ----------------------------------------------------------------- making and opening

    def create(self, folder: Path, keypoints: KeypointSet, scorer: str) -> None:
        """Make a project and put the current video into it."""
        from napari_vitface.project.project import Project

        self._open_project(lambda: Project.create(folder, keypoints, scorer))

    def open(self, path: Path) -> None:
        """Open a project; the current video is put into it if it is not there yet."""
        from napari_vitface.project.project import Project

        self._open_project(lambda: Project.open(path))

    def add_current(self) -> None:
        """Put the current video into the project used last."""
        project = self._last
        if project is not None:
            self._open_project(lambda: project)

    def change_keypoints(self, keypoints: KeypointSet, renames: Mapping[str, str]) -> bool:
        """Rename, append, join and pair the project's keypoints; labels stay."""
        project = self.project
        if project is None:
            return False
        try:
            project.change_keypoints(keypoints, renames)
        except Exception as error:
            self._session.tell(sentence_of("changing the keypoints", error), "error")
            return False
        self.changed.emit()
        return True

    def release(self, opened: OpenVideo) -> None:
        """Let go of the labels of a video that is no longer open; its journal keeps the edits."""
        entry = self._open.pop(_key(opened), None)
        if entry is not None:
            _close(entry.document)

    def close(self) -> None:
        """Let go of all documents; what is not saved is in their journals."""
        for entry in self._open.values():
            _close(entry.document)
        self._open.clear()

    # ----------------------------------------------------------------- how

    def _on_video(self) -> None:
        opened = self._session.current
        self.problem = ""
        key = _key(opened)
        if opened is not None and key not in self._open and key not in self._opening:
            self._find(opened)
        self.changed.emit()

    def _find(self, opened: OpenVideo) -> None:
        """Open the labels of a video if a project that has it is to be found."""
        last, path = self._last, opened.path

        def find() -> _Found | None:
            if last is not None and last.video(path) is not None:
                return last, _document(last, opened)
            for folder in project_places.candidates(path):
                from napari_vitface.project.project import Project

                try:
                    project = Project.open(folder)
                except LabelError:
                    # Another program's config.yaml, perhaps; nobody asked to open it.
                    continue
                if project.video(path) is not None:
                    return project, _document(project, opened)
            return None

        self._work(opened, find)

    def _open_project(self, work: Callable[[], Project]) -> None:
        opened = self._session.current
        if opened is not None and _key(opened) in self._opening:
            # Its labels may be those that are asked for, and cannot be opened twice.
            self._waiting[_key(opened)] = work
            return
        known = self._open.get(_key(opened))

        def open_it() -> _Found:
            project = work()
            if opened is None:
                return project, None
            if known is not None and known.project.folder == project.folder:
                return known.project, known.document
            if project.video(opened.path) is None:
                project.add_video(opened.path)
            return project, _document(project, opened)

        self._work(opened, open_it)

    def _work(self, opened: OpenVideo | None, work: Callable[[], _Found | None]) -> None:
        self.problem = ""
        if opened is not None:
            self._opening.add(_key(opened))

        def done(result: Any) -> None:
            self._opening.discard(_key(opened))
            if isinstance(result, Exception):
                _log.info("cannot open labels", exc_info=result)
                self.problem = _sentence(result)
                self._session.tell(self.problem, "error")
            elif result is not None:
                self._take(opened, *result)
            self.changed.emit()
            waiting = self._waiting.pop(_key(opened), None)
            if waiting is not None and opened is self._session.current:
                self._open_project(waiting)

        def work_if_open() -> _Found | None:
            found = work()
            if self._session.closed and found is not None and found[1] is not None:
                # Nobody is there to close it later.
                _close(found[1])
            return found

        self._session.in_background(work_if_open, done)
        self.changed.emit()

    def _take(
        self, opened: OpenVideo | None, project: Project, document: LabelDocument | None
    ) -> None:
        self._last = project
        if opened is None or document is None:
            return
        before = self._open.get(_key(opened))
        if before is not None and before.document is document:
            return
        if before is not None:
            _close(before.document)
        entry = self._open[_key(opened)] = _Entry(project, document)
        project_places.remember(opened.path, project.folder)
        if document.unsaved and entry.edits:
            noun = "edit" if entry.edits == 1 else "edits"
            self._session.tell(
                f"Restored {entry.edits} {noun} of {opened.path.name} that had not been saved.",
                "info",
            )


class _Entry:
    """An open document, with the number of its edits since the last save."""

    def __init__(self, project: Project, document: LabelDocument) -> None:
        self.project = project
        self.document = document
        # Opening carries out again what the journal holds: just the edits since the last save.
        self._saved: tuple[Edit, ...] = ()

    @property
    def edits(self) -> int:
        """Edits that are done and were not when it was saved, or the other way round."""
        done = self.document.history.done
        pairs = zip(done, self._saved, strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
        edits = len(done) + len(self._saved) - 2 * alike
        # An undo of what was saved before the window was opened leaves no edit behind.
        return max(edits, 1) if self.document.unsaved else edits

    def note_saved(self) -> None:
        """What is done now is in the files."""
        self._saved = tuple(self.document.history.done)


def _key(opened: OpenVideo | None) -> Path:
    """Documents belong to files: a video that is open twice has one."""
    return opened.path.resolve() if opened is not None else Path()


def _document(project: Project, opened: OpenVideo) -> LabelDocument:
    video = opened.video
    return project.document(opened.path, lambda frame: video[frame])


def _close(document: LabelDocument) -> None:
    try:
        document.close()
    except Exception:
        _log.exception("cannot close %s", document)


def _sentence(error: Exception) -> str:
    if isinstance(error, VitFaceError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    return f"The labels cannot be opened: {error}"
