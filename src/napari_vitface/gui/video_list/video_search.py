"""Which videos are meant by the files and folders that a user chooses or drops."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.video_list.items import Item, Items
from napari_vitface.jobs.outputs import is_overlay
from napari_vitface.video import video_suffixes
from napari_vitface.video.images import image_files, natural
from napari_vitface.video.length import estimated_length

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


def videos_in(folder: Path, pattern: str = "", *, subfolders: bool = True) -> list[Path]:
    """The files of a folder whose names fit, in natural order of their paths.

    Hidden files and labelled videos that ``predict`` wrote are left out.

    Parameters
    ----------
    pattern : str
        Names with ``*`` and ``?``, several parted by semicolons; capitals do not matter. One with a
        slash is held against the path within the folder: ``*/cam1/*.mp4``. Default: all that
        `open_video` knows as video files.
    subfolders : bool
        Also look into the folders in it. Links to folders are not followed.
    """
    wanted = [part.strip().lower() for part in pattern.split(";") if part.strip()]
    wanted = wanted or [f"*{suffix}" for suffix in video_suffixes()]
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if subfolders and not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix().lower()
            fits = any(
                fnmatchcase(inside if "/" in part else name.lower(), part) for part in wanted
            )
            if fits and not name.startswith(".") and not is_overlay(path):
                found.append(path)
    return sorted(found, key=lambda path: [natural(part) for part in path.parts])


def videos_of(paths: Iterable[Path]) -> list[Path]:
    """The videos among files and folders that were chosen or dropped together.

    Of a folder, the videos in it and in its subfolders; one that holds none but images is a video
    itself.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = videos_in(path)
        found += inside if inside or not image_files(path) else [path]
    return found


def measure(session: Session, items: Items, fresh: list[Item]) -> None:
    """Look at the headers of videos that were added, to know how long all will take."""

    def measured(lengths: Any) -> None:
        if isinstance(lengths, Exception):
            session.tell(sentence_of("reading how long the videos are", lengths), "warning")
            return
        for item, length in zip(fresh, lengths, strict=True):
            items.update(item, length=length)

    paths = [item.path for item in fresh]
    session.in_background(lambda: [estimated_length(path) for path in paths], measured)
