"""Tidy tables as CSV, with a row for each keypoint of each frame; see `long_table`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.predictions import Choice, Heading, Predictions

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels

#: Rows read together.
_ROWS_AT_ONCE = 1 << 20


class _Sink:
    """Rows as text, as they come."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._heading = heading
        self._empty = True

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        from napari_vitface.formats.long_table import rows_of_points

        rows = rows_of_points(self._heading, frames, values)
        # Nine digits hold a float32 exactly.
        rows.to_csv(
            self._file, index=False, header=self._empty, float_format="%.9g", lineterminator="\n"
        )
        self._empty = False

    def close(self) -> None:
        if self._empty:
            size = len(self._heading.keypoints) * self._heading.width
            self.write(np.empty(0, np.int64), np.empty((0, size), np.float32))
        self._file.close()

    def abort(self) -> None:
        self._file.close()


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _can_open(path: Path) -> bool:
    from napari_vitface.formats.long_table import is_long

    return path.suffix.lower() == ".csv" and is_long(_columns(path))


def _pieces(path: Path) -> Iterator[Any]:
    import pandas as pd

    from napari_vitface.formats.csv_table import NO_NUMBER, check_whole, exactly
    from napari_vitface.formats.long_table import NAMES, NUMBERS, meaning

    try:
        columns = {name: meaning(name) for name in _columns(path)}
        check_whole(path, len(columns))
        names = {column: str for column, meant in columns.items() if meant in NAMES}
        empty: Any = {
            column: NO_NUMBER for column, meant in columns.items() if meant in (*NUMBERS, "frame")
        }
        with pd.read_csv(
            path,
            dtype=names,
            keep_default_na=False,
            na_values=empty,
            chunksize=_ROWS_AT_ONCE,
            encoding="utf-8-sig",
            float_precision=exactly(),
        ) as reader:
            for piece in reader:
                yield piece.rename(columns=columns)
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a table ({reason(error)}).") from error
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error


def _contents(path: Path) -> list[Content]:
    from napari_vitface.formats.long_table import contents

    return contents(_pieces(path), path)


def _read_poses(path: Path, choice: Choice) -> Predictions:
    from napari_vitface.formats.long_table import read_predictions

    return read_predictions(_pieces(path), path, choice)


def _read_labels(path: Path, choice: Choice) -> Labels:
    from napari_vitface.formats.long_table import read_labels

    return read_labels(_pieces(path), path, choice)


def _write_labels(path: Path, labels: Labels) -> None:
    from napari_vitface.formats.long_table import rows_of_labels

    # A label comes back to the last bit.
    rows = rows_of_labels(labels, path.parent)
    rows.to_csv(path, index=False, float_format="%.17g", lineterminator="\n")


TIDY_CSV = Format(
    "tidy-csv",
    "a tidy table with a row for each keypoint (.csv)",
    (".csv",),
    _can_open,
    read_poses=_read_poses,
    read_labels=_read_labels,
    pose_sink=_Sink,
    write_labels=_write_labels,
    holds=frozenset({"confidence", "variance", "occlusion", "hidden places", "gaps", "video"}),
    contents=_contents,
)
