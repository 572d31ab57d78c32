"""Tables of text: CSV with commas or semicolons, TSV; with a byte order mark or without."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.events.intervals import MISSING

#: Lines before the header in exports of some programs, at most.
_MOST_BEFORE = 100


@dataclass(frozen=True)
class TextTable:
    """The cells of a table.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        What the header calls them, without spaces around.
    rows : tuple of (int, tuple of str)
        The number of each row's line in the file, the first being 1, and its cells, one for each
        column, without spaces around.
    delimiter : str
    above : tuple of tuple of str
        The cells of the lines before the header.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    delimiter: str
    above: tuple[tuple[str, ...], ...] = ()

    def place(self, line: int, column: int) -> str:
        """A cell in words."""
        return f"row {line}, column {self.columns[column]}, of {self.path}"

    def number(self, line: int, column: int, text: str) -> float | None:
        """The number in a cell; None if there is none.

        Where semicolons stand between the cells, decimal commas are read: spreadsheets write them
        together.

        Raises
        ------
        LabelError
            If there is something else in it.
        """
        if text.lower() in MISSING:
            return None
        plain = text
        if self.delimiter == ";" and re.fullmatch(r"[+-]?\d+,\d+", text):
            plain = text.replace(",", ".")
        # Of float(), "1_000" and "infinity" are numbers too.
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", plain, re.ASCII):
            raise LabelError(
                f"{text[:40]!r} in {self.place(line, column)}, is no number: write it with digits "
                "and a point."
            )
        return float(plain)


def read_text_table(
    path: str | os.PathLike[str],
    what: str,
    is_header: Callable[[Sequence[str]], bool] | None = None,
) -> TextTable:
    """Read a table of text.

    Parameters
    ----------
    path : path
    what : str
        What it is to hold, for sentences: "trials".
    is_header : callable, optional
        Whether cells are the header; lines before it are left out. Default: the first line is.

    Raises
    ------
    LabelError
        If it cannot be read; the sentence names the row.
    """
    path = Path(path)
    text = _text_of(path)
    # Line ends of all systems, and no other signs that part lines.
    lines = list(io.StringIO(text, newline=None))
    start = 0
    if is_header is not None:
        before = lines[:_MOST_BEFORE]
        start = next((at for at, text in enumerate(before) if is_header(_cells(text))), 0)
    delimiter = _delimiter(lines[start]) if lines else ","
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    rows: list[tuple[int, tuple[str, ...]]] = []
    try:
        for cells in reader:
            line = start + reader.line_num
            stripped = tuple(cell.strip() for cell in cells)
            if not any(stripped):
                continue
            if not columns:
                columns = _columns(path, stripped)
                continue
            if len(stripped) > len(columns) and any(stripped[len(columns) :]):
                raise LabelError(
                    f"Row {line} of {path} has {len(stripped)} cells, but the header has "
                    f"{len(columns)}: put a text that holds {_WORDS[delimiter]} into quotes."
                )
            padding = ("",) * (len(columns) - len(stripped))
            rows.append((line, (*stripped[: len(columns)], *padding)))
    except csv.Error as error:
        raise LabelError(
            f"Row {start + reader.line_num} of {path} cannot be read ({error})."
        ) from None
    if not columns:
        raise LabelError(f"{path} is empty: a table of {what} has a header and rows.")
    above = tuple(tuple(cell.strip() for cell in _cells(line)) for line in lines[:start])
    return TextTable(path, columns, tuple(rows), delimiter, above)


def text_of(header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str) -> str:
    """The text of a table."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise LabelError(f"There is no file {path}.") from None
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise LabelError(f"{path} is not a table of text in UTF-8: save it as CSV in UTF-8.")
    return text


def _columns(path: Path, header: tuple[str, ...]) -> tuple[str, ...]:
    while header and not header[-1]:
        header = header[:-1]
    seen: set[str] = set()
    for name in header:
        if name and name.lower() in seen:
            raise LabelError(f"{path} has two columns named {name}: give one another name.")
        seen.add(name.lower())
    return header


def _delimiter(header: str) -> str:
    """What stands between the cells of a header: the sign that is there most often."""
    plain = re.sub(r'"[^"]*"', "", header)
    return max(("\t", ";", ","), key=plain.count)


def _cells(line: str) -> list[str]:
    try:
        return next(iter(csv.reader([line], delimiter=_delimiter(line))), [])
    except csv.Error:
        return []
