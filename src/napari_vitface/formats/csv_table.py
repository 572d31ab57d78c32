"""Reading tables with DeepLabCut's header rows from CSV, with the cause where one cannot be read.

Spreadsheets save such tables in forms of their own: with semicolons or tabs between cells, decimal
commas, other encodings. None of them is read on a guess; the sentence says what it is.
"""

from __future__ import annotations

import csv
import os
import re
from io import StringIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.header_table import LEVELS, HeaderTable
from napari_vitface.words import counted

#: What stands for "no number" in the cells of numbers; in names, where pandas takes them for
#: missing too, they are names: a video may be called NA.
NO_NUMBER = [
    "", "NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "NULL", "null", "None", "nan",
    "NaN", "-nan", "-NaN", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
]  # fmt: skip
#: Bytes in which a last line ends.
_LAST_LINE = 1 << 20
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SAVE_AGAIN = "save it as CSV with commas between cells and points in numbers"


def read_csv_table(path: Path) -> HeaderTable:
    """Read a table; `LabelError` with one sentence if it is none."""
    import pandas as pd

    header = _read_header(path)
    after_commas = all(cell[0] == " " for row in header for cell in row[1:] if cell)
    if after_commas:
        header = [[cell.strip(" ") for cell in row] for row in header]
    # Columns of row labels have no scorer: DeepLabCut's three-level rows leave two cells empty.
    levels = 1
    while levels < len(header[0]) and not header[0][levels]:
        levels += 1
    check_whole(path, len(header[0]))
    columns = list(zip(*(row[levels:] for row in header), strict=True))
    level_names = tuple(row[0].strip().lower() for row in header)
    nameless: tuple[str | None, ...] = (None,) * levels
    # Rows may have empty cells beyond the header's.
    no_number: Any = dict.fromkeys(range(levels, 2 * len(header[0])), NO_NUMBER)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            # Read past the header by records, for a quoted name may run over a line's end.
            reader = csv.reader(file)
            for _ in header:
                next(reader)
            # pandas' reader is many times faster than the csv module on a million frames.
            body = pd.read_csv(
                file,
                header=None,
                dtype=dict.fromkeys(range(levels), str) if levels > 1 else None,
                keep_default_na=False,
                na_values=no_number,
                skipinitialspace=after_commas,
                # One type a column: "0051" would be a number in one part of it and text in another.
                low_memory=False,
                float_precision=exactly(),
            )
    except pd.errors.EmptyDataError:
        empty = np.empty((0, levels), np.int64), np.empty((0, len(columns)))
        return HeaderTable(path, level_names, columns, empty[0], nameless, empty[1])
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a table ({reason(error)}).") from error
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
    width = levels + len(columns)
    if body.shape[1] < width or body.iloc[:, width:].replace("", np.nan).notna().any(axis=None):
        raise LabelError(
            f"{path} has {counted(body.shape[1], 'column')} in its rows but {width} in its header."
        )
    try:
        values = body.iloc[:, levels:width].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise LabelError(_no_number(path, error)) from None
    labels = body.iloc[:, :levels]
    if levels == 1 and pd.api.types.is_integer_dtype(labels[0]):
        index = labels.to_numpy(dtype=np.int64)
        return HeaderTable(path, level_names, columns, index, nameless, values)
    index = labels.fillna("").astype(str).to_numpy(dtype=object)
    # Before 2.3 pandas ends a text at a zero byte, so it is looked for in the file.
    if _holds(path, b"\0"):
        raise LabelError(f"{path} is not a CSV text file (there are zero bytes in its row labels).")
    if len(index) and np.isnan(values[0]).all() and _names_levels(index[0].tolist()):
        # pandas writes a line with the names of the row labels where these have names.
        names = tuple(name or None for name in index[0].tolist())
        return HeaderTable(path, level_names, columns, index[1:], names, values[1:])
    return HeaderTable(path, level_names, columns, index, nameless, values)


def _names_levels(labels: list[str]) -> bool:
    """Whether row labels are names of the levels, and not those of an image or a frame."""
    return any(labels) and not Path(labels[-1]).suffix and not labels[-1].strip().isdecimal()


def check_whole(path: Path, cells: int) -> None:
    """Raise `LabelError` if a table ends within a row: its last number may be part of one.

    A last row without the end of its line and with fewer cells than the header counts as cut off,
    although a program that leaves out empty cells at the end of a row may have written it so; the
    sentence says what to do then. One that was cut within its last cell cannot be told.
    """
    with path.open("rb") as file:
        file.seek(-min(_LAST_LINE, file.seek(0, os.SEEK_END)), os.SEEK_END)
        lines = file.read().splitlines(keepends=True)
    if not lines or lines[-1].endswith((b"\n", b"\r")) or not lines[-1].strip():
        return
    row = lines.pop()
    while row.count(b'"') % 2 and lines:
        # The end of a quoted cell of several lines.
        row = lines.pop() + row
    found = next(csv.reader(StringIO(row.decode("utf-8", "replace"), newline="")))
    if len(found) < cells:
        raise LabelError(
            f"{path} ends within a row: it is cut off, so copy or write it again. If nothing is "
            "missing, end its last line with a line break."
        )


def exactly() -> Literal["round_trip"] | None:
    """What has pandas read the number that is written, to the last bit: the default since 3.1."""
    import pandas as pd

    return "round_trip" if _release(pd.__version__) < (3, 1) else None


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _read_header(path: Path) -> list[list[str]]:
    """The header rows of a CSV file."""
    header: list[list[str]] = []
    first = ""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline(1000)
            file.seek(0)
            for row in csv.reader(file):
                if not row or row[0].strip().lower() not in LEVELS or len(header) == len(LEVELS):
                    break
                header.append(row)
    except UnicodeDecodeError:
        raise LabelError(
            f"{path} is not a CSV text file in UTF-8, as {_encoding(path)}: save it as CSV in "
            "UTF-8."
        ) from None
    except csv.Error as error:
        raise LabelError(f"{path} is not a CSV text file ({error}).") from None
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
    if tuple(row[0].strip().lower() for row in header) not in (LEVELS, (LEVELS[0], *LEVELS[2:])):
        between = re.match(r'\s*"?(?:scorer|frame|video)"?\s*([;\t|])', first, re.IGNORECASE)
        if between:
            raise LabelError(
                f"{path} has {_SEPARATORS[between[1]]} between its cells, as some spreadsheets "
                f"save tables: {_SAVE_AGAIN}."
            )
        if "_ncams" in first and "_error" in first:
            raise LabelError(
                f"{path} holds Anipose's points in three dimensions, and a video has two: open "
                "the tables of its cameras in the folder pose-2d or pose-2d-filtered."
            )
        raise LabelError(
            f"{path} does not begin with DeepLabCut's header rows (scorer, bodyparts, coords), and "
            "has not the columns frame, keypoint, x and y of a tidy table."
        )
    if len({len(row) for row in header}) != 1:
        raise LabelError(f"The header rows of {path} differ in length.")
    return header


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    utf_16 = start in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start
    return "it is in UTF-16" if utf_16 else "its encoding is another one"


def _no_number(path: Path, error: Any) -> str:
    found = re.search(r"'(-?\d*,\d+)'", str(error))
    if found:
        return f"{path} has decimal commas ({found[1]}), as some spreadsheets save: {_SAVE_AGAIN}."
    return f"{path} holds something that is not a number ({error})."


def _holds(path: Path, byte: bytes) -> bool:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(byte) >= 0
