"""Plain tables of events, CSV and TSV.

A header names the columns: ``onset`` (or ``start``), ``duration`` or ``offset`` (or ``stop``,
``end``), ``label`` (or ``behavior``, ``event``, ``state``), and ``video`` where there are several.
``onset_frame`` counts frames, ``onset``, ``onset_s`` or ``onset (s)`` seconds; where there are
both, frames count. The offset is the frame, or the time, after the last. Without one, or with a
duration of 0, it is a point event.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.columns import Column, Unit, role_and_unit
from napari_vitface.events.format import EventFormat, EventRows, Row
from napari_vitface.events.intervals import MISSING, Interval
from napari_vitface.events.text_table import TextTable, read_text_table, text_of

#: In the order of preference; the last is what a header does not say.
_UNITS: tuple[Unit | None, ...] = ("frames", "seconds", None)
_ENDS: tuple[Column, ...] = ("offset", "duration")


def can_open(path: Path) -> bool:
    """Whether the header names an onset and a label."""
    columns, _ = _columns(read_text_table(path, "events"))
    return {"onset", "label"} <= columns.keys()


def read(path: Path) -> EventRows:
    """The events in a table; `LabelError` with row and column of what is wrong."""
    return rows_of(read_text_table(path, "events"))


def rows_of(table: TextTable, *, without_label: bool = False) -> EventRows:
    """The events in a table.

    Parameters
    ----------
    table : TextTable
    without_label : bool
        Whether rows may have no label, and are left out then.
    """
    columns, unit = _columns(table)
    for role, names in (("onset", "onset or start"), ("label", "label, behavior or event")):
        if role not in columns:
            raise LabelError(
                f"{table.path} has no column {names}; it has {', '.join(table.columns)}."
            )
    rows = []
    for line, cells in table.rows:
        label = cells[columns["label"]]
        if label.lower() in MISSING:
            if without_label:
                continue
            raise LabelError(f"There is no label in {table.place(line, columns['label'])}.")
        onset = table.number(line, columns["onset"], cells[columns["onset"]])
        if onset is None:
            raise LabelError(f"There is no onset in {table.place(line, columns['onset'])}.")
        video = cells[columns["video"]] if "video" in columns else ""
        rows.append(Row(onset, _offset(table, line, cells, columns, onset), label, line, video))
    return EventRows(rows, unit)


def _columns(table: TextTable) -> tuple[dict[Column, int], Unit | None]:
    """Where each role's column is, and in which unit times are."""
    found: dict[tuple[Column, Unit | None], int] = {}
    for k, name in enumerate(table.columns):
        role, unit = role_and_unit(name)
        if role is not None:
            found.setdefault((role, unit), k)
    columns: dict[Column, int] = {}
    for (role, _), k in found.items():
        if role in ("label", "video"):
            columns.setdefault(role, k)
    units: list[Unit | None] = [unit for unit in _UNITS if ("onset", unit) in found]
    if not units:
        return columns, None
    # Onsets and ends in one unit, if there are; ``start_frame, stop`` counts frames in both.
    whole = [unit for unit in units if any((end, unit) in found for end in _ENDS)]
    unit = (whole or units)[0]
    of_ends = unit if whole or None in units else None
    columns["onset"] = found["onset", unit]
    columns |= {end: found[end, of_ends] for end in _ENDS if (end, of_ends) in found}
    return columns, unit


def _offset(
    table: TextTable, line: int, cells: Sequence[str], columns: dict[Column, int], onset: float
) -> float:
    for role in _ENDS:
        if role not in columns:
            continue
        value = table.number(line, columns[role], cells[columns[role]])
        if value is None:
            continue
        offset = value if role == "offset" else onset + value
        if offset < onset:
            raise LabelError(
                f"The event in row {line} of {table.path} ends before it begins "
                f"({table.columns[columns[role]]} {cells[columns[role]]})."
            )
        return offset
    return onset


def decimal(seconds: float) -> str:
    """Seconds to the microsecond, without zeros at the end."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _write(delimiter: str, intervals: Sequence[Interval], clock: Clock | None, video: str) -> str:
    header = ["onset_frame", "offset_frame", "label"]
    if clock is not None:
        header += ["onset_s", "duration_s"]
    if video:
        header.append("video")
    rows = []
    for each in intervals:
        row: list[object] = [each.onset, each.offset, each.label]
        if clock is not None:
            onset, offset = clock.seconds(each.onset), clock.seconds(each.offset)
            row += [decimal(onset), decimal(offset - onset)]
        rows.append([*row, video] if video else row)
    return text_of(header, rows, delimiter)


CSV = EventFormat("csv", "a CSV table", (".csv", ".txt"), can_open, read, partial(_write, ","))
TSV = EventFormat("tsv", "a TSV table", (".tsv",), can_open, read, partial(_write, "\t"))
