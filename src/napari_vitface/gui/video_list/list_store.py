"""What is kept of the list of videos between two starts of napari.

One JSON file in the user's folder for state, not beside a project: the videos of a list lie in
many folders, and predicting them needs no project. It is written whole or not at all, and belongs
to the napari that opened it first: a second one at the same time starts with an empty list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.gui.video_list.items import Item, State
from napari_vitface.gui.video_list.kinds import Settings
from napari_vitface.lock import FileLock, Taken
from napari_vitface.user_folders import state_folder

FORMAT = 1


def default_file() -> Path:
    """Where the list of this user is kept."""
    return state_folder() / "videos.json"


class Entry(TypedDict):
    """An `Item` as JSON holds it."""

    path: str
    real: str
    crop: list[int] | str | None
    state: str
    message: str
    done: int
    total: int
    length: int | None
    speed: float | None
    again: bool
    result: str | None
    model: str


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
            return Kept(str(content["job"]), settings, list(map(_item, content["items"])))
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

    def save(self, job: str, settings: Settings, items: list[Entry]) -> bool:
        """Keep the list; False if another napari keeps its own.

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


def entry_of(item: Item) -> Entry:
    """An item as JSON holds it."""
    return {
        "path": str(item.path),
        "real": str(item.real),
        "crop": list(item.crop) if isinstance(item.crop, tuple) else item.crop,
        "state": str(item.state),
        "message": item.message,
        "done": item.done,
        "total": item.total,
        "length": item.length,
        "speed": item.speed,
        "again": item.again,
        "result": None if item.result is None else str(item.result),
        "model": item.model,
    }


def _item(entry: Entry) -> Item:
    crop, result = entry["crop"], entry["result"]
    values: Any = {
        **entry,
        "path": Path(entry["path"]),
        "real": Path(entry["real"]),
        "crop": crop,
        "state": State(entry["state"]),
        "result": None if result is None else Path(result),
    }
    if isinstance(crop, list):
        x, y, width, height = map(int, crop)
        values["crop"] = (x, y, width, height)
    return Item(**values)
