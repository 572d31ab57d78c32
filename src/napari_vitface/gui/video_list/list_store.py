"""What is kept of the list of videos between two starts of napari.

One JSON file in the user's folder for state, not beside a project: the videos of a list lie in
many folders, and predicting them needs no project. It is written whole or not at all, and belongs
to the napari that opened it first: a second one at the same time starts with an empty list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, cast

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.gui.video_list.items import Item
from napari_vitface.gui.video_list.kinds import Settings
from napari_vitface.lock import FileLock, Taken
from napari_vitface.record import from_plain
from napari_vitface.user_folders import state_folder

FORMAT = 1


def default_file() -> Path:
    """Where the list of this user is kept."""
    return state_folder() / "videos.json"


class Kept(NamedTuple):
    """A list of videos that was kept: the job, what it was started with, and the videos."""

    job: str
    settings: Settings
    items: list[Item]


class Store:
    """The file of the list.

    Parameters
    ----------
    path : Path
        Its folder is made when something is first kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_file()
        self._lock: FileLock | None = None

    def load(self) -> Kept | None:
        """The list as it was; None if nothing is kept or another napari has it.

        Raises
        ------
        VitFaceError
            If the file is damaged or newer; it is put aside under another name, not lost.
        """
        if not self.path.exists() or not self._acquire():
            return None
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}")
            settings = cast(Settings, dict(content["settings"]))
            return Kept(
                str(content["job"]), settings, [from_plain(Item, each) for each in content["items"]]
            )
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            aside = self.path.with_suffix(".unreadable.json")
            self.path.replace(aside)
            raise VitFaceError(
                f"The list of videos of the last time cannot be read ({error}); it is kept as "
                f"{aside}, and a new list begins."
            ) from error

    def save(self, job: str, settings: Settings, items: Any) -> bool:
        """Keep the list; False if another napari keeps its own.

        Parameters
        ----------
        items : list of dict
            Each an `Item` as `plain_data` gives it.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._acquire():
            return False
        content = {"format": FORMAT, "job": job, "settings": settings, "items": items}
        with atomic_write(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return True

    def close(self) -> None:
        """Let another napari have the list."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _acquire(self) -> bool:
        if self._lock is None:
            try:
                self._lock = FileLock(self.path.with_suffix(".lock"))
            except Taken:
                return False
        return True
