"""A table of trials: one a row, with its video, its animal and session, and what was done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.events.columns import Unit, role_and_unit
from napari_vitface.events.intervals import MISSING, Interval
from napari_vitface.events.text_table import TextTable, read_text_table, text_of
from napari_vitface.words import listed

Role = Literal["video", "animal", "session", "trial"]
#: A time in a video, and whether it counts frames or seconds.
Onset = tuple[float, Unit]

#: What people call the columns; the first is what we call them.
NAMES: Mapping[Role, tuple[str, ...]] = {
    "video": ("video", "clip", "file", "filename", "file name", "video file", "path"),
    "animal": ("animal", "animal id", "mouse", "mouse id", "subject", "subject id"),
    "session": ("session", "session id"),
    "trial": ("trial", "trial id"),
}


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes
    ----------
    video : Path
        Absolute.
    animal, session, trial : str
        Empty where the table has no such column.
    onset : float or None
        When what is asked about begins in the video, in the table's unit; see `onset_frame`.
    onset_unit : "frames" or "seconds"
    values : dict of str to str
        What stands in every column of the table, by its name.
    row : int
        Its line in the table.
    """

    video: Path
    animal: str = ""
    session: str = ""
    trial: str = ""
    onset: float | None = None
    onset_unit: Unit = "frames"
    values: Mapping[str, str] = field(default_factory=dict)
    row: int = 0

    def onset_frame(self, rate: float) -> int | None:
        """The frame of the onset in a video of `rate` frames a second; None if it has none."""
        if self.onset is None:
            return None
        return frame_of_onset(self.onset, self.onset_unit, rate)


def frame_of_onset(onset: float, unit: Unit, rate: float) -> int:
    """The frame of a time in a video of `rate` frames a second."""
    return round(onset * rate) if unit == "seconds" else round(onset)


@dataclass(frozen=True)
class Trials:
    """The trials of a table, in its order.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        All but the one of the videos, as the table calls them.
    trials : tuple of Trial
    """

    path: Path
    columns: tuple[str, ...]
    trials: tuple[Trial, ...]

    def __len__(self) -> int:
        return len(self.trials)

    def column(self, name: str) -> tuple[str, ...]:
        """What stands in a column, one text a trial.

        Parameters
        ----------
        name : str
            A column of the table, or "animal", "session" or "trial", whatever it is called there.

        Raises
        ------
        LabelError
            If there is no such column, or a cell of it is empty.
        """
        wanted = self._found(name)
        for trial in self.trials:
            if trial.values[wanted].lower() in MISSING:
                raise LabelError(
                    f"Row {trial.row} of {self.path} has nothing in column {wanted}: fill it in or "
                    "take the row out."
                )
        return tuple(trial.values[wanted] for trial in self.trials)

    def onsets(self) -> dict[str, list[Onset]]:
        """When the trials of each video begin, by its path; those without an onset are left out."""
        found: dict[str, list[Onset]] = {}
        for trial in self.trials:
            if trial.onset is not None:
                found.setdefault(str(trial.video), []).append((trial.onset, trial.onset_unit))
        return found

    def _found(self, name: str) -> str:
        for column in self.columns:
            if column == name:
                return column
        plain = _plain(name)
        names = next((names for names in NAMES.values() if plain == names[0]), (plain,))
        for column in self.columns:
            if _plain(column) in names:
                return column
        raise LabelError(
            f"{self.path} has no column {name}; it has {', '.join(self.columns) or 'no other'}."
        )


def read_trials(path: str | os.PathLike[str]) -> Trials:
    """Read a table of trials.

    Parameters
    ----------
    path : path
        A CSV or TSV file. Its header names the columns: one of videos (``video``, ``clip``,
        ``file``), whose paths are absolute or begin at the table's folder; ``animal`` (or
        ``mouse``, ``subject``), ``session`` and ``trial`` if there are such; ``onset_frame``, or
        ``onset`` in seconds, if something begins in the video; and any others, by whose names
        labels and groups are chosen.

    Raises
    ------
    LabelError
        If it is no such table or a video is not there. The sentence names row and column.
    """
    table = read_text_table(path, "trials")
    table = TextTable(table.path.absolute(), table.columns, table.rows, table.delimiter)
    at = {role: _find(table, names) for role, names in NAMES.items()}
    video, onset = at["video"], _onset(table)
    if video is None:
        raise LabelError(
            f"{table.path} has no column of videos: name one {listed(NAMES['video'][:3], 'or')}; "
            f"its columns are {', '.join(table.columns)}."
        )
    if not table.rows:
        raise LabelError(f"{table.path} holds no trials: write one a row below the header.")
    trials = []
    seen: dict[tuple[object, ...], int] = {}
    for line, cells in table.rows:
        known = {role: cells[column] for role, column in at.items() if column is not None}
        trial = Trial(
            _video(table, line, video, known.pop("video")),
            onset=None if onset is None else table.number(line, onset[0], cells[onset[0]]),
            onset_unit="frames" if onset is None else onset[1],
            values={
                name: cell
                for k, (name, cell) in enumerate(zip(table.columns, cells, strict=True))
                if k != video and name
            },
            row=line,
            **known,
        )
        key = (trial.video, trial.trial, trial.onset)
        if key in seen:
            raise LabelError(
                f"Rows {seen[key]} and {line} of {table.path} are the same trial of "
                f"{trial.video.name}: take one out, or tell them apart in a column trial."
            )
        seen[key] = line
        trials.append(trial)
    names = tuple(name for k, name in enumerate(table.columns) if k != video and name)
    return Trials(table.path, names, tuple(trials))


@dataclass(frozen=True)
class AnnotatedVideo:
    """A video with its events, and whose it is.

    Attributes
    ----------
    video : Path
    events : tuple of Interval
    animal, session : str
        Empty where that is not known.
    """

    video: Path
    events: tuple[Interval, ...]
    animal: str = ""
    session: str = ""


def write_trials(path: str | os.PathLike[str], videos: Iterable[AnnotatedVideo]) -> int:
    """Write a table in which each event is a trial, as `read_trials` reads it.

    Its columns are ``video``, ``animal``, ``session``, ``trial``, ``onset_frame``, ``offset_frame``
    and ``label``. Paths of videos begin at the table's folder where they lie in it.

    Returns
    -------
    int
        The number of trials.

    Raises
    ------
    LabelError
        If there is no event, or the file cannot be written.
    """
    path = Path(path).absolute()
    rows: list[Sequence[object]] = []
    for each in videos:
        video = each.video.absolute()
        name = video.relative_to(path.parent) if video.is_relative_to(path.parent) else video
        for number, event in enumerate(sorted(each.events)):
            rows.append(
                (name, each.animal, each.session, number, event.onset, event.offset, event.label)
            )
    if not rows:
        raise LabelError("There are no events to make trials of: draw some on the timeline first.")
    text = text_of(_WRITTEN, rows, ",")
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise LabelError(f"{path} cannot be written ({error.strerror or error}).") from error
    return len(rows)


_WRITTEN = ("video", "animal", "session", "trial", "onset_frame", "offset_frame", "label")


def _video(table: TextTable, line: int, column: int, cell: str) -> Path:
    if not cell:
        raise LabelError(f"There is no video in {table.place(line, column)}.")
    path = table.path.parent / Path(cell).expanduser()
    try:
        there = path.exists()
    except (OSError, ValueError):
        there = False
    if not there:
        raise LabelError(
            f"The video {cell} in {table.place(line, column)}, is not there: paths begin at the "
            "table's folder."
        )
    return Path(os.path.normpath(path))


def _onset(table: TextTable) -> tuple[int, Unit] | None:
    for k, name in enumerate(table.columns):
        role, unit = role_and_unit(name)
        if role == "onset":
            return k, unit or "seconds"
    return None


def _find(table: TextTable, names: tuple[str, ...]) -> int | None:
    plain = [_plain(column) for column in table.columns]
    # In the order of the names: a table may have a video and a path to something else.
    return next((plain.index(name) for name in names if name in plain), None)


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))
