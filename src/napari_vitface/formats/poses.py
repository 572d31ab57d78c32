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

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.format import Format, PoseSink, read_as, sink_for
from napari_vitface.formats.predictions import Heading, Predictions
from napari_vitface.pose.table import PoseTable

#: Rows gathered before they are written. Appending to an HDF5 table costs milliseconds a call.
_ROWS_AT_ONCE = 4096


def read_poses(path: str | os.PathLike[str]) -> PoseTable:
    """Read predictions of one animal, of ours or of another program.

    Parameters
    ----------
    path : path
        To a .h5 or .csv file of ours or DeepLabCut's, or to one that another of the `FORMATS` of
        `napari_vitface.formats.format` reads.

    Returns
    -------
    PoseTable
        `frames` are the row labels; confidence is the likelihood, or 1 where the file has none.

    Raises
    ------
    LabelError
        If the file cannot be read, or its rows are labelled images and not frames.
    """
    found: Predictions = read_as("predictions", Path(path))
    return found.poses


def write_poses(table: PoseTable, path: str | os.PathLike[str], *, scorer: str) -> None:
    """Write a table in place of what was there, in the format that `path` ends in: .h5 or .csv.

    Parameters
    ----------
    table : PoseTable
    path : path to a .h5 or .csv file
    scorer : str
        Who made the predictions: the model's name.
    """
    with PoseWriter(path, heading=Heading(table.keypoints, scorer)) as writer:
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
    heading : Heading
        What is said once: keypoints, who makes the predictions, and how. An HDF5 file keeps
        `Heading.about` as JSON in its attribute ``vitface``.
    to : Format, optional
        Of all files; default: what each of them ends in.

    Raises
    ------
    LabelError
        From any method, if a file cannot be written (full disk, read-only folder); everything is
        aborted then.
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        heading: Heading,
        to: Format | None = None,
    ) -> None:
        self.paths = tuple(Path(path) for path in paths)
        self.heading = heading
        self.count = 0
        self._last_frame = -1
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._rows_waiting = 0
        self._sinks: list[PoseSink] = []
        self._files = ExitStack()
        self._open = True
        with self._aborting():
            for path in self.paths:
                begin = to.pose_sink if to and to.pose_sink else sink_for(path)
                temporary = self._files.enter_context(atomic_write(path))
                self._sinks.append(begin(temporary, heading))

    def append(
        self,
        frames: ArrayLike,
        xy: ArrayLike,
        confidence: ArrayLike,
        variance: ArrayLike | None = None,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        frames : (N,) array of int
            Greater than all frames before, strictly increasing.
        xy : (N, K, 2) array of float
            Video pixels, NaN where there is no point.
        confidence : (N, K) array of float
            In [0, 1].
        variance : (N, K, 2) array of float, optional
            Of x and y, in squared pixels; NaN where unknown.
        """
        if not self._open:
            raise ValueError("the writer is closed")
        frames = np.asarray(frames, dtype=np.int64)
        size, width = len(self.heading.keypoints), self.heading.width
        rows = np.full((len(frames), size, width), np.nan, dtype=np.float32)
        rows[..., :2] = xy
        rows[..., 2] = confidence
        if variance is not None:
            rows[..., 3:] = variance
        if np.any(np.diff(frames, prepend=self._last_frame) <= 0):
            raise ValueError("frames must increase strictly and not be negative")
        absent = ~np.isfinite(rows[..., :2]).all(axis=-1)
        rows[absent] = np.nan
        rows[..., 2][absent] = 0.0
        if len(frames) == 0:
            return
        self._last_frame = int(frames[-1])
        self.count += len(frames)
        self._waiting.append((frames, rows.reshape(len(frames), size * width)))
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

    def __exit__(self, *error: object) -> None:
        if any(error):
            self.abort()
        else:
            self.close()

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
                why = reason(error) if isinstance(error, OSError) else "is the disk full?"
                names = " and ".join(path.name for path in self.paths)
                raise LabelError(
                    f"{names} could not be written to {self.paths[0].parent} ({why})."
                ) from error
            raise


class _Aborted(Exception):
    """Tells `atomic_write` to throw its temporary file away."""
