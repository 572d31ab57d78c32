"""The times of a camera's triggers: one for each frame of its video, by the recording's clock."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.events.text_table import TextTable, read_text_table
from napari_vitface.jobs.outputs import NAME, named_after, names_each, output_stem
from napari_vitface.words import counted, listed

#: What files of times end in.
ENDINGS = (".csv", ".tsv", ".txt", ".npy")
#: What a column of times is called, the surest name first.
_NAMES = ("trigger", "timestamp", "time", "second", "t")


def triggers_of(triggers: str | os.PathLike[str], video: Path) -> Path:
    """The file of the triggers of a video.

    Parameters
    ----------
    triggers : path
        That file; one in whose path `NAME` stands for that of the video; or a folder in which it
        is called as the video.

    Raises
    ------
    VitFaceError
        If the folder has none, or several.
    """
    path = named_after(triggers, video)
    if not path.is_dir():
        return path
    stem = output_stem(video)
    names = [f"{stem}{ending}" for ending in ENDINGS]
    found = [path / name for name in names if (path / name).is_file()]
    if len(found) != 1:
        raise VitFaceError(
            f"{path} has {'several' if found else 'none'} of the files {listed(names)}: "
            f"keep the times of the triggers of {video.name} in one of them."
        )
    return found[0]


def serves_all(triggers: Path) -> bool:
    """Whether a path says which file each of several videos has (see `triggers_of`)."""
    return names_each(triggers) or triggers.is_dir()


def naming_rule(triggers: Path, video: Path) -> Path | None:
    """A file of a video with `NAME` for the video's name, None where its name does not hold it."""
    # "a" is not the name of a video in "camera.csv", but in "camera_a.csv".
    name = rf"(?<![^\W_]){re.escape(output_stem(video))}(?![^\W_])"
    rule = re.sub(name, lambda _: NAME, triggers.name)
    return triggers.with_name(rule) if rule != triggers.name else None


def read_triggers(path: Path, video: str, frames: int) -> NDArray[np.float64]:
    """Seconds of each frame of a video.

    Parameters
    ----------
    path : Path
        A table of text (CSV or TSV) with a column of times, with a header or without; plain text
        with a time a line; or an array of numpy (.npy).
    video : str
        Name of the video, for sentences.
    frames : int
        That it has.

    Returns
    -------
    (frames,) float64

    Raises
    ------
    VitFaceError
        One sentence: it cannot be read, has not one time for each frame, or they do not increase.
    """
    times = _array(path) if path.suffix.lower() == ".npy" else _column(path)
    if len(times) != frames:
        raise VitFaceError(
            f"{path} has {counted(len(times), 'time')}, but {video} has "
            f"{counted(frames, 'frame')}: give one time for each frame that is in the video."
        )
    wrong = np.flatnonzero(~(np.diff(times) > 0))
    if len(wrong) or not np.isfinite(times).all():
        row = int(wrong[0]) + 2 if len(wrong) else 1
        raise VitFaceError(
            f"The times in {path} do not increase: number {row} is not later than the one before, "
            "or missing."
        )
    return times


def _array(path: Path) -> NDArray[np.float64]:
    try:
        found = np.load(path, allow_pickle=False)
        if found.ndim == 0 or found.size != len(found):
            raise ValueError("one number a frame")
        return np.asarray(found, np.float64).ravel()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise VitFaceError(
            f"{path} cannot be read as times: give an array of one number a frame."
        ) from error


def _column(path: Path) -> NDArray[np.float64]:
    table = read_text_table(path, "triggers")
    header = [_is_number(cell) for cell in table.columns]
    rows = [row for _, row in table.rows]
    lines = [line for line, _ in table.rows]
    if all(header):
        rows, lines = [table.columns, *rows], [1, *lines]
    place = _place(table, headed=not all(header))
    times = [table.number(line, place, row[place]) for line, row in zip(lines, rows, strict=True)]
    return np.array(times, np.float64)


def _place(table: TextTable, *, headed: bool) -> int:
    """Which column holds the times."""
    if len(table.columns) == 1:
        return 0
    words = [re.split(r"[^a-z]+", name.lower()) for name in table.columns] if headed else []
    for wanted in _NAMES:
        found = [at for at, parts in enumerate(words) if wanted in parts or f"{wanted}s" in parts]
        if len(found) == 1:
            return found[0]
    raise VitFaceError(
        f"Which column of {table.path} has the times of the triggers cannot be told: keep one "
        "column, or name one of them 'time'."
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
