"""Copies of label files whose labels are given up, since nothing is lost."""

from __future__ import annotations

from pathlib import Path

from napari_vitface.errors import LabelError

#: Where they are kept, in the folder ``vitface`` of the project.
REPLACED = "replaced"


def keep_copy(path: Path, video: str, folder: Path) -> None:
    """Copy a label file of a video, if it is there, under a name that tells its time.

    Raises
    ------
    LabelError
        If the copy cannot be made.
    """
    if not path.is_file():
        return
    stamp = path.stat().st_mtime_ns
    try:
        folder.mkdir(exist_ok=True)
        (folder / f"{video}.{stamp}.{path.name}").write_bytes(path.read_bytes())
    except OSError as error:
        raise LabelError(
            f"{path.name} is not replaced, because no copy of it can be kept in {folder} "
            f"({error.strerror or error})."
        ) from error
