"""Tables of traces, as CSV or Parquet: a row for each frame, a column for each trace.

Columns are ``frame``, ``time (s)`` where times are known, and each trace with its unit in brackets.
Numbers are those of float32, which come back exactly; missing ones are empty (NaN in Parquet).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.extra import needed

FRAME, TIME = "frame", "time (s)"
#: Endings of the two forms.
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class TraceTable:
    """Traces of a recording.

    Attributes
    ----------
    frames : (N,) int64
        Increasing.
    times : (N,) float64 or None
        Seconds.
    names, units : tuple of str
        Of the D traces.
    values : (N, D) float32
        NaN where nothing is known.
    """

    frames: NDArray[np.int64]
    times: NDArray[np.float64] | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: NDArray[np.float32]


class TraceSink(Protocol):
    """Takes rows of a table in their order."""

    def write(
        self,
        frames: NDArray[np.int64],
        times: NDArray[np.float64] | None,
        values: NDArray[np.float32],
    ) -> None:
        """Add (B,) frames with their times and (B, D) values."""
        ...

    def close(self) -> None: ...


def title(name: str, unit: str) -> str:
    """What stands over a trace's column."""
    return f"{name} ({unit})" if unit else name


@contextmanager
def writing_traces(
    path: str | os.PathLike[str], titles: Sequence[str], *, timed: bool
) -> Iterator[TraceSink]:
    """A table under its name once all is written, or not at all; its ending says in which form.

    Raises
    ------
    LabelError
        Parquet is asked for and pyarrow is not installed.
    OSError
        It cannot be written.
    """
    make = _Parquet if Path(path).suffix.lower() == ".parquet" else _Csv
    with atomic_write(path) as temporary:
        sink: TraceSink = make(temporary, [FRAME, *([TIME] if timed else []), *titles])
        with closing(sink):
            yield sink


def read_traces(path: str | os.PathLike[str]) -> TraceTable:
    """Read a table of traces.

    Raises
    ------
    LabelError
        The file is not there or is no such table, or pyarrow is not installed.
    """
    path = Path(path)
    rows = _read(path)
    if FRAME not in rows.columns:
        raise LabelError(f"{path} is no table of traces: it has no column {FRAME!r}.")
    names = [name for name in rows.columns if name not in (FRAME, TIME)]
    try:
        parted = [_parted(name) for name in names]
        return TraceTable(
            rows[FRAME].to_numpy(np.int64),
            rows[TIME].to_numpy(np.float64) if TIME in rows.columns else None,
            tuple(name for name, _ in parted),
            tuple(unit for _, unit in parted),
            rows[names].to_numpy(np.float32),
        )
    except (ValueError, TypeError) as error:
        raise LabelError(f"{path} holds what is no number ({error}).") from error


def _read(path: Path) -> Any:
    import pandas as pd

    from napari_vitface.formats.csv_table import exactly

    try:
        if path.suffix.lower() == ".parquet":
            return needed("pyarrow.parquet", "parquet").read_table(path).to_pandas()
        return pd.read_csv(path, float_precision=exactly())
    except FileNotFoundError as error:
        raise LabelError(f"{path} does not exist: check the name.") from error
    except (OSError, ValueError) as error:
        raise LabelError(
            f"{path} cannot be read as a table of traces ({reason(error)})."
        ) from error


def _parted(title: str) -> tuple[str, str]:
    """Name and unit of what stands over a column."""
    found = re.fullmatch(r"(.+) \(([^()]*)\)", title)
    return (found[1], found[2]) if found else (title, "")


class _Csv:
    def __init__(self, path: Path, titles: Sequence[str]) -> None:
        import csv

        self._file = path.open("w", encoding="utf-8", newline="")
        csv.writer(self._file, lineterminator="\n").writerow(titles)

    def write(
        self,
        frames: NDArray[np.int64],
        times: NDArray[np.float64] | None,
        values: NDArray[np.float32],
    ) -> None:
        line = "%d" + (",%.6f" if times is not None else "") + ",%.9g" * values.shape[1] + "\n"
        parts: list[Any] = [frames.tolist(), *([times.tolist()] if times is not None else [])]
        rows = zip(*parts, *values.T.tolist(), strict=True)
        self._file.write("".join([line % row for row in rows]).replace("nan", ""))

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, titles: Sequence[str]) -> None:
        pyarrow = needed("pyarrow", "parquet")
        kinds = {FRAME: pyarrow.int64(), TIME: pyarrow.float64()}
        self._schema = pyarrow.schema(
            [(each, kinds.get(each, pyarrow.float32())) for each in titles]
        )
        self._arrow = pyarrow
        self._writer = needed("pyarrow.parquet", "parquet").ParquetWriter(path, self._schema)

    def write(
        self,
        frames: NDArray[np.int64],
        times: NDArray[np.float64] | None,
        values: NDArray[np.float32],
    ) -> None:
        columns = [frames, *([times] if times is not None else []), *np.ascontiguousarray(values.T)]
        self._writer.write_table(self._arrow.table(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
