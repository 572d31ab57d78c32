"""DeepLabCut's tables as CSV, with three or four header rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.dlc_table import PREDICTION_LEVELS, pose_columns, read_dlc_poses
from napari_vitface.formats.format import Format
from napari_vitface.formats.header_table import LEVELS
from napari_vitface.pose.keypoints import KeypointSet


def holds_header_table(path: Path) -> bool:
    """Whether a file begins with the first of the header rows."""
    if path.suffix.lower() != ".csv":
        return False
    with path.open("rb") as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip(b' "').lower()
    return start.startswith(LEVELS[0].encode())


class CsvSink:
    """Predictions as text, line by line."""

    def __init__(
        self, path: Path, keypoints: KeypointSet, scorer: str, about: Mapping[str, Any] | None
    ) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        columns = pose_columns(keypoints, scorer)
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
    holds_header_table,
    read_poses=read_dlc_poses,
    pose_sink=CsvSink,
)
