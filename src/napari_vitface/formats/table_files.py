"""Reading and writing tables with DeepLabCut's header rows as CSV or HDF5."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_vitface.errors import LabelError
from napari_vitface.formats.csv_table import read_csv_table
from napari_vitface.formats.header_table import (
    HDF_KEY,
    HDF_SUFFIXES,
    PYTABLES,
    HeaderTable,
    is_file,
)
from napari_vitface.formats.predictions import ANY, Choice


def read_header_table(path: Path, choice: Choice = ANY) -> HeaderTable:
    """Read a table, of several the chosen one; `LabelError` with one sentence if it is none.

    Columns and rows that spreadsheets leave behind, with neither names nor numbers, are left out.
    """
    if not is_file(path):
        raise LabelError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in HDF_SUFFIXES:
        from napari_vitface.formats.pandas_hdf import read_hdf_frame

        return _without_leftovers(read_hdf_frame(path, choice))
    if suffix == ".csv":
        return _without_leftovers(read_csv_table(path))
    raise LabelError(f"{path} is neither a .csv nor a .h5 file, so it is not read as a table.")


def _without_leftovers(table: HeaderTable) -> HeaderTable:
    numbers = ~np.isnan(table.values)
    named = np.array([any(map(_is_name, column[-2:])) for column in table.columns], bool)
    stray = np.flatnonzero(~named & numbers.any(axis=0))
    if len(stray):
        raise LabelError(
            f"Column {stray[0] + 1} of {table.path} holds numbers, but no body part is named above "
            "them: name it or take the column away."
        )
    labelled = np.array([any(map(str, label)) for label in table.index.tolist()], bool)
    kept = labelled | numbers.any(axis=1)
    if named.all() and kept.all():
        return table
    return replace(
        table,
        columns=[column for column, keep in zip(table.columns, named, strict=True) if keep],
        index=table.index[kept],
        values=table.values[kept][:, named],
    )


def _is_name(cell: str) -> bool:
    # What pandas calls the header cells that it found empty.
    return bool(cell.strip()) and not cell.startswith("Unnamed: ")


def table_bytes(table: HeaderTable) -> bytes:
    """The content of the file for a table, CSV or HDF5 by the suffix of its path.

    CSV is what `pandas.DataFrame.to_csv` writes, HDF5 what ``to_hdf`` writes in the fixed format,
    so that DeepLabCut with any pandas reads it. HDF5 is made in memory: on a full disk the library
    crashes the process when it closes a file that it cannot flush (seen with HDF5 2.0).
    """
    if table.path.suffix.lower() in HDF_SUFFIXES:
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
