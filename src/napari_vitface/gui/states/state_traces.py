"""What a classifier wrote of each frame of a video, as traces to be plotted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_vitface.events.event_labels import EventLabel, colours_of
from napari_vitface.events.text_table import read_text_table
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import STATE

_UNLIKE = "unlike anything seen"
#: No label has it.
_UNLIKE_COLOUR = "#d0104c"


def state_traces(table: Path, count: int, labels: Sequence[EventLabel]) -> list[MeasuredTrace]:
    """The traces in a table that a classifier wrote: each state, and what is unlike all it knows.

    Parameters
    ----------
    table : Path
    count : int
        Frames of the video.
    labels : sequence of EventLabel
        Whose colours states of their names have.

    Raises
    ------
    LabelError
        If it cannot be read.
    """
    read = read_text_table(table, "states")
    frames = [int(cells[0]) for _, cells in read.rows]
    traces = []
    shown = _shown(read.columns)
    colours = colours_of([name for _, name in shown if name != _UNLIKE], labels)
    for column, name in shown:
        samples = np.full(count, np.nan, np.float32)
        for frame, (line, cells) in zip(frames, read.rows, strict=True):
            value = read.number(line, column, cells[column])
            if value is not None and frame < count:
                samples[frame] = value
        traces.append(
            MeasuredTrace(
                STATE,  # type: ignore[arg-type]
                (f"state {name}",),
                name,
                samples=samples,
                colour=colours.get(name, _UNLIKE_COLOUR),
                dashed=name not in colours,
            )
        )
    return traces


def _shown(columns: Sequence[str]) -> list[tuple[int, str]]:
    """Positions and names of the columns that are plotted."""
    shown = [(k, name) for k, name in enumerate(columns) if name not in ("frame", "distance")]
    return [(k, _UNLIKE if name == "unlike" else name) for k, name in shown]
