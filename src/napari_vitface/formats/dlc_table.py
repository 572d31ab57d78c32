"""DeepLabCut's tables as they stand in files: header rows, row labels and numbers, CSV or HDF5.

Both labels (``CollectedData_*``) and predictions have one column for each scorer, body part and
coordinate (with an *individuals* level between scorer and body part in projects of several
animals). Labels name an image in each row, predictions a frame number.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")


@dataclass(frozen=True)
class DlcTable:
    """One animal's table.

    Attributes
    ----------
    path : Path
        The file it was read from.
    scorer : str
    names : tuple of str
        Body parts, in the order of the columns.
    index : (rows, levels) array of int64 or object
        The label of each row: frame number, image path, or folder, video and image.
    xy : (rows, K, 2) array of float
        NaN where there is no point; float64 unless the file holds float32.
    likelihood : (rows, K) array of float or None
        None if the table has no such column.
    """

    path: Path
    scorer: str
    names: tuple[str, ...]
    index: NDArray[Any]
    xy: NDArray[Any]
    likelihood: NDArray[Any] | None

    @property
    def keypoints(self) -> KeypointSet:
        """The body parts as keypoints, with the skeleton of `MOUSE_FACE` where they are its own."""
        return MOUSE_FACE if self.names == MOUSE_FACE.names else KeypointSet(self.names)

    def frame_numbers(self) -> NDArray[np.int64] | None:
        """The row labels as (rows,) frame numbers, or None if they are something else."""
        if len(self.index) == 0:
            return np.empty(0, np.int64)
        if self.index.shape[1] != 1 or self.index.dtype.kind not in "iu":
            return None
        return self.index[:, 0].astype(np.int64)


def read_dlc_table(path: Path) -> DlcTable:
    """Read a DeepLabCut table; `LabelError` with one sentence if it is none."""
    if not path.is_file():
        raise LabelError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5", ".hdf"):
        from napari_vitface.formats.pandas_hdf import read_hdf_frame

        frame = read_hdf_frame(path)
        return _one_animal(path, frame.columns, frame.index, frame.values)
    if suffix == ".csv":
        return _one_animal(path, *_read_csv(path))
    raise LabelError(f"{path} is neither a .csv nor a .h5 file, so it is not read as a table.")


# --- CSV ------------------------------------------------------------------------------------------


def _exact_numbers(pandas_version: str) -> dict[str, Any]:
    """With what pandas reads a number as it is written; from 3.1 on it does so without asking."""
    release = tuple(int(part) for part in pandas_version.split(".")[:2])
    return {} if release >= (3, 1) else {"float_precision": "round_trip"}


def _read_csv(path: Path) -> tuple[list[tuple[str, ...]], NDArray[Any], NDArray[Any]]:
    """Columns, row labels and values of a CSV file."""
    header = _read_header(path)
    # Columns of row labels have no scorer: DeepLabCut's three-level rows leave two cells empty.
    levels = 1
    while levels < len(header[0]) and not header[0][levels]:
        levels += 1
    columns = list(zip(*(row[levels:] for row in header), strict=True))
    # pandas' reader is many times faster than the csv module on a table of a million frames.
    import pandas as pd

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            # Read past the header by records, for a quoted name may run over a line's end.
            reader = csv.reader(file)
            for _ in header:
                next(reader)
            body = pd.read_csv(
                file,
                header=None,
                dtype=dict.fromkeys(range(levels), str) if levels > 1 else None,
                # The number that is written, to the last bit: the default since pandas 3.1.
                float_precision="round_trip" if _release(pd.__version__) < (3, 1) else None,
            )
    except pd.errors.EmptyDataError:
        return columns, np.empty((0, levels), np.int64), np.empty((0, len(columns)))
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a table ({error}).") from error
    if body.shape[1] != levels + len(columns):
        raise LabelError(
            f"{path} has {body.shape[1]} columns in its rows but {levels + len(columns)} in its "
            "header."
        )
    try:
        values = body.iloc[:, levels:].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise LabelError(f"{path} holds something that is not a number ({error}).") from None
    labels = body.iloc[:, :levels]
    if levels == 1 and pd.api.types.is_integer_dtype(labels[0]):
        return columns, labels.to_numpy(dtype=np.int64), values
    index = labels.fillna("").astype(str).to_numpy(dtype=object)
    if len(index) and np.isnan(values[0]).all() and not Path(index[0, -1]).suffix:
        # pandas writes a line with the names of the row labels where these have names.
        return columns, index[1:], values[1:]
    return columns, index, values


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _read_header(path: Path) -> list[list[str]]:
    """The header rows of a CSV file."""
    header: list[list[str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.reader(file):
                if not row or row[0] not in _LEVELS or len(header) == len(_LEVELS):
                    break
                header.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} is not a CSV text file ({error}).") from None
    if tuple(row[0] for row in header) not in (_LEVELS, ("scorer", "bodyparts", "coords")):
        raise LabelError(
            f"{path} does not begin with DeepLabCut's header rows (scorer, bodyparts, coords)."
        )
    if len({len(row) for row in header}) != 1:
        raise LabelError(f"The header rows of {path} differ in length.")
    return header


# --- columns --------------------------------------------------------------------------------------


def _one_animal(
    path: Path,
    columns: list[tuple[str, ...]],
    index: NDArray[Any],
    values: NDArray[Any],
) -> DlcTable:
    """Sort columns (scorer[, individual], body part, coordinate) into arrays of one animal."""
    if not columns or len(columns[0]) not in (3, 4):
        raise LabelError(
            f"The columns of {path} are not DeepLabCut's scorer, bodyparts and coords."
        )
    scorers = list(dict.fromkeys(column[0] for column in columns))
    if len(scorers) > 1:
        raise LabelError(
            f"{path} holds the labels of several scorers ({', '.join(scorers)}); keep one in a "
            "file."
        )
    if len(columns[0]) == 4:
        columns, values = _drop_individuals(path, columns, values)
    place = {(part, coord): i for i, (_, part, coord) in enumerate(columns)}
    if len(place) != len(columns):
        raise LabelError(f"{path} names the same body part twice.")
    names = tuple(dict.fromkeys(part for _, part, _ in columns))
    for name in names:
        for coord in ("x", "y"):
            if (name, coord) not in place:
                raise LabelError(f"{path} has no {coord} column for {name!r}.")
    xy = np.stack(
        [values[:, [place[name, coord] for name in names]] for coord in ("x", "y")], axis=-1
    )
    # Half a point is no point.
    xy[~np.isfinite(xy).all(axis=-1)] = np.nan
    likelihood = None
    if all((name, "likelihood") in place for name in names):
        likelihood = values[:, [place[name, "likelihood"] for name in names]]
    return DlcTable(path, scorers[0], names, index, xy, likelihood)


def _drop_individuals(
    path: Path, columns: list[tuple[str, ...]], values: NDArray[Any]
) -> tuple[list[tuple[str, ...]], NDArray[Any]]:
    """Take the *individuals* level away; refuse tables with points of more than one animal.

    DeepLabCut keeps body parts that are no animal's under the individual "single"; these go with
    the one animal.
    """
    parts_of: dict[str, set[str]] = {}
    for _, animal, part, _ in columns:
        parts_of.setdefault(animal, set()).add(part)
    with_points = {
        column[1]
        for i, column in enumerate(columns)
        if column[3] in ("x", "y") and np.isfinite(values[:, i]).any()
    }
    kept = [animal for animal in parts_of if animal in with_points] or list(parts_of)[:1]
    parts = [part for animal in kept for part in parts_of[animal]]
    if len([animal for animal in kept if animal != "single"]) > 1 or len(set(parts)) < len(parts):
        raise LabelError(
            f"{path} holds points of several animals ({', '.join(kept)}); napari-vitface works "
            "with one animal a video."
        )
    chosen = [i for i, column in enumerate(columns) if column[1] in kept]
    return [(columns[i][0], columns[i][2], columns[i][3]) for i in chosen], values[:, chosen]
