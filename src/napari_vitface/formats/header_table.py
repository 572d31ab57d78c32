"""A table with DeepLabCut's header rows, cell for cell, as `table_files` reads and writes it.

What the columns mean is the business of `dlc_table`; here every column, row label and number is
kept, so that a table can be changed in one place and stay as it was everywhere else.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

#: The pandas key of DeepLabCut's tables in an HDF5 file.
HDF_KEY = "df_with_missing"

#: Names of the header rows; individuals only in projects of several animals.
LEVELS = ("scorer", "individuals", "bodyparts", "coords")
#: What HDF5 files end in.
HDF_SUFFIXES = (".h5", ".hdf5", ".hdf")

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


def is_file(path: Path) -> bool:
    """Whether there is such a file; not if no file can have that name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
