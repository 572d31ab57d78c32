"""Labels are edited in one window at a time; what another one says of those that are taken."""

from __future__ import annotations

from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.lock import FileLock, Taken


def lock_labels(path: Path, what: str) -> FileLock:
    """Take the lock at `path`; `what` it guards in words: "the labels of mouse1".

    Raises
    ------
    LabelError
        If another window or process holds it.
    OSError
        If the file cannot be made or opened.
    """
    try:
        return FileLock(path)
    except Taken as taken:
        what = what[:1].upper() + what[1:]
        if taken.here:
            text = f"{what} are already open in this window: close them first."
        else:
            text = f"{what} are open in another window{taken.holder}: close them there first."
        raise LabelError(text) from None
