"""BIDS' ``*_events.tsv``: onset, duration and trial_type, in seconds.

Format: https://bids-specification.readthedocs.io/en/stable/modality-specific-files/task-events.html
A duration of 0 is a point event; ``n/a`` stands where nothing is known. Rows without a trial type
(responses, say) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.format import EventFormat, EventRows
from napari_vitface.events.intervals import Interval
from napari_vitface.events.plain import decimal, rows_of
from napari_vitface.events.text_table import read_text_table, text_of

_HEADER = ("onset", "duration", "trial_type")


def can_open(path: Path) -> bool:
    """Whether it is named so, or has BIDS' columns."""
    table = read_text_table(path, "events")
    named = path.name.lower().endswith("_events.tsv") and table.columns[:2] == _HEADER[:2]
    return table.delimiter == "\t" and (named or set(_HEADER) <= set(table.columns))


def read(path: Path) -> EventRows:
    """The events in a file; `LabelError` with row and column of what is wrong."""
    table = read_text_table(path, "events")
    if "trial_type" not in table.columns:
        raise LabelError(
            f"{path} has no column trial_type, which says what its events are; it has "
            f"{', '.join(table.columns)}."
        )
    return EventRows(rows_of(table, without_label=True).rows, "seconds")


def write(intervals: Sequence[Interval], clock: Clock | None, video: str) -> str:
    """The text of a file."""
    assert clock is not None
    rows = [
        (
            decimal(clock.seconds(each.onset)),
            decimal(clock.seconds(each.offset) - clock.seconds(each.onset)),
            each.label,
        )
        for each in intervals
    ]
    return text_of(_HEADER, rows, "\t")


BIDS = EventFormat(
    "bids", "BIDS' events.tsv", ("events.tsv",), can_open, read, write, needs_clock=True
)
