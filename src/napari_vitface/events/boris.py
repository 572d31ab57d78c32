"""Exports of BORIS: aggregated events (one row an event) and tabular events (a row each change).

Friard & Gamba 2016, doi:10.1111/2041-210X.12584. Both exports changed with the versions: tabular
ones of version 7 and before have lines about the observation above the header and the change in a
column ``Status``, later ones have it in ``Behavior type``. Times are seconds from the beginning of
the observation, so an observation of several media files one after the other is refused. Modifiers
and subjects are not read.
"""

from __future__ import annotations

import math
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
        return "" if name.lower() in MISSING else name

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
            rows.append(Row(onset, offset, self.cell(cells, "behavior"), line, self.media(cells)))
        return rows

    def paired(self) -> list[Row]:
        """Events of an export that has a row for each beginning and each end."""
        rows = []
        began: dict[tuple[str, ...], tuple[int, float]] = {}
        for line, cells in self.table.rows:
            time = self.seconds(line, cells, "time")
            if time is None:
                raise self._wrong(line, "has no time")
            behavior, media = self.cell(cells, "behavior"), self.media(cells)
            change = self.cell(cells, "status", "behavior type").lower()
            key = (self.cell(cells, "observation id"), media, self.cell(cells, "subject"), behavior)
            if change == _POINT:
                rows.append(Row(time, time, behavior, line, media))
            elif change == _START and key not in began:
                began[key] = (line, time)
            elif change == _STOP and key in began:
                start, onset = began.pop(key)
                if time < onset:
                    raise self._wrong(line, f"ends before it begins in row {start}")
                rows.append(Row(onset, time, behavior, start, media))
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
        """Refuse observations of several files: their times are not those of each file."""
        first: dict[str, str] = {}
        for _, cells in self.table.rows:
            observation, media = self.cell(cells, "observation id"), self.media(cells)
            if observation and media and first.setdefault(observation, media) != media:
                raise LabelError(
                    f"The observation {observation} in {self.table.path} is of several media files "
                    f"({first[observation]}, {media}), so its times are not those of one video: "
                    "observe and export each file by itself."
                )

    def rate(self) -> float | None:
        """Frames a second, where one number is said for all."""
        rates = {self.cell(cells, "fps", "fps (frame/s)") for _, cells in self.table.rows}
        try:
            (rate,) = {float(rate) for rate in rates if rate.lower() not in MISSING}
        except ValueError:
            return None
        return rate if math.isfinite(rate) and rate > 0 else None

    def _wrong(self, line: int, what: str) -> LabelError:
        return LabelError(f"The event in row {line} of {self.table.path} {what}.")


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
