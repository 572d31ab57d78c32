"""Which videos have events that trials can be made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import VitFaceError
from napari_vitface.events.format import read_events
from napari_vitface.events.intervals import Interval
from napari_vitface.events.trials import AnnotatedVideo, read_trials
from napari_vitface.gui.events.event_documents import beside

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


def annotated_videos(session: Session, table: Path | None) -> list[AnnotatedVideo]:
    """Videos with events: those of the project or folder of the current one, and those open.

    Events of open videos are as they are in the window, saved or not. Animals and sessions are
    those of `table`, if it is there.
    """
    known = _known(table)
    found: dict[Path, tuple[Interval, ...]] = {}
    for opened in session.videos:
        if opened.events.document is not None:
            found[opened.path.resolve()] = tuple(opened.events.drawn)
    current = session.current
    project = session.made.project
    if project is not None:
        tables = {
            entry.path.resolve(): project.events_path(entry)
            for entry in project.videos
            if entry.path is not None and entry.path.exists()
        }
    elif current is not None:
        folder = current.path.resolve().parent
        tables = {path: beside(path) for path in _videos_in(folder)}
    else:
        tables = {}
    for video, file in tables.items():
        if video not in found and file.exists():
            try:
                found[video] = read_events(file)
            except VitFaceError as error:
                session.tell(str(error), "warning")
    return [
        AnnotatedVideo(video, events, *known.get(video, ("", "")))
        for video, events in sorted(found.items())
        if events
    ]


def without_video(session: Session) -> list[str]:
    """Names of videos of the current project that are not there, though their events are."""
    project = session.made.project
    if project is None:
        return []
    return [
        entry.name
        for entry in project.videos
        # It may have gone since the project was opened.
        if (entry.path is None or not entry.path.exists()) and project.events_path(entry).exists()
    ]


def _videos_in(folder: Path) -> list[Path]:
    """Files that events lie beside."""
    ending = "_vitface_events.tsv"
    stems = {file.name.removesuffix(ending) for file in folder.glob(f"*{ending}")}
    return [
        file
        for file in folder.iterdir()
        if file.stem in stems and not file.name.endswith(ending) and file.is_file()
    ]


def _known(table: Path | None) -> dict[Path, tuple[str, str]]:
    """Animal and session of each video in a table that was made before."""
    if table is None or not table.exists():
        return {}
    try:
        trials = read_trials(table).trials
    except VitFaceError:
        return {}
    return {each.video.resolve(): (each.animal, each.session) for each in trials}
