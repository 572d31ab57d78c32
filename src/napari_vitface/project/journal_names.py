"""Which file holds the journal of whose labels of which video.

``<video>.jsonl`` for the project's own scorer, ``<scorer>.scorer/<video>.jsonl`` for others. Older
versions wrote ``<video>.<scorer>.jsonl`` for these, which a video of that name has too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.project.journal import read_journal
from napari_vitface.project.project_lock import lock_labels

_SUFFIX = ".jsonl"


def journal_path(folder: Path, video: str, scorer: str | None) -> Path:
    """The journal of a video's labels, in ``vitface/journal``; `scorer` None is the project's."""
    return (folder / f"{scorer}.scorer" if scorer else folder) / f"{video}{_SUFFIX}"


def journal_paths(folder: Path) -> Iterator[Path]:
    """Every journal that there is, and that of labels which are open and not edited yet."""
    for place in (folder, *folder.glob("*.scorer")):
        found = [*place.glob(f"*{_SUFFIX}"), *place.glob("*.lock")]
        yield from sorted({path.with_suffix(_SUFFIX) for path in found})


def find_journal(folder: Path, video: str, scorer: str | None) -> Path:
    """`journal_path`, after a journal of an older version was given that name.

    Raises
    ------
    LabelError
        If the file there is the journal of something else.
    """
    path = journal_path(folder, video, scorer)
    old = folder / f"{video}.{scorer}{_SUFFIX}"
    if scorer and _owner(old) == (video, scorer):
        _move(old, path)
    owner = _owner(path)
    if owner is not None and owner[0] != video:
        other = journal_path(folder, *owner)
        if f"{owner[0]}.{owner[1]}" != video or not _move(path, other):
            raise LabelError(
                f"{path} holds edits of the video {owner[0]}, not of {video}: give the video its "
                "old name, or move the file away."
            )
    return path


def _owner(path: Path) -> tuple[str, str] | None:
    """Of which video and scorer a journal is; None if there is none or it does not say it."""
    if not path.is_file():
        return None
    header = read_journal(path).header
    video, scorer = header.get("video"), header.get("scorer")
    return (video, scorer) if isinstance(video, str) and isinstance(scorer, str) else None


def _move(path: Path, to: Path) -> bool:
    """Give a journal another name, if it is free; `LabelError` if somebody has the journal open."""
    if to.exists():
        return False
    try:
        to.parent.mkdir(exist_ok=True)
        with lock_labels(path.with_suffix(".lock"), f"the labels in {path.name}"):
            path.rename(to)
    except OSError as error:
        raise LabelError(f"{path} cannot be renamed ({error.strerror or error}).") from error
    return True
