"""Predictions as DeepLabCut-style tables, HDF5 or CSV.

Columns are (scorer, bodyparts, coords) with x, y and likelihood for each body part; the row label
is the frame number. The HDF5 form is a pandas table under the key ``df_with_missing``, as
DeepLabCut writes its own predictions; the CSV form has the same three header rows. Values are
float32 and come back exactly. The HDF5 file also holds SLEAP's analysis arrays for sleap-io.

A frame or keypoint without a point is empty (NaN) in x and y and has likelihood 0, so that a
threshold on the likelihood, which every reader of these tables has, leaves it out. Of a point's
state only that much is kept: read back, a point is predicted or absent.
"""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.dlc_table import read_dlc_table
from napari_vitface.formats.header_table import HDF_KEY, PYTABLES
from napari_vitface.formats.sleap import FRAMES_AT_ONCE, add_analysis_arrays
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

#: Rows gathered before they are written. Appending to an HDF5 table costs milliseconds a call.
_ROWS_AT_ONCE = 4096

#: Bytes that stay free on the disk: what HDF5 writes late, and other programs.
_SPARE = 1 << 20


def read_poses(path: str | os.PathLike[str]) -> PoseTable:
    """Read predictions of ours or of DeepLabCut (one animal).

    Parameters
    ----------
    path : path to a .h5 or .csv file

    Returns
    -------
    PoseTable
        `frames` are the row labels; confidence is the likelihood, or 1 where the file has none.

    Raises
    ------
    LabelError
        If the file cannot be read, or its rows are labelled images and not frames.
    """
    path = Path(path)
    table = read_dlc_table(path)
    frames = table.frame_numbers()
    if frames is None:
        raise LabelError(
            f"The rows of {path} are not frame numbers; if it holds labels, read it as labels."
        )
    order = np.argsort(frames, kind="stable")
    if (np.diff(frames[order]) == 0).any() or (frames < 0).any():
        raise LabelError(f"{path} names a frame twice or has a negative frame number.")
    confidence = None
    if table.likelihood is not None:
        confidence = np.clip(np.nan_to_num(table.likelihood[order], nan=0.0), 0.0, 1.0)
    return PoseTable(table.keypoints, table.xy[order], confidence, frames=frames[order])


def write_poses(table: PoseTable, path: str | os.PathLike[str], *, scorer: str) -> None:
    """Write a table as .h5 or .csv, whichever `path` ends in, in place of what was there.

    Parameters
    ----------
    table : PoseTable
    path : path to a .h5 or .csv file
    scorer : str
        Who made the predictions: the model's name.
    """
    with PoseWriter(path, keypoints=table.keypoints, scorer=scorer) as writer:
        writer.append(table.frames, table.xy, table.confidence)


class PoseWriter:
    """Writes poses as they come, in bounded memory, to one or more files at once.

    The files appear under their names only when `close` has written them to the end; until then,
    and after `abort`, whatever stood there before is untouched. As a context manager it closes at
    the end of the block and aborts on an error.

    Parameters
    ----------
    *paths : paths
        Where to; each ends in .h5 or .csv.
    keypoints : KeypointSet
    scorer : str
        Who makes the predictions: the model's name.

    Raises
    ------
    LabelError
        From any method, if a file cannot be written (full disk, read-only folder); everything is
        aborted then.
    """

    def __init__(self, *paths: str | os.PathLike[str], keypoints: KeypointSet, scorer: str) -> None:
        self.paths = tuple(Path(path) for path in paths)
        self.keypoints = keypoints
        self.count = 0
        self._last_frame = -1
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._rows_waiting = 0
        self._sinks: list[_Sink] = []
        self._files = ExitStack()
        self._open = True
        with self._aborting():
            for path in self.paths:
                kind = _SINKS.get(path.suffix.lower())
                if kind is None:
                    raise LabelError(f"Poses are written as .h5 or .csv, not as {path.name}.")
                temporary = self._files.enter_context(atomic_write(path))
                self._sinks.append(kind(temporary, keypoints, scorer))

    def append(self, frames: ArrayLike, xy: ArrayLike, confidence: ArrayLike) -> None:
        """Add rows.

        Parameters
        ----------
        frames : (N,) array of int
            Greater than all frames before, strictly increasing.
        xy : (N, K, 2) array of float
            Video pixels, NaN where there is no point.
        confidence : (N, K) array of float
            In [0, 1].
        """
        if not self._open:
            raise ValueError("the writer is closed")
        frames = np.asarray(frames, dtype=np.int64)
        size = len(self.keypoints)
        rows = np.empty((len(frames), size, 3), dtype=np.float32)
        rows[..., :2] = xy
        rows[..., 2] = confidence
        if np.any(np.diff(frames, prepend=self._last_frame) <= 0):
            raise ValueError("frames must increase strictly and not be negative")
        absent = ~np.isfinite(rows[..., :2]).all(axis=-1)
        rows[absent] = (np.nan, np.nan, 0.0)
        if len(frames) == 0:
            return
        self._last_frame = int(frames[-1])
        self.count += len(frames)
        self._waiting.append((frames, rows.reshape(len(frames), size * 3)))
        self._rows_waiting += len(frames)
        if self._rows_waiting >= _ROWS_AT_ONCE:
            self._write_waiting()

    def close(self) -> None:
        """Write what waits, flush, and give the files their names. A second call does nothing."""
        if not self._open:
            return
        self._write_waiting()
        with self._aborting():
            for sink in self._sinks:
                sink.close()
            self._sinks = []
            self._files.close()
        self._open = False

    def abort(self) -> None:
        """Give up: remove the temporary files. What stood under the names stays."""
        if not self._open:
            return
        self._open = False
        self._waiting = []
        for sink in self._sinks:
            # The file goes away, so it does not matter if it cannot be flushed (full disk).
            with suppress(Exception):
                sink.abort()
        self._files.__exit__(_Aborted, _Aborted(), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        frames = np.concatenate([frames for frames, _ in self._waiting])
        values = np.concatenate([values for _, values in self._waiting])
        self._waiting = []
        self._rows_waiting = 0
        with self._aborting():
            for sink in self._sinks:
                sink.write(frames, values)

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """Abort on any error, and say in one sentence what a file system objected to."""
        try:
            yield
        except BaseException as error:
            self.abort()
            # PyTables raises HDF5ExtError, a RuntimeError, where HDF5 could not write.
            if isinstance(error, OSError | RuntimeError):
                reason = getattr(error, "strerror", None) or "is the disk full?"
                names = " and ".join(path.name for path in self.paths)
                raise LabelError(
                    f"{names} could not be written to {self.paths[0].parent} ({reason})."
                ) from error
            raise


class _Aborted(Exception):
    """Tells `atomic_write` to throw its temporary file away."""


class _Sink(Protocol):
    """One file that rows are written to: frames (N,) and values (N, K * 3) float32."""

    def __init__(self, path: Path, keypoints: KeypointSet, scorer: str) -> None: ...
    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class _HdfSink:
    def __init__(self, path: Path, keypoints: KeypointSet, scorer: str) -> None:
        import pandas as pd

        self._path = path
        self._keypoints = keypoints
        self._windows: set[int] = set()
        _require_room(path, 0)
        self._columns = pd.MultiIndex.from_tuples(
            _columns(keypoints, scorer), names=["scorer", "bodyparts", "coords"]
        )
        with PYTABLES:
            self._store: Any = pd.HDFStore(path, mode="w")
        self._empty = True

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        rows = self._frame(frames, values)
        _require_room(self._path, values.nbytes + frames.nbytes)
        with PYTABLES:
            # No search index over the row labels: readers take the whole table.
            self._store.append(HDF_KEY, rows, format="table", index=False)
        self._empty = False
        self._windows.update(np.unique(frames // FRAMES_AT_ONCE).tolist())

    def close(self) -> None:
        # Every frame of a window has x, y and a score for each keypoint, and three scores.
        frames = len(self._windows) * FRAMES_AT_ONCE
        _require_room(self._path, frames * 4 * (3 * len(self._keypoints) + 3))
        with PYTABLES:
            if self._empty:
                # Appending no rows writes nothing to pandas, but the columns should be there.
                rows = self._frame(np.empty(0, np.int64), np.empty(0))
                self._store.put(HDF_KEY, rows, track_times=False)
            # The version of the layout. pandas 3.1 leaves it out, and then pandas 1 and 2, which
            # DeepLabCut needs, cannot read the table.
            self._store.get_node(HDF_KEY)._v_attrs["pandas_version"] = "0.15.2"
            self._store.close()
        add_analysis_arrays(self._path, self._keypoints, HDF_KEY)

    def abort(self) -> None:
        with PYTABLES:
            self._store.close()

    def _frame(self, frames: NDArray[np.int64], values: NDArray[Any]) -> Any:
        import pandas as pd

        values = np.asarray(values, np.float32).reshape(len(frames), len(self._columns))
        return pd.DataFrame(values, index=frames, columns=self._columns)


class _CsvSink:
    def __init__(self, path: Path, keypoints: KeypointSet, scorer: str) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        columns = _columns(keypoints, scorer)
        header = csv.writer(self._file, lineterminator="\n")
        for level, name in enumerate(("scorer", "bodyparts", "coords")):
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


def _require_room(path: Path, size: int) -> None:
    """Raise `OSError` if `size` bytes and some to spare do not fit on the disk.

    HDF5 cannot be left to find that out: when it closes a file that it cannot flush, it crashes
    the process (seen with HDF5 2.0).
    """
    if shutil.disk_usage(path.parent).free < size + _SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


_SINKS: dict[str, type[_Sink]] = {".h5": _HdfSink, ".csv": _CsvSink}


def _columns(keypoints: KeypointSet, scorer: str) -> list[tuple[str, str, str]]:
    return [(scorer, name, coord) for name in keypoints.names for coord in _COORDS]


_COORDS: Sequence[str] = ("x", "y", "likelihood")
