"""The white level of recordings of more than 8 bits: found, set by the user, and kept.

It is kept with the project of a recording, so that its labelled images have the same one in
training, evaluation and audit; for a video without a project, with the user's settings.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.gui.correct import project_places
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import on_video
from napari_vitface.project.project_search import video_name
from napari_vitface.project.white import white_in, write_white
from napari_vitface.user_folders import state_folder
from napari_vitface.video import Video

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.project.project import Project

_KEPT = 200


class WhiteLevels:
    """Gives the open videos of a session the white levels that were set for them."""

    #: The white level of the current video is another one.
    changed = Signal()

    def __init__(self, session: Session, documents: Documents) -> None:
        self._session = session
        self._documents = documents
        self._seen: weakref.WeakSet[Video] = weakref.WeakSet()
        # Before all that look at the video.
        session.videos.switched.connect(self._on_video)
        documents.changed.connect(self._on_project)

    @on_video
    def set(self, opened: OpenVideo, white: int | None) -> None:
        """Set the white level of the current video; None: it comes from the data."""
        if not is_deep(opened.video) or white == opened.white:
            return
        self._apply(opened, white)
        project = self._project_of(opened) or next(_told(opened.path), None)
        try:
            if project is not None:
                write_white(*project, white)
            remember(opened.path, white if project is None else None)
        except (LabelError, OSError) as error:
            self._session.tell(f"The white level could not be kept: {error}", "warning")

    def _apply(self, opened: OpenVideo, white: int | None) -> None:
        opened.white = white
        opened.video.white = white or opened.found_white
        opened.layer.contrast_limits = (0.0, float(opened.video.white))
        if opened is self._session.current:
            self.changed.emit()
            self._session.view_changed.emit()

    @on_video
    def _on_video(self, opened: OpenVideo) -> None:
        if not is_deep(opened.video) or opened.video in self._seen:
            return
        self._seen.add(opened.video)
        opened.found_white = opened.video.white
        white = opened.white or remembered(opened.path)
        if white is not None:
            self._apply(opened, white)

    @on_video
    def _on_project(self, opened: OpenVideo) -> None:
        if not is_deep(opened.video):
            return
        project = self._project_of(opened)
        if project is None or opened.white_of == project[0]:
            return
        opened.white_of = project[0]
        told = white_in(*project)
        if told is not None and told != opened.white:
            self._apply(opened, told)
        elif told is None and opened.white is not None:
            try:
                write_white(*project, opened.white)
            except LabelError as error:
                self._session.tell(f"The white level could not be kept: {error}", "warning")

    @given("_documents.project")
    def _project_of(self, project: Project, opened: OpenVideo) -> tuple[Path, str] | None:
        """Folder of the project that has the video, and what it is called there."""
        entry = project.video(opened.path)
        return None if entry is None else (project.folder, entry.name)


def is_deep(video: Video) -> bool:
    """Whether a recording has more than 8 bits."""
    return video.dtype.itemsize > 1


def remembered(video: Path) -> int | None:
    """The white level that was set for a video before; None: it comes from the data."""
    for project in _told(video):
        return white_in(*project)
    white = _read().get(str(video.resolve()))
    return white if type(white) is int and 1 <= white <= 65535 else None


def _told(video: Path) -> Iterator[tuple[Path, str]]:
    """Projects that a video may belong to and that set its white level; what it is called there."""
    name = video_name(video)
    for folder in project_places.candidates(video):
        if white_in(folder, name) is not None:
            yield folder, name


def remember(video: Path, white: int | None) -> None:
    """Keep the white level of a video that is in no project; `OSError` if that cannot be."""
    levels = _read()
    before = levels.pop(str(video.resolve()), None)
    if white is not None:
        levels[str(video.resolve())] = white
    elif before is None:
        return
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        kept = dict(list(levels.items())[-_KEPT:])
        temporary.write_text(json.dumps(kept, indent=0), encoding="utf-8")


def _read() -> dict[str, object]:
    try:
        levels = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return levels if isinstance(levels, dict) else {}


def _file() -> Path:
    return state_folder() / "white.json"
