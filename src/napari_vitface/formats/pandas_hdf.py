"""Reading pandas' HDF5 tables without pickle.

`pandas.read_hdf` goes through PyTables, which unpickles every attribute that looks like a pickle,
so that opening a file from somebody else can run that person's code. The tables of DeepLabCut are
plain arrays and a few labels; this module takes these through h5py and refuses everything else.

Two layouts are read, both as pandas has written them since version 0.15:

*fixed* (DeepLabCut's labels)
    ``axis0*`` holds the column labels, ``axis1*`` the row labels, ``block<i>_values`` the values.
*table* (DeepLabCut's predictions, and ours)
    A compound dataset ``table``. The column labels of its blocks are found only in attributes
    that hold pickled lists of strings; `plain_pickle` reads these and refuses everything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.header_table import LEVELS, HeaderTable
from napari_vitface.formats.plain_hdf import content, text
from napari_vitface.formats.plain_pickle import NotPlain, load_plain
from napari_vitface.formats.predictions import ANY, Choice

#: Column labels, names of their levels where the file gives them, row labels (rows, levels), names
#: of theirs, and values (rows, columns): float32 if all of it is in the file, else float64.
_Frame = tuple[
    list[tuple[str, ...]],
    tuple[str | None, ...],
    NDArray[Any],
    tuple[str | None, ...],
    NDArray[Any],
]


def read_hdf_frame(path: Path, choice: Choice = ANY) -> HeaderTable:
    """The data frame in an HDF5 file, whose columns have the usual names where it names none.

    Parameters
    ----------
    path : Path
    choice : Choice, optional
        Which table; needed only if the file holds several and none is ``df_with_missing``.

    Raises
    ------
    LabelError
        If the file is no HDF5 file, holds no table or several, or a table that only pickle reads.
    """
    try:
        with h5py.File(path, "r") as file:
            group = _find_frame(file, path, choice)
            kind = text(group.attrs["pandas_type"])
            frame = _read_fixed(group) if kind == "frame" else _read_table(group)
    except NotPlain as error:
        raise LabelError(
            f"{path} is not read because {error}, which could run a program hidden in the file; "
            "save the table as CSV instead."
        ) from None
    except LabelError:
        raise
    except Exception as error:
        # Whatever h5py makes of damage: RuntimeError for a flipped bit, among many others.
        raise LabelError(
            f"{path} cannot be read as a DeepLabCut HDF5 table ({reason(error)}); "
            "if there is a CSV file of the same name, use that."
        ) from error
    columns, said, index, index_names, values = frame
    count = len(columns[0]) if columns else 0
    usual = LEVELS if count == len(LEVELS) else (LEVELS[0], *LEVELS[2:])
    names = said if len(said) == count else (None,) * count
    levels = (name or usual[i] if i < len(usual) else str(name) for i, name in enumerate(names))
    return HeaderTable(path, tuple(levels), columns, index, index_names, values)


def _find_frame(file: h5py.File, path: Path, choice: Choice) -> h5py.Group:
    found: dict[str, h5py.Group] = {}

    def visit(name: str, item: Any) -> None:
        kind = text(item.attrs.get("pandas_type", b""))
        if isinstance(item, h5py.Group) and kind in ("frame", "frame_table"):
            found[name] = item

    file.visititems(visit)
    if not found:
        raise LabelError(f"{path} holds no table that pandas wrote.")
    if choice.table is None and "df_with_missing" in found:
        return found["df_with_missing"]
    return found[choice.of_tables(sorted(found), path)]


# --- fixed format ---------------------------------------------------------------------------------


def _read_fixed(group: h5py.Group) -> _Frame:
    columns, names = _fixed_axis(group, "axis0")
    index, index_names = _no_rows(group) or _fixed_axis(group, "axis1")
    blocks = []
    for block in range(int(group.attrs["nblocks"])):
        items, _ = _fixed_axis(group, f"block{block}_items")
        values = _fixed_array(group, f"block{block}_values")
        blocks.append((_tuples(items), values.reshape(len(index), len(items))))
    labels = _tuples(columns)
    values = _assemble(labels, blocks, len(index))
    return _strings(labels), names, index, index_names, values


def _no_rows(group: h5py.Group) -> tuple[NDArray[Any], tuple[None, ...]] | None:
    """The row labels of a table without rows, which pandas 1 and 2 store as a pickle of nothing."""
    blocks = [group[f"block{block}_values"] for block in range(int(group.attrs["nblocks"]))]
    if not blocks or not all("shape" in block.attrs for block in blocks):
        return None
    levels = int(group.attrs.get("axis1_nlevels", 1))
    return np.empty((0, levels), np.int64), (None,) * levels


def _fixed_axis(group: h5py.Group, name: str) -> tuple[NDArray[Any], tuple[str | None, ...]]:
    """Labels of an axis (labels, levels), and the names of its levels."""
    if text(group.attrs.get(f"{name}_variety", b"regular")) == "regular":
        values, label = _fixed_labels(group, name)
        return values[:, None], (label,)
    levels = []
    names = []
    for i in range(int(group.attrs[f"{name}_nlevels"])):
        values, label = _fixed_labels(group, f"{name}_level{i}")
        codes = _fixed_array(group, f"{name}_label{i}").astype(int)
        # -1 stands for a missing label.
        levels.append(np.append(values.astype(object), "")[codes])
        names.append(label)
    return np.stack(levels, axis=1), tuple(names)


def _tuples(labels: NDArray[Any]) -> list[tuple[Any, ...]]:
    return [tuple(label) for label in labels.tolist()]


def _fixed_labels(group: h5py.Group, name: str) -> tuple[NDArray[Any], str | None]:
    values, dataset = _fixed_array(group, name), group[name]
    kind = text(dataset.attrs.get("kind", b""))
    if kind not in ("string", "integer", "float"):
        raise NotPlain(f"the labels {dataset.name} are stored as {kind or 'something unknown'!r}")
    written = dataset.attrs.get("name")
    # A nameless level has the pickle of None as its name; nothing needs to be decoded for that.
    label = None if written is None or text(written) == "N." else text(written)
    return _plain_labels(values), label


def _fixed_array(group: h5py.Group, name: str) -> NDArray[Any]:
    dataset = group[name]
    if text(dataset.attrs.get("CLASS", b"")) == "VLARRAY":
        raise NotPlain(f"{dataset.name} holds pickled objects")
    if "shape" in dataset.attrs:
        # pandas stores an array without elements as a placeholder of one element.
        return np.empty(0)
    array = content(group, name)
    return array if array.ndim < 2 or dataset.attrs.get("transposed", 0) else array.T


# --- table format ---------------------------------------------------------------------------------


def _read_table(group: h5py.Group) -> _Frame:
    table_type = text(group.attrs.get("table_type", b""))
    if table_type != "appendable_frame":
        raise NotPlain(f"it is a table of the kind {table_type!r}")
    rows = content(group, "table")
    attributes = group["table"].attrs
    if text(attributes.get("index_kind", b"")) not in ("string", "integer", "float"):
        raise NotPlain("its row labels are neither numbers nor names")
    ((_, order),) = load_plain(bytes(group.attrs["non_index_axes"]))
    blocks = []
    for field in load_plain(bytes(group.attrs["values_cols"])):
        labels = _table_columns(load_plain(bytes(attributes[f"{field}_kind"])))
        blocks.append((labels, rows[field].reshape(len(rows), len(labels))))
    columns = _table_columns(order)
    index = _plain_labels(rows["index"])[:, None]
    values = _assemble(columns, blocks, len(rows))
    return _strings(columns), _table_level_names(group), index, (None,), values


def _table_columns(labels: list[Any]) -> list[tuple[Any, ...]]:
    columns = [label if isinstance(label, tuple) else (label,) for label in labels]
    if not all(isinstance(part, str | int | float) for column in columns for part in column):
        raise NotPlain("its columns are not named by text")
    return columns


def _table_level_names(group: h5py.Group) -> tuple[str | None, ...]:
    info = load_plain(bytes(group.attrs["info"]))
    axis = info.get(1, {}) if isinstance(info, dict) else {}
    return tuple(axis.get("names", ()))


# --- both -----------------------------------------------------------------------------------------


def _assemble(
    columns: list[tuple[Any, ...]],
    blocks: list[tuple[list[tuple[Any, ...]], NDArray[Any]]],
    count: int,
) -> NDArray[Any]:
    """Put the blocks, which pandas keeps by data type, into the order of the columns."""
    for labels, block in blocks:
        if block.dtype.kind not in "fiub":
            raise NotPlain(f"the columns {_strings(labels)} do not hold numbers")
    if sum(len(labels) for labels, _ in blocks) != len(columns):
        raise ValueError("some of its columns are missing")
    single = all(block.dtype == np.float32 for _, block in blocks)
    values = np.full((count, len(columns)), np.nan, np.float32 if single else np.float64)
    place = {column: i for i, column in enumerate(columns)}
    for labels, block in blocks:
        values[:, [place[label] for label in labels]] = block
    return values


def _plain_labels(values: NDArray[Any]) -> NDArray[Any]:
    """Row or column labels as integers or as an object array of str."""
    if values.dtype.kind == "S":
        return np.array([value.decode("utf-8") for value in values.tolist()], dtype=object)
    if values.dtype.kind in "iu" or values.size == 0:
        return values.astype(np.int64)
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        # Frame numbers that went through a program that knows no whole numbers.
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        raise ValueError("its rows are numbered with fractions")
    raise NotPlain("its labels are neither numbers nor names")


def _strings(labels: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    return [tuple(map(str, label)) for label in labels]
