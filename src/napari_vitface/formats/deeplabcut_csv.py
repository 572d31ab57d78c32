"""DeepLabCut's tables as CSV, with three or four header rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.dlc_table import (
    PREDICTION_LEVELS,
    VARIANCE_COORDS,
    is_frame_number,
    pose_columns,
    read_dlc_poses,
)
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.header_table import LEVELS
from napari_vitface.formats.predictions import Heading


def header_rows(path: Path) -> tuple[list[list[str]], list[str]]:
    """The header rows that a CSV file begins with, if it does, and the row below them."""
    if path.suffix.lower() != ".csv":
        return [], []
    header: list[list[str]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            if not row or row[0].strip().lower() not in LEVELS or len(header) == len(LEVELS):
                return header, row
            header.append(row)
    return header, []


def rows_of(path: Path) -> Content | None:
    """What a file with the header rows holds: its rows are frames, or labelled images."""
    header, row = header_rows(path)
    if not header or header[0][0].strip().lower() != LEVELS[0]:
        return None
    return "labels" if row and not is_frame_number(row[0]) else "predictions"


def _can_open(path: Path) -> bool:
    header, _ = header_rows(path)
    coords = {cell.strip().lower() for cell in header[-1]} if header else set()
    smoothed = coords.intersection(VARIANCE_COORDS[0] + VARIANCE_COORDS[1])
    return rows_of(path) == "predictions" and not smoothed


class CsvSink:
    """Predictions as text, line by line."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        columns = pose_columns(heading)
        header = csv.writer(self._file, lineterminator="\n")
        for level, name in enumerate(PREDICTION_LEVELS):
            header.writerow([name, *(column[level] for column in columns)])
        # Nine digits hold a float32 exactly. One format a row is three times as fast as pandas.
        self._line = "%d" + ",%.9g" * len(columns) + "\n"

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        rows = zip(frames.tolist(), values.tolist(), strict=True)
        text = "".join([self._line % (frame, *row) for frame, row in rows])
        self._file.write(text.replace("nan", ""))

    def close(self) -> None:
        self._file.close()

    abort = close


DEEPLABCUT_CSV = Format(
    "deeplabcut-csv",
    "a DeepLabCut table as text (.csv)",
    (".csv",),
    _can_open,
    read_poses=read_dlc_poses,
    pose_sink=CsvSink,
    holds=frozenset({"confidence", "gaps", "scorer"}),
)
