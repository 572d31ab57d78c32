"""Projects and documents of a session: which labels belong to the video on screen.

Opening reads tables and the journal and may take a while on a network drive, so it happens on a
thread; the document is there when `changed` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.errors import LabelError
from napari_vitface.gui.correct import project_places
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import InProject, OpenVideo, on_video
from napari_vitface.video.scale import as_uint8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_vitface.gui.session import Session
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

    #: A project, and the labels of a video if it has them; empty where none was found.
    _Found = tuple[()] | tuple[Project] | tuple[Project, LabelDocument]

_log = logging.getLogger(__name__)


class Documents:
    """The document of each open video, and the project that it belongs to."""

    #: The document of the current video, or the project, changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last: Project | None = None
        self._opening: set[Path] = set()
        #: What was asked for while labels of the same video were being opened.
        self._waiting: dict[Path, Callable[[], None]] = {}
        #: What went wrong the last time that a project was opened or made; empty if nothing did.
        self.problem = ""
        session.video_changed.connect(self._on_video)

    # ----------------------------------------------------------------- what there is

    @property
    def document(self) -> LabelDocument | None:
        """Labels of the current video; None while it is in no project, or is being opened."""
        return self._session.made.document

    def of_project(self, project: Project) -> list[LabelDocument]:
        """The open documents of a project's videos."""
        return [each.document for each in self._all() if each.project.folder == project.folder]

    @property
    def project(self) -> Project | None:
        """The project of the current video, else the one used last in this window."""
        return self._session.made.project or self._last

    @property
    def edits(self) -> int:
        """Edits of the current document since its last save."""
        entry = self._session.made.in_project
        return entry.edits if entry is not None else 0

    def note_saved(self, document: LabelDocument) -> None:
        """Count the edits of a document anew."""
        for entry in self._all():
            if entry.document is document:
                entry.note_saved()

    @property
    def opening(self) -> bool:
        """Whether labels of the current video are being opened."""
        made = self._session.made
        return not made.waiting and made.path.resolve() in self._opening

    # ----------------------------------------------------------------- making and opening

    def create(self, folder: Path, keypoints: KeypointSet, scorer: str) -> None:
        """Make a project and put the current video into it."""
        from napari_vitface.project.project import Project

        self._open_project(lambda: Project.create(folder, keypoints, scorer))

    def open(self, path: Path, *, add: bool = True) -> None:
        """Open a project; the current video is put into it if it is not there yet and `add`."""
        from napari_vitface.project.project import Project

        self._open_project(lambda: Project.open(path), add=add)

    @given("_last")
    def add_current(self, project: Project) -> None:
        """Put the current video into the project used last."""
        self._open_project(lambda: project)

    @given("project")
    def change_keypoints(
        self, project: Project, keypoints: KeypointSet, renames: Mapping[str, str]
    ) -> bool:
        """Rename, append, join and pair the project's keypoints; labels stay."""
        try:
            project.change_keypoints(keypoints, renames)
        except Exception as error:
            self._session.tell(sentence_of("changing the keypoints", error), "error")
            return False
        self.changed.emit()
        return True

    def release(self, opened: OpenVideo) -> None:
        """Let go of the labels of a video that is no longer open; its journal keeps the edits."""
        document, opened.in_project = opened.document, None
        if document is not None:
            _close(document)

    def close(self) -> None:
        """Let go of all documents; what is not saved is in their journals."""
        for opened in self._session.videos:
            self.release(opened)

    # ----------------------------------------------------------------- how

    def _all(self) -> list[InProject]:
        videos = self._session.videos
        return [each.in_project for each in videos if each.in_project is not None]

    def _on_video(self) -> None:
        self.problem = ""
        self._find()
        self.changed.emit()

    @on_video
    def _find(self, opened: OpenVideo) -> None:
        """Open the labels of the video if a project that has it is to be found."""
        if opened.in_project is not None or self.opening:
            return
        path, last = opened.path, self._last

        def find() -> _Found:
            for project in _near(path, last):
                if project.video(path) is not None:
                    return project, _document(project, opened)
            return ()

        self._work(path, path.resolve(), find)

    def _open_project(self, work: Callable[[], Project], *, add: bool = True) -> None:
        opened = self._session.current
        if opened is None:
            self._work(Path(), Path(), lambda: (work(),))
        elif self.opening:
            # Its labels may be those that are asked for, and cannot be opened twice.
            again = partial(self._open_project, work, add=add)
            self._waiting[opened.path.resolve()] = again
        else:
            self._open_labels(opened, work, add)

    def _open_labels(self, opened: OpenVideo, work: Callable[[], Project], add: bool) -> None:
        known = opened.in_project

        def open_it() -> _Found:
            project = work()
            if known is not None and known.project.folder == project.folder:
                return known.project, known.document
            if project.video(opened.path) is None:
                if not add:
                    return (project,)
                project.add_video(opened.path)
            return project, _document(project, opened)

        self._work(opened.path, opened.path.resolve(), open_it)

    def _work(self, path: Path, key: Path, work: Callable[[], _Found]) -> None:
        """Do it for a video, by its path, on a thread; the empty path is that of no video.

        `key`: where the file is. Documents belong to files: a video that is open twice has one.
        """
        self.problem = ""
        self._opening.add(key)

        def done(result: Any) -> None:
            self._opening.discard(key)
            match result:
                case Exception():
                    self.problem = sentence_of("opening the labels", result)
                    self._session.tell(self.problem, "error")
                case (project, *documents):
                    self._last = project
                    for document in documents:
                        self._take(path, project, document)
            self.changed.emit()
            waiting = self._waiting.pop(key, lambda: None)
            if path == self._session.made.path:
                waiting()

        def work_if_open() -> _Found:
            found = work()
            if self._session.closed:
                for document in found[1:]:
                    # Nobody is there to close it later.
                    _close(document)
            return found

        self._session.in_background(work_if_open, done)
        self.changed.emit()

    def _take(self, path: Path, project: Project, document: LabelDocument) -> None:
        # It may have been closed, and opened again, meanwhile.
        now = self._session.videos.find(path)
        if now is None:
            _close(document)
            return
        if now.document is document:
            return
        self.release(now)
        entry = now.in_project = InProject(project, document)
        project_places.remember(path, project.folder)
        if document.unsaved and entry.edits:
            self._session.tell(
                f"Restored {counted(entry.edits, 'edit')} of {path.name} that had not been saved.",
                "info",
            )


def _near(path: Path, last: Project | None) -> Iterator[Project]:
    """Projects that may have a video: the one used last, and those about where it is."""
    from napari_vitface.project.project import Project

    if last is not None:
        yield last
    for folder in project_places.candidates(path):
        # Another program's config.yaml, perhaps; nobody asked to open it.
        with suppress(LabelError):
            yield Project.open(folder)


def _document(project: Project, opened: OpenVideo) -> LabelDocument:
    video = opened.video

    def read(frame: int) -> NDArray[Any]:
        image = video[frame]
        # Labelled images in colour are kept in 8 bits, as bright as the video is seen.
        return as_uint8(image, video.white) if image.ndim == 3 else image

    return project.document(opened.path, read)


def _close(document: LabelDocument) -> None:
    try:
        document.close()
    except Exception:
        _log.exception("cannot close %s", document)
