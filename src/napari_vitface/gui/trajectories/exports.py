"""Files made from the Trajectories dock: plotted traces as CSV, filtered predictions as tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.poses import PoseWriter
from napari_vitface.formats.predictions import Heading
from napari_vitface.formats.trace_table import title, writing_traces
from napari_vitface.gui.trajectories.label_rows import LabelRows
from napari_vitface.jobs.outputs import FILTERED, table_paths
from napari_vitface.kinematics import Trace
from napari_vitface.pose.table import PointState, PoseTable

#: Frames of a table that are written at once.
_BLOCK = 8192

#: Lines of text that are written at once. Making text of numbers keeps Python to itself, so the
#: window's thread gets its turn between these.
_LINES = 1024


@dataclass(frozen=True)
class Column:
    """A column of the CSV: its header, and what gives its values from frame to frame."""

    title: str
    read: Callable[[int, int], NDArray[np.float32]]


def plotted_columns(
    traces: Iterable[Trace],
    table: PoseTable,
    labels: LabelRows,
    times: NDArray[np.float64] | None,
) -> list[Column]:
    """Columns for traces as they are plotted: predictions, and labels where there are any."""
    columns = []
    for trace in traces:
        over = title(trace.label, trace.unit(times is not None))
        if trace.fits(table):
            columns.append(Column(over, _predicted(trace, table, times)))
        if len(labels.frames) and len(labels.values(trace, 0, int(labels.frames[-1]) + 1)[0]):
            columns.append(Column(f"{over} labelled", _labelled(trace, labels)))
    return columns


def write_traces(
    path: str | os.PathLike[str],
    columns: Sequence[Column],
    start: int,
    stop: int,
    times: NDArray[np.float64] | None = None,
) -> None:
    """Write frames `start` to `stop` (exclusive) as a table; see `trace_table`."""
    titles = [column.title for column in columns]
    with writing_traces(path, titles, timed=times is not None) as sink:
        for begin in range(start, stop, _LINES):
            end = min(begin + _LINES, stop)
            values = np.empty((end - begin, len(columns)), np.float32)
            for position, column in enumerate(columns):
                values[:, position] = column.read(begin, end)
            sink.write(np.arange(begin, end), None if times is None else times[begin:end], values)
            time.sleep(0.001)


def filtered_paths(video: Path, saved: Path | None, model: str) -> tuple[Path, Path]:
    """Where filtered predictions go: ``<video>_vitface_<model>_filtered.h5`` and ``.csv``.

    Beside the predictions, which may be elsewhere than the video.
    """
    folder = saved.parent if saved is not None else None
    return table_paths(video, model, FILTERED, folder=folder)


def write_filtered(paths: Sequence[Path], table: PoseTable, labels: LabelRows, model: str) -> None:
    """Write predictions as they are shown: filtered, with the labels in their place.

    A labelled point has likelihood 1; one that a person called occluded has its guessed place, if
    there is one, and likelihood 0.

    Parameters
    ----------
    paths : sequence of Path
        Each ends in .h5 or .csv.
    table : PoseTable
        Row i is frame i; not changed.
    labels : LabelRows
    model : str
        Name of the model.

    Raises
    ------
    LabelError
        If a file cannot be written; then none is.
    """
    names = table.keypoints.names
    known = labels.keypoints.names
    pairs = [(k, known.index(name)) for k, name in enumerate(names) if name in known]
    scorer = f"vitface_{model}{FILTERED}"
    with PoseWriter(*paths, heading=Heading(table.keypoints, scorer)) as writer:
        for begin in range(0, len(table), _BLOCK):
            end = min(begin + _BLOCK, len(table))
            xy = table.xy[begin:end].copy()
            confidence = table.confidence[begin:end].copy()
            rows = labels.between(begin, end)
            here = labels.frames[rows] - begin
            for k, column in pairs:
                states = labels.states[rows, column]
                said = states != PointState.ABSENT
                xy[here[said], k] = labels.xy[rows, column][said]
                confidence[here[said], k] = states[said] == PointState.LABELLED
            writer.append(table.frames[begin:end], xy, confidence)


def _predicted(
    trace: Trace, table: PoseTable, times: NDArray[np.float64] | None
) -> Callable[[int, int], NDArray[np.float32]]:
    return lambda start, stop: trace.values(table, start, stop, times)


def _labelled(trace: Trace, labels: LabelRows) -> Callable[[int, int], NDArray[np.float32]]:
    def read(start: int, stop: int) -> NDArray[np.float32]:
        result = np.full(stop - start, np.nan, dtype=np.float32)
        frames, values, _ = labels.values(trace, start, stop)
        result[frames - start] = values
        return result

    return read
