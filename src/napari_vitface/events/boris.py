"""Exports of BORIS: aggregated events (one row an event) and tabular events (a row each change).

Friard & Gamba 2016, doi:10.1111/2041-210X.12584. Both exports changed with the versions: tabular
ones of version 7 and before have lines about the observation above the header and the change in a
column ``Status``, later ones have it in ``Behavior type``. Times are seconds from the beginning of
the observation plus its time offset, which is taken off where an export says it. An observation may
play several media files one after the other. From version 8 on exports say how long each is, and an
event is given to the files that it is in, in their own times; older ones do not, and such
observations are refused. Image indices count from 1 and are rounded from the same times, so they
are not read. Nor are modifiers and subjects, but for what belongs together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.format import EventFormat, EventRows, Row, stem_of_video
from napari_vitface.events.intervals import MISSING, Interval
from napari_vitface.events.plain import decimal
from napari_vitface.events.text_table import TextTable, read_text_table, text_of

_START, _STOP, _POINT = "start", "stop", "point"
_OFFSET = "time offset (s)"
#: Seconds that exports, whose times are rounded to milliseconds, may be off.
_ROUNDED = 0.002
#: Seconds after the end of the last media file, at most: players and files differ a little.
_AFTER = 1.0


def _is_header(cells: Sequence[str]) -> bool:
    names = {cell.strip().lower() for cell in cells}
    aggregated = {"start (s)", "stop (s)"} <= names
    tabular = "time" in names and not {"status", "behavior type"}.isdisjoint(names)
    return "behavior" in names and (aggregated or tabular)


def _table(path: Path) -> TextTable:
    return read_text_table(path, "events", _is_header)


def can_open(path: Path) -> bool:
    """Whether a line of it is the header of an export."""
    return _is_header(_table(path).columns)


def read(path: Path) -> EventRows:
    """The events in an export; `LabelError` with the row of what is wrong."""
    table = _table(path)
    if not _is_header(table.columns):
        raise LabelError(
            f"{path} is no export of BORIS: export tabular or aggregated events as CSV or TSV."
        )
    export = _Export(table)
    rows = export.aggregated() if "start (s)" in export.columns else export.paired()
    export.check_media()
    videos = [file.name for _, cells in table.rows for file in export.played(cells) if file.name]
    return EventRows(rows, "seconds", export.rate(), tuple(dict.fromkeys(videos)))


class _Played(NamedTuple):
    """A media file, and the seconds of the observation when it is played."""

    name: str
    begin: float
    end: float


class _Export:
    """A table of an export, with its columns by name, whichever the version."""

    def __init__(self, table: TextTable) -> None:
        self.table = table
        self.columns = {name.lower(): k for k, name in enumerate(table.columns)}

    def cell(self, cells: Sequence[str], *names: str) -> str:
        """What stands in the first of some columns that there is."""
        found = next((self.columns[name] for name in names if name in self.columns), None)
        return "" if found is None else cells[found]

    def seconds(self, line: int, cells: Sequence[str], name: str) -> float | None:
        column = self.columns[name]
        return self.table.number(line, column, cells[column])

    def media(self, cells: Sequence[str]) -> str:
        name = self.cell(cells, "media file name", "media file", "media file path")
        return "" if name.lower() in (*MISSING, "not found") else name

    def above(self, name: str) -> list[str]:
        """What stands beside a name in the lines before the header."""
        lines = (line for line in self.table.above if len(line) > 1)
        return [line[1] for line in lines if line[0].lower() == name]

    def names(self, cells: Sequence[str]) -> list[str]:
        """The first player's media files in their order; none if they are not said."""
        if "source" not in self.columns:
            return self.above("player #1")
        # "player #1:a.mp4;b.mp4|player #2:c.mp4"; a name may have a semicolon, too.
        source = re.match(r"(player #1: ?)?(.+?)([| ]player #2:|$)", self.cell(cells, "source"))
        if source is None or source[2].lower() in MISSING:
            return []
        if source[2] == self.media(cells):
            return [source[2]]
        return [name.strip() for name in source[2].split(";") if name.strip()]

    def played(self, cells: Sequence[str]) -> list[_Played]:
        """The first player's media files in their order, at least one, which may lack a name."""
        names = self.names(cells) or [""]
        # "60.000;61.000|121.000" for two files before one camera and one before another.
        seconds = _first_player(self.cell(cells, "media duration (s)"))
        if len(names) == 1:
            known = seconds[0] if len(seconds) == 1 else None
            return [_Played(self.media(cells) or names[0], 0.0, known or math.inf)]
        played: list[_Played] = []
        for name, length in zip(names, seconds, strict=False):
            begin = played[-1].end if played else 0.0
            played.append(_Played(name, begin, round(begin + (length or math.nan), 6)))
        if len(names) != len(seconds) or math.isnan(played[-1].end):
            raise self._several(names)
        different = set(names)
        if len({stem_of_video(name) for name in different}) < len(different):
            raise LabelError(
                f"{self.table.path} has an observation of several media files of one name "
                f"({', '.join(names[:5])}): rename them, or observe each file by itself."
            )
        return played

    def shift(self, line: int, cells: Sequence[str]) -> float:
        """The time offset of an observation, in seconds."""
        if _OFFSET in self.columns:
            return self.seconds(line, cells, _OFFSET) or 0.0
        said = next(iter(self.above(_OFFSET)), "")
        number = 0.0 if said.lower() in MISSING else _number(said)
        if number is None:
            raise LabelError(
                f"{self.table.path} has a time offset of {said[:40]!r}, which is no number: write "
                "it with digits and a point."
            )
        return number

    def rows_of(self, line: int, cells: Sequence[str], onset: float, offset: float) -> list[Row]:
        """An event, in the times of each media file that it is in."""
        label, played = self.cell(cells, "behavior"), self.played(cells)
        shift = self.shift(line, cells)
        onset, offset = round(onset - shift, 6), round(offset - shift, 6)
        outside = ""
        if onset < -_ROUNDED:
            outside = f"begins {-onset:.10g} s before the first media file"
        elif offset > played[-1].end + _AFTER:
            outside = f"ends {offset - played[-1].end:.10g} s after the last media file"
        if outside:
            less = f", less the time offset of {shift:.10g} s" if shift else ""
            raise self._wrong(line, f"{outside}{less}: correct the observation and export it again")
        onset, offset = max(onset, 0.0), max(offset, 0.0)
        rows = []
        for file in played:
            end = math.inf if file is played[-1] else file.end
            start, stop = max(onset, file.begin), min(offset, end)
            if start < stop or file.begin <= onset == offset < end:
                start, stop = round(start - file.begin, 6), round(stop - file.begin, 6)
                rows.append(Row(start, stop, label, line, file.name))
        # What reaches into another file by rounding alone is none of its events.
        long = [row for row in rows if round(row.offset - row.onset, 6) > _ROUNDED]
        return long or [max(rows, key=lambda row: row.offset - row.onset)]

    def aggregated(self) -> list[Row]:
        rows = []
        for line, cells in self.table.rows:
            onset = self.seconds(line, cells, "start (s)")
            if onset is None:
                raise self._wrong(line, "has no start")
            offset = self.seconds(line, cells, "stop (s)")
            if offset is None or self.cell(cells, "behavior type").lower() == _POINT:
                offset = onset
            if offset < onset:
                raise self._wrong(line, "ends before it begins")
            rows += self.rows_of(line, cells, onset, offset)
        return rows

    def paired(self) -> list[Row]:
        """Events of an export that has a row for each beginning and each end."""
        rows: list[Row] = []
        began: dict[tuple[str, ...], tuple[int, float]] = {}
        what = [k for name, k in self.columns.items() if name.startswith("modifier")]
        for line, cells in self.table.rows:
            time = self.seconds(line, cells, "time")
            if time is None:
                raise self._wrong(line, "has no time")
            change = self.cell(cells, "status", "behavior type").lower()
            names = ("observation id", "subject", "behavior")
            key = (*(self.cell(cells, name) for name in names), *(cells[k] for k in what))
            if change == _POINT:
                rows += self.rows_of(line, cells, time, time)
            elif change == _START and key not in began:
                began[key] = (line, time)
            elif change == _STOP and key in began:
                start, onset = began.pop(key)
                if time < onset:
                    raise self._wrong(line, f"ends before it begins in row {start}")
                rows += self.rows_of(start, cells, onset, time)
            elif change == _START:
                raise self._wrong(line, f"starts again before the one of row {began[key][0]} stops")
            elif change == _STOP:
                raise self._wrong(line, "stops without having started")
            else:
                raise self._wrong(line, f"neither starts nor stops nor is a point ({change!r})")
        for line, _ in began.values():
            raise self._wrong(line, "starts and never stops")
        return rows

    def check_media(self) -> None:
        """Refuse observations of several files, if their times cannot be told to each file."""
        first: dict[str, str] = {}
        for _, cells in self.table.rows:
            observation, media = self.cell(cells, "observation id"), self.media(cells)
            if len(self.names(cells)) > 1 or not media:
                continue
            if first.setdefault(observation, media) != media:
                raise self._several([first[observation], media])

    def rate(self) -> float | None:
        """Frames a second, where one number is said for all."""
        said = {self.cell(cells, "fps", "fps (frame/s)") for _, cells in self.table.rows}
        rates = {rate for each in said for rate in _first_player(each) if rate is not None}
        return rates.pop() if len(rates) == 1 else None

    def _wrong(self, line: int, what: str) -> LabelError:
        return LabelError(f"The event in row {line} of {self.table.path} {what}.")

    def _several(self, names: Sequence[str]) -> LabelError:
        return LabelError(
            f"{self.table.path} has an observation of several media files "
            f"({', '.join(names[:5])}), and does not say how long each is: export it from BORIS 8 "
            "or later, or observe each file by itself."
        )


def _first_player(text: str) -> list[float | None]:
    """What is said of each media file of the first player: a number above 0, or None."""
    numbers = [_number(each) for each in text.partition("|")[0].split(";")]
    return [None if number is None or number <= 0 else number for number in numbers]


def _number(text: str) -> float | None:
    try:
        # Where spreadsheets write decimal commas.
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_AGGREGATED = (
    "Observation id", "Observation date", "Description", "Observation type", "Source",
    "Media duration (s)", "FPS (frame/s)", "Subject", "Behavior", "Behavioral category",
    "Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Media file name", "Comment start",
    "Comment stop",
)  # fmt: skip


def write(intervals: Sequence[Interval], clock: Clock | None, video: str) -> str:
    """The text of a table of aggregated events."""
    assert clock is not None
    rows = []
    for each in intervals:
        onset, offset = clock.seconds(each.onset), clock.seconds(each.offset)
        known = {
            "Observation id": video,
            "Observation type": "Media file",
            "Source": video,
            "FPS (frame/s)": decimal(clock.rate),
            "Subject": "No focal subject",
            "Behavior": each.label,
            "Behavior type": "POINT" if each.is_point else "STATE",
            "Start (s)": decimal(onset),
            "Stop (s)": decimal(offset),
            "Duration (s)": "NA" if each.is_point else decimal(offset - onset),
            "Media file name": video,
        }
        rows.append([known.get(name, "") for name in _AGGREGATED])
    return text_of(_AGGREGATED, rows, ",")


BORIS = EventFormat("boris", "an export of BORIS", (".boris.csv",), can_open, read, write, True)
