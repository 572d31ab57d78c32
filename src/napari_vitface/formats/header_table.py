"""Tables with DeepLabCut's header rows, cell for cell: read and written as CSV or HDF5.

What the columns mean is the business of `dlc_table`; here every column, row label and number is
kept, so that a table can be changed in one place and stay as it was everywhere else.
"""

from __future__ import annotations

import csv
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError

#: The pandas key of DeepLabCut's tables in an HDF5 file.
HDF_KEY = "df_with_missing"

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_HDF_SUFFIXES = (".h5", ".hdf5", ".hdf")

#: PyTables may be used by one thread at a time.
PYTABLES = threading.Lock()


@dataclass
class HeaderTable:
    """A table as it stands in a file.

    Attributes
    ----------
    path : Path
        The file that it was read from or belongs into.
    level_names : tuple of str
        Names of the header rows: scorer, perhaps individuals, bodyparts, coords.
    columns : list of tuple of str
        One entry a header row.
    index : (rows, levels) array of int64 or object (str)
        The label of each row: frame number, image path, or folder, video and image.
    index_names : tuple of (str or None)
        Names of the levels of the row labels; usually None.
    values : (rows, columns) array of float
        float64 unless a whole HDF5 file holds float32.
    """

    path: Path
    level_names: tuple[str, ...]
    columns: list[tuple[str, ...]]
    index: NDArray[Any]
    index_names: tuple[str | None, ...]
    values: NDArray[Any]


def read_header_table(path: Path) -> HeaderTable:
    """Read a table; `LabelError` with one sentence if it is none."""
    if not path.is_file():
        raise LabelError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in _HDF_SUFFIXES:
        return _read_hdf(path)
    if suffix == ".csv":
        return _read_csv(path)
    raise LabelError(f"{path} is neither a .csv nor a .h5 file, so it is not read as a table.")


def table_bytes(table: HeaderTable) -> bytes:
    """The content of the file for a table, CSV or HDF5 by the suffix of its path.

    CSV is what `pandas.DataFrame.to_csv` writes, HDF5 what ``to_hdf`` writes in the fixed format,
    so that DeepLabCut with any pandas reads it. HDF5 is made in memory: on a full disk the library
    crashes the process when it closes a file that it cannot flush (seen with HDF5 2.0).
    """
    if table.path.suffix.lower() in _HDF_SUFFIXES:
        return _hdf_bytes(table)
    frame = _data_frame(table)
    # Lightning Pose's 0, 1 and 2 stay whole numbers.
    flags = [column for column in table.columns if column[-1] == "visible"]
    whole = [column for column in flags if frame[column].notna().all()]
    text: str = frame.astype(dict.fromkeys(whole, np.int64)).to_csv(lineterminator="\n")
    return text.encode("utf-8")


def _data_frame(table: HeaderTable) -> Any:
    import pandas as pd

    levels = [table.index[:, i].tolist() for i in range(table.index.shape[1])]
    index: Any
    if not len(table.index):
        # Of labels that are neither strings nor numbers, because there are none, pandas would
        # store the pickle.
        index = pd.MultiIndex.from_arrays([[0]] * len(levels), names=table.index_names)[:0]
        index = index if len(levels) > 1 else index.get_level_values(0)
    elif len(levels) == 1:
        index = pd.Index(levels[0], name=table.index_names[0])
    else:
        index = pd.MultiIndex.from_arrays(levels, names=table.index_names)
    columns = pd.MultiIndex.from_tuples(table.columns, names=table.level_names)
    return pd.DataFrame(np.asarray(table.values, np.float64), index=index, columns=columns)


# --- HDF5 -----------------------------------------------------------------------------------------


def _read_hdf(path: Path) -> HeaderTable:
    from napari_vitface.formats.pandas_hdf import read_hdf_frame

    frame = read_hdf_frame(path)
    count = len(frame.columns[0]) if frame.columns else 0
    usual = _LEVELS if count == len(_LEVELS) else (_LEVELS[0], *_LEVELS[2:])
    names = frame.level_names if len(frame.level_names) == count else (None,) * count
    return HeaderTable(
        path,
        tuple(name or usual[i] if i < len(usual) else str(name) for i, name in enumerate(names)),
        frame.columns,
        frame.index,
        frame.index_names,
        frame.values,
    )


def _hdf_bytes(table: HeaderTable) -> bytes:
    import pandas as pd

    with PYTABLES:
        store: Any = pd.HDFStore(
            table.path.name, mode="w", driver="H5FD_CORE", driver_core_backing_store=0
        )
        try:
            store.put(HDF_KEY, _data_frame(table), format="fixed", track_times=False)
            # The version of the layout. pandas 3.1 leaves it out; older ones write it.
            store.get_node(HDF_KEY)._v_attrs["pandas_version"] = "0.15.2"
            store.flush()
            image: bytes = store._handle.get_file_image()
        finally:
            store.close()
    return image


# --- CSV ------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> HeaderTable:
    header = _read_header(path)
    # Columns of row labels have no scorer: DeepLabCut's three-level rows leave two cells empty.
    levels = 1
    while levels < len(header[0]) and not header[0][levels]:
        levels += 1
    columns = list(zip(*(row[levels:] for row in header), strict=True))
    level_names = tuple(row[0] for row in header)
    nameless: tuple[str | None, ...] = (None,) * levels
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
        empty = np.empty((0, levels), np.int64), np.empty((0, len(columns)))
        return HeaderTable(path, level_names, columns, empty[0], nameless, empty[1])
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a table ({error}).") from error
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
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
        index = labels.to_numpy(dtype=np.int64)
        return HeaderTable(path, level_names, columns, index, nameless, values)
    index = labels.fillna("").astype(str).to_numpy(dtype=object)
    if len(index) and np.isnan(values[0]).all() and not Path(index[0, -1]).suffix:
        # pandas writes a line with the names of the row labels where these have names.
        names = tuple(name or None for name in index[0].tolist())
        return HeaderTable(path, level_names, columns, index[1:], names, values[1:])
    return HeaderTable(path, level_names, columns, index, nameless, values)


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
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
    if tuple(row[0] for row in header) not in (_LEVELS, ("scorer", "bodyparts", "coords")):
        raise LabelError(
            f"{path} does not begin with DeepLabCut's header rows (scorer, bodyparts, coords)."
        )
    if len({len(row) for row in header}) != 1:
        raise LabelError(f"The header rows of {path} differ in length.")
    return header
