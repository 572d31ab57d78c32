"""Trials made of events: each event of several videos is one, as the window makes them.

What is given can be a table of trials, a table of videos with a file of events for each (columns
``video`` and ``events``, and ``animal`` and ``session`` as in a table of trials), one file of
events that names its videos, or a folder in which files of events lie beside their videos.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.events.format import EVENT_FORMATS, EventRows, rows_of_events
from napari_vitface.events.text_table import read_text_table
from napari_vitface.events.trials import Trial, Trials, read_trials

#: The columns of trials that are made of events.
_COLUMNS = ("animal", "session", "trial", "label")
#: What files of events may have behind the name of their video.
_BEHIND = ("_vitface_events", "_events", "")
_NO_VIDEO = {".csv", ".tsv", ".txt", ".json", ".h5", ".vitstate", ".html", ".png", ".yaml"}


def read_trials_or_events(path: str | os.PathLike[str]) -> Trials:
    """Trials of a table of them, or of events.

    Parameters
    ----------
    path : path
        See the module. Of events the label is in the column ``label``, and windows are counted
        from their onsets.

    Raises
    ------
    LabelError
        It is none of these, or a video or a file of events is not there. The sentence says where.
    """
    path = Path(path)
    if path.is_dir():
        return _trials(path / "events", _of_folder(path))
    columns = {each.strip().lower() for each in read_text_table(path, "trials or events").columns}
    if {"video", "events"} <= columns:
        return _trials(path, _of_videos(path))
    if "label" not in columns and any(_opens(each, path) for each in EVENT_FORMATS):
        return _trials(path, _of_file(path))
    return read_trials(path)


def _trials(path: Path, found: Iterator[Trial]) -> Trials:
    trials = tuple(found)
    if not trials:
        raise LabelError(f"{path} holds no events; annotate some, or give a table of trials.")
    return Trials(path.absolute(), _COLUMNS, trials)


def _of_folder(folder: Path) -> Iterator[Trial]:
    """Of files of events beside videos: ``mouse_events.tsv`` beside ``mouse.mp4``."""
    nothing = True
    for video in sorted(folder.iterdir()):
        if video.suffix.lower() in _NO_VIDEO or video.name.startswith("."):
            continue
        names = [f"{video.stem}{behind}{end}" for behind in _BEHIND for end in (".tsv", ".csv")]
        file = next((folder / name for name in names if (folder / name).is_file()), None)
        if file is not None:
            nothing = False
            yield from _events(video, file, Trial(video))
    if nothing:
        raise LabelError(
            f"No video in {folder} has a file of events beside it, such as mouse_events.tsv beside "
            "mouse.mp4; put them there, or give a table with the columns video and events."
        )


def _of_videos(table: Path) -> Iterator[Trial]:
    """Of a table of videos with their files of events."""
    of_events = next(
        each for each in read_text_table(table, "videos").columns if each.lower() == "events"
    )
    for row in read_trials(table).trials:
        name = row.values[of_events]
        file = table.absolute().parent / Path(name).expanduser()
        if not name or not file.is_file():
            raise LabelError(
                f"The events {name!r} in row {row.row} of {table} are not there: paths begin at "
                "the table's folder."
            )
        yield from _events(row.video, file, row)


def _of_file(file: Path) -> Iterator[Trial]:
    """Of a file that names the video of each event."""
    folder, read = file.absolute().parent, rows_of_events(file)
    for number, row in enumerate(read.rows):
        video = folder / Path(row.video.replace("\\", "/"))
        beside = folder / video.name
        there = next((each for each in (video, beside) if row.video and each.exists()), None)
        if there is None:
            raise LabelError(
                f"The video {row.video!r} of the event in row {row.line} of {file} is not there: "
                "put it beside the file, or give a table with the columns video and events."
            )
        yield _trial(Trial(there), read, number)


def _events(video: Path, file: Path, of: Trial) -> Iterator[Trial]:
    read = rows_of_events(file, video=video.name)
    for number in range(len(read.rows)):
        yield _trial(of, read, number)


def _trial(of: Trial, read: EventRows, number: int) -> Trial:
    row = read.rows[number]
    values = {
        "animal": of.animal, "session": of.session, "trial": str(number), "label": row.label
    }  # fmt: skip
    return replace(
        of, trial=str(number), onset=row.onset, onset_unit=read.unit or "seconds", values=values,
        row=row.line,
    )  # fmt: skip


def _opens(name: str, path: Path) -> bool:
    try:
        return EVENT_FORMATS[name].can_open(path)
    except Exception:
        # Whatever a look at a file of another kind raises.
        return False
