"""Writing predictions while the model goes on: the part file at once, the tables as they fill."""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.predictions import Heading
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.part_file import SYNC_EVERY, PartFile
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.formats.poses import PoseWriter


class Recorder:
    """Takes rows of predictions and writes them on a thread of its own.

    The rows that the part file holds already go into the tables first.

    Parameters
    ----------
    part : PartFile
    outputs : Outputs
    heading : Heading
        What is said once in the tables.
    """

    def __init__(
        self,
        part: PartFile,
        outputs: Outputs,
        heading: Heading,
    ) -> None:
        self._part = part
        self._outputs = outputs
        self._heading = heading
        self._tables: PoseWriter
        self._aborting = ExitStack()
        self._error: BaseException | None = None
        # Bounded: a disk that is slower than the model slows the run down, and memory stays small.
        self._queue: queue.Queue[NDArray[np.void] | None] = queue.Queue(maxsize=64)
        self._thread = threading.Thread(target=self._run, name="vitface-recorder", daemon=True)
        self._thread.start()

    def put(self, rows: NDArray[np.void]) -> None:
        """Hand over records; raises what went wrong with earlier ones."""
        self._raise()
        self._queue.put(rows)

    def finish(self) -> None:
        """Write everything, and give the tables their names.

        Raises
        ------
        VitFaceError
            If something could not be written; what is in the part file stays there.
        """
        self._drain()
        self._raise()
        try:
            self._tables.close()
        except VitFaceError as error:
            self._error = error
            self._raise()

    def stop(self) -> None:
        """Write what was handed over to the part file and give the tables up. Never raises."""
        self._drain()
        self._aborting.close()

    def _drain(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            self._open_tables()
            for rows in self._part.rows():
                self._to_tables(rows)
        except BaseException as error:
            self._error = error
        synced = time.monotonic()
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # Take and drop, so that `put` never waits for a thread that gave up.
            try:
                self._part.append(item)
                self._to_tables(item)
                if time.monotonic() - synced > SYNC_EVERY:
                    self._part.sync()
                    if not self._part.in_place:
                        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                    synced = time.monotonic()
            except BaseException as error:
                self._error = error
        try:
            self._part.sync()
        except BaseException as error:
            self._error = self._error or error

    def _open_tables(self) -> None:
        # Imported here, because pandas takes a while and the model need not wait for it.
        from napari_vitface.formats.poses import PoseWriter

        self._tables = PoseWriter(self._outputs.h5, self._outputs.csv, heading=self._heading)
        self._aborting.callback(self._tables.abort)

    def _to_tables(self, rows: NDArray[np.void]) -> None:
        self._tables.append(rows["frame"], rows["xy"], np.nan_to_num(rows["confidence"], nan=0.0))

    def _raise(self) -> None:
        error = self._error
        if error is None:
            return
        if isinstance(error, VitFaceError | OSError) and not self._part.in_place:
            raise VitFaceError(
                f"The output folder {self._part.path.parent} was moved, renamed or deleted during "
                f"the run, and {self._part.path.name} with what was done went with it: put it back "
                "and run the same again, or choose another folder and begin anew."
            ) from error
        if isinstance(error, VitFaceError | OSError):
            reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            done = self._part.count
            kept = f"; they are kept in {self._part.path.name}" if done else ""
            raise VitFaceError(
                f"Writing to {self._part.path.parent} stopped after {counted(done, 'frame')} "
                f"({reason}){kept}: make room and run the same "
                f"again{', and it goes on from there' * bool(done)}."
            ) from error
        raise error
