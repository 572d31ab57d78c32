"""What kinds of files hold events, which of them a file is, and reading and writing them.

A format is a module that declares an `EventFormat`. It reads times as its file has them; frames are
made of them here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.columns import Unit
from napari_vitface.events.intervals import Interval, checked_label
from napari_vitface.plugins import Registry
from napari_vitface.words import listed


class Row(NamedTuple):
    """An event as a file has it.

    Attributes
    ----------
    onset, offset : float
        In the file's unit; equal for a point event.
    label : str
    line : int
        Of the file, the first being 1.
    video : str
        Its name or path in the file; empty if that does not say it.
    """

    onset: float
    offset: float
    label: str
    line: int
    video: str = ""


@dataclass(frozen=True)
class EventRows:
    """What a file of events holds.

    Attributes
    ----------
    rows : sequence of Row
    unit : "frames", "seconds" or None
        None: the file does not say it.
    rate : float or None
        Frames a second, if the file says it.
    videos : sequence of str
        Names or paths of the videos that were looked at, those without an event too, if the file
        says them.
    """

    rows: Sequence[Row]
    unit: Unit | None
    rate: float | None = None
    videos: Sequence[str] = ()


@dataclass(frozen=True)
class EventFormat:
    """A kind of file.

    Attributes
    ----------
    name : str
        Short, in small letters.
    title : str
        What it is, as in "a table of BORIS".
    endings : tuple of str
        What the names of its files end in, those that are written in the first.
    can_open : callable
        Whether a file looks like one. It may raise, which means no.
    read : callable
        What a file holds; raises `LabelError` with one sentence.
    write : callable, optional
        The text of a file: intervals, the clock if it is known, and the name of the video.
    needs_clock : bool
        Whether it is written in seconds alone.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    can_open: Callable[[Path], bool]
    read: Callable[[Path], EventRows]
    write: Callable[[Sequence[Interval], Clock | None, str], str] | None = None
    needs_clock: bool = False


#: In the order of asking. Other packages add theirs as entry points of this group, each an
#: `EventFormat`.
EVENT_FORMATS: Registry[EventFormat] = Registry(
    EventFormat,
    (
        "napari_vitface.events.bids:BIDS",
        "napari_vitface.events.boris:BORIS",
        "napari_vitface.events.plain:CSV",
        "napari_vitface.events.plain:TSV",
    ),
    group="napari_vitface.event_formats",
)


def read_events(
    path: str | os.PathLike[str],
    clock: Clock | None = None,
    *,
    unit: Unit | None = None,
    video: str = "",
) -> tuple[Interval, ...]:
    """Read the events of one video.

    Parameters
    ----------
    path : path
        A file of one of the `EVENT_FORMATS`: CSV or TSV, an export of BORIS, BIDS' events.tsv.
    clock : Clock, optional
        Of the video; needed where the file counts seconds and does not say the frame rate.
    unit : "frames" or "seconds", optional
        What a table counts whose header does not say it; default seconds.
    video : str
        Name of the video, to choose its rows where the file holds several.

    Returns
    -------
    tuple of Interval
        Sorted, each once.

    Raises
    ------
    LabelError
        If it cannot be read. The sentence names the row.
    """
    path = Path(path)
    found = _format_of(path).read(path)
    if clock is None and found.rate is not None:
        clock = Clock(found.rate)
    counts = found.unit or unit or "seconds"
    if counts == "seconds" and clock is None:
        raise LabelError(f"{path} counts seconds: say how many frames a second the video has.")
    intervals = set()
    for row in _of_video(path, found, video):
        try:
            intervals.add(_interval(row, clock if counts == "seconds" else None))
        except ValueError as error:
            raise LabelError(f"The event in row {row.line} of {path} is none: {error}.") from None
    return tuple(sorted(intervals))


def rows_of_events(path: str | os.PathLike[str], *, video: str = "") -> EventRows:
    """What a file of events holds, in the times that it has; with `video` those of this one.

    Raises
    ------
    LabelError
        If it cannot be read. The sentence names the row.
    """
    path = Path(path)
    found = _format_of(path).read(path)
    return replace(found, rows=_of_video(path, found, video)) if video else found


def write_events(
    path: str | os.PathLike[str],
    intervals: Iterable[Interval],
    clock: Clock | None = None,
    *,
    format: str | None = None,
    video: str = "",
) -> None:
    """Write the events of one video; the file is complete or not there.

    Parameters
    ----------
    path : path
    intervals : iterable of Interval
    clock : Clock, optional
        Of the video; needed for formats that count seconds.
    format : str, optional
        Name of one of the `EVENT_FORMATS`; default by the ending of the file's name:
        ``events.tsv`` is BIDS, other ``.tsv`` and ``.csv`` are plain tables.
    video : str
        Name of the video.

    Raises
    ------
    LabelError
        If there is no such format or the file cannot be written.
    """
    path = Path(path)
    writes = [each for each in EVENT_FORMATS.values() if each.write is not None]
    if format is not None:
        chosen = next((each for each in writes if each.name == format), None)
    else:
        fitting = (each for each in writes if path.name.lower().endswith(each.endings))
        chosen = next(fitting, None)
    if chosen is None or chosen.write is None:
        names = ", ".join(each.name for each in writes)
        raise LabelError(f"Events are written as {names}, not as {format or path.name}.")
    if chosen.needs_clock and clock is None:
        raise LabelError(f"{path} counts seconds: say how many frames a second the video has.")
    text = chosen.write(sorted(set(intervals)), clock, video)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise LabelError(f"{path} cannot be written ({error.strerror or error}).") from error


def unit_of(path: str | os.PathLike[str]) -> Unit | None:
    """What a file of events counts; None if it does not say it, or cannot be read."""
    try:
        return _format_of(Path(path)).read(Path(path)).unit
    except LabelError:
        # Reading it says why.
        return "frames"


def stem_of_video(video: str) -> str:
    """Name of a video without folder and suffix, of whichever system the path is."""
    last = re.split(r"[\\/]", video)[-1]
    return last.rpartition(".")[0] or last


def _format_of(path: Path) -> EventFormat:
    if not path.is_file():
        raise LabelError(f"There is no file {path}.")
    for each in EVENT_FORMATS.values():
        try:
            if each.can_open(path):
                return each
        except Exception:
            # Whatever a look at a file of another kind raises.
            continue
    likely = [e for e in EVENT_FORMATS.values() if path.name.lower().endswith(e.endings)]
    if likely:
        # It says best what is wrong.
        return likely[0]
    titles = list(dict.fromkeys(each.title for each in EVENT_FORMATS.values()))
    raise LabelError(f"{path} holds no events: open {listed(titles, 'or')}.")


def _of_video(path: Path, found: EventRows, video: str) -> list[Row]:
    names = [*found.videos, *(row.video for row in found.rows)]
    videos = list(dict.fromkeys(stem_of_video(name) for name in names if name))
    if len(videos) < 2:
        return list(found.rows)
    if stem_of_video(video) not in videos:
        more = f" and {len(videos) - 5} more" if len(videos) > 5 else ""
        raise LabelError(
            f"{path} holds events of several videos ({', '.join(videos[:5])}{more}) and none of "
            f"{video or 'them was named'}."
        )
    return [row for row in found.rows if stem_of_video(row.video) == stem_of_video(video)]


def _interval(row: Row, clock: Clock | None) -> Interval:
    label = checked_label(row.label)
    if clock is not None:
        onset, offset = clock.frame(row.onset), clock.frame(row.offset)
    else:
        onset, offset = int(row.onset), int(row.offset)
        if (onset, offset) != (row.onset, row.offset):
            raise ValueError("frames are whole numbers")
    if row.offset > row.onset:
        # Shorter than half a frame, but no point event.
        offset = max(offset, onset + 1)
    return Interval(onset, offset, label)
