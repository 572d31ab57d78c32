"""Projects and documents of a session: which labels belong to the video on screen.

Opening reads tables and the journal and may take a while on a network drive, so it happens on a
thread; the document is there when `changed` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.gui import project_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_vitface.gui.session import OpenVideo, Session
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project import LabelDocument, Project

_log = logging.getLogger(__name__)


class LabelFiles:
    """The document of each open video, and the project that it belongs to."""

    #: The document of the current video, or the project, changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._documents: dict[OpenVideo, LabelDocument] = {}
        self._projects: dict[OpenVideo, Project] = {}
        self._last: Project | None = None
        self._opening: set[OpenVideo] = set()
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
        return self._documents.get(opened) if opened is not None else None

    @property
    def project(self) -> Project | None:
        """The project of the current video, else the one used last in this window."""
        opened = self._session.current
        own = self._projects.get(opened) if opened is not None else None
        return own if own is not None else self._last

    @property
    def opening(self) -> bool:
        """Whether labels of the current video are being opened."""
        return self._session.current in self._opening

    # ----------------------------------------------------------------- making and opening

    def create(self, folder: Path, keypoints: KeypointSet, scorer: str) -> None:
        """Make a project and put the current video into it."""
        from napari_vitface.project import Project

        self._open(lambda: Project.create(folder, keypoints, scorer), add=True)

    def open(self, path: Path) -> None:
        """Open a project; the current video is put into it if it is not there yet."""
        from napari_vitface.project import Project

        self._open(lambda: Project.open(path), add=True)

    def add_current(self) -> None:
        """Put the current video into the project used last."""
        project = self._last
        if project is not None:
            self._open(lambda: project, add=True)

    def change_keypoints(self, keypoints: KeypointSet, renames: Mapping[str, str]) -> bool:
        """Rename, append, join and pair the project's keypoints; labels stay."""
        project = self.project
        if project is None:
            return False
        try:
            project.change_keypoints(keypoints, renames)
        except (VitFaceError, OSError) as error:
            self._session.tell(_sentence(error), "error")
            return False
        self.changed.emit()
        return True

    def close(self) -> None:
        """Let go of all documents; what is not saved is in their journals."""
        for document in self._documents.values():
            _close(document)
        self._documents.clear()

    # ----------------------------------------------------------------- how

    def _on_video(self) -> None:
        opened = self._session.current
        self.problem = ""
        if opened is not None and opened not in self._documents and opened not in self._opening:
            self._find(opened)
        self.changed.emit()

    def _find(self, opened: OpenVideo) -> None:
        """Open the labels of a video if a project that has it is to be found."""
        last, path = self._last, opened.path

        def find() -> tuple[Project, LabelDocument] | None:
            if last is not None and last.video(path) is not None:
                return last, _document(last, opened)
            for folder in project_places.candidates(path):
                from napari_vitface.project import Project

                project = Project.open(folder)
                if project.video(path) is not None:
                    return project, _document(project, opened)
            return None

        self._work(opened, find)

    def _open(self, work: Callable[[], Project], *, add: bool) -> None:
        opened = self._session.current

        def open_it() -> tuple[Project, LabelDocument | None]:
            project = work()
            if opened is None:
                return project, None
            if add and project.video(opened.path) is None:
                project.add_video(opened.path)
            return project, _document(project, opened)

        self._work(opened, open_it)

    def _work(self, opened: OpenVideo | None, work: Callable[[], Any]) -> None:
        self.problem = ""
        if opened is not None:
            self._opening.add(opened)

        def done(result: Any) -> None:
            if opened is not None:
                self._opening.discard(opened)
            if isinstance(result, Exception):
                _log.info("cannot open labels", exc_info=result)
                self.problem = _sentence(result)
                self._session.tell(self.problem, "error")
            elif result is not None:
                self._take(opened, *result)
            self.changed.emit()

        self._session.in_background(work, done)
        self.changed.emit()

    def _take(
        self, opened: OpenVideo | None, project: Project, document: LabelDocument | None
    ) -> None:
        self._last = project
        if opened is None or document is None:
            return
        before = self._documents.pop(opened, None)
        if before is not None:
            _close(before)
        self._documents[opened] = document
        self._projects[opened] = project
        project_places.remember(opened.path, project.folder)


def _document(project: Project, opened: OpenVideo) -> LabelDocument:
    video = opened.video
    return project.document(opened.path, lambda frame: video[frame])


def _close(document: LabelDocument) -> None:
    try:
        document.close()
    except (VitFaceError, OSError):
        _log.exception("cannot close %s", document)


def _sentence(error: Exception) -> str:
    if isinstance(error, VitFaceError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    return f"The labels cannot be opened: {error}"
