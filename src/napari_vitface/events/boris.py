"""Exports of BORIS: aggregated events (one row an event) and tabular events (a row each change).

Friard & Gamba 2016, doi:10.1111/2041-210X.12584. Both exports changed with the versions: tabular
ones of version 7 and before have lines about the observation above the header and the change in a
column ``Status``, later ones have it in ``Behavior type``. Times are seconds from the beginning of
the observation, which may play several media files one after the other. From version 8 on exports
say how long each is, and an event is given to the files that it is in, in their own times; older
ones do not, and such observations are refused. Image indices count from 1 and are rounded from the
same times, so they are not read. Nor are modifiers and subjects, but for what belongs together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.format import EventFormat, EventRows, Row
from napari_vitface.events.intervals import MISSING, Interval
from napari_vitface.events.plain import decimal
from napari_vitface.events.text_table import TextTable, read_text_table, text_of

_START, _STOP, _POINT = "start", "stop", "point"


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
    return EventRows(rows, "seconds", export.rate())


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

    def played(self, cells: Sequence[str]) -> list[tuple[str, float]]:
        """The first player's media files in their order, with their seconds; none if not said."""
        # "player #1:a.mp4;b.mp4|player #2:c.mp4" and "60.000;61.000|121.000".
        source = re.match(r"player #1:(.+?)(\|player #2:|$)", self.cell(cells, "source"))
        names = source[1].split(";") if source else []
        seconds = _first_player(self.cell(cells, "media duration (s)"))
        return list(zip(names, seconds, strict=True)) if len(names) == len(seconds) else []

    def rows_of(self, line: int, cells: Sequence[str], onset: float, offset: float) -> list[Row]:
        """An event, in the times of each media file that it is in."""
        label, played = self.cell(cells, "behavior"), self.played(cells)
        if len(played) < 2:
            return [Row(onset, offset, label, line, self.media(cells))]
        rows, begin = [], 0.0
        for number, (name, seconds) in enumerate(played):
            end = begin + seconds if number < len(played) - 1 else math.inf
            start, stop = max(onset, begin), min(offset, end)
            if start < stop or begin <= onset == offset < end:
                rows.append(Row(start - begin, stop - begin, label, line, name))
            begin = end
        return rows

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
            if len(self.played(cells)) > 1 or not media:
                continue
            if first.setdefault(observation, media) != media:
                raise LabelError(
                    f"{self.table.path} has an observation of several media files "
                    f"({first[observation]}, {media}), and does not say how long each is: export "
                    "it from BORIS 8 or later, or observe each file by itself."
                )

    def rate(self) -> float | None:
        """Frames a second, where one number is said for all."""
        said = {self.cell(cells, "fps", "fps (frame/s)") for _, cells in self.table.rows}
        rates = {rate for each in said for rate in _first_player(each)}
        return rates.pop() if len(rates) == 1 else None

    def _wrong(self, line: int, what: str) -> LabelError:
        return LabelError(f"The event in row {line} of {self.table.path} {what}.")


def _first_player(text: str) -> list[float]:
    """The numbers above 0 that are said of the media files of the first player."""
    numbers = []
    for each in text.partition("|")[0].split(";"):
        try:
            # Where spreadsheets write decimal commas.
            number = float(each.strip().replace(",", "."))
        except ValueError:
            continue
        if math.isfinite(number) and number > 0:
            numbers.append(number)
    return numbers


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
