"""The file of a run in progress: what it has so far, safe against a crash at any moment.

It stands beside the outputs as ``<video>_vitface_<model>.part``: one line of text, one line of JSON
(the fingerprint of the run), and then one record a frame, only ever appended. Each has a checksum:
after a crash or a power failure, what follows the last whole record is dropped when the file is
opened again. In the records of a prediction, confidence is NaN where a frame could not be decoded.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Notice
from napari_vitface.jobs.outputs import unwritable
from napari_vitface.lock import lock_open_file

_MAGIC = b"napari-vitface part 2\n"
#: `PartFile.mismatch` with a file that is not of this kind.
_OTHER_FORMAT = ("format",)
#: Seconds between two times that the system is asked to put the file on the disk.
SYNC_EVERY = 5.0


class PartFile:
    """Append-only records of frames, for one run at a time.

    Parameters
    ----------
    path : Path
        Made if it is not there. Locked against other processes until `leave` or `remove`.
    fingerprint : dict
        Plain data that says what was asked for; a file with another one is begun anew.
    record : dtype
        Of a record, with the number of its frame as ``frame``; see `record_type`.
    frames : range
        The frames that the run goes through, in this order.

    Attributes
    ----------
    count : int
        Records in the file.
    mismatch : tuple of str or None
        Keys of the fingerprint in which the file that was found differed from this run (it was
        begun anew then); None if there was none or it fitted.

    Raises
    ------
    VitFaceError
        If the folder cannot be written to, or another process has the file.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Mapping[str, object],
        record: np.dtype[np.void],
        frames: range,
    ) -> None:
        self.path = path
        self.dtype = np.dtype([("row", record), ("checksum", "<u4")])
        self.mismatch: tuple[str, ...] | None = None
        self._synced = time.monotonic()
        self._file = _opened_alone(path)
        try:
            self._header = _MAGIC + json.dumps(fingerprint, sort_keys=True).encode("ascii") + b"\n"
            self.count = self._continue(fingerprint, frames)
        except BaseException:
            self._file.close()
            raise

    def begun_anew(self) -> Iterator[Notice]:
        """What is told where the file that was found was of no use to this run."""
        if self.mismatch is None:
            return
        by = f"a run with another {' and another '.join(self.mismatch)}"
        if self.mismatch == _OTHER_FORMAT:
            by = "another version of napari-vitface"
        yield Notice(
            f"{self.path.name} was left by {by}; it cannot be continued, so this run begins anew."
        )

    def append(self, rows: NDArray[np.void]) -> None:
        """Add records. After an error (full disk) the file holds whole records only."""
        records = np.empty(len(rows), self.dtype)
        records["row"] = rows
        records["checksum"] = self._checksums(records)
        data = memoryview(records.view(np.uint8).reshape(-1))
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._offset(self.count))
            raise
        self.count += len(rows)

    @property
    def in_place(self) -> bool:
        """Whether the file is still where others would look for it."""
        return _is_in_place(self._file, self.path)

    def sync(self) -> None:
        """Have the system put everything on the disk."""
        os.fsync(self._file.fileno())

    def keep(self, rows: NDArray[np.void]) -> None:
        """`append`, and now and then `sync` and see that the file is in place.

        Raises
        ------
        VitFaceError
            One sentence: it cannot be written, or is not where it was.
        """
        due = time.monotonic() - self._synced > SYNC_EVERY
        try:
            self.append(rows)
            if due:
                self._synced = time.monotonic()
                self.sync()
        except OSError as error:
            raise not_written(self.path, error) from error
        if due and not self.in_place:
            raise VitFaceError(
                f"The output folder {self.path.parent} was moved, renamed or deleted during the "
                "run: put it back and run the same again."
            )

    def rows(self, start: int = 0, size: int = 4096) -> Iterator[NDArray[np.void]]:
        """The records from number `start` on, in pieces of up to `size`."""
        for records in self._records(start, size):
            yield np.ascontiguousarray(records["row"])

    def _records(self, start: int = 0, size: int = 4096) -> Iterator[NDArray[np.void]]:
        with self.path.open("rb") as file:
            file.seek(self._offset(start))
            position = start
            while position < self.count:
                records = np.fromfile(file, self.dtype, min(size, self.count - position))
                if len(records) == 0:
                    return
                position += len(records)
                yield records

    def leave(self) -> None:
        """Let go of the file. It stays for a later run, unless there is nothing in it."""
        if self.count == 0:
            self.remove()
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file: its content stands in the outputs."""
        if not self._file.closed:
            _remove(self._file, self.path)

    def _offset(self, record: int) -> int:
        return len(self._header) + record * self.dtype.itemsize

    def _continue(self, fingerprint: Mapping[str, object], frames: range) -> int:
        """Number of records that can be kept; the file is cut to these."""
        self._file.seek(0)
        magic = self._file.read(len(_MAGIC))
        count = 0
        if magic == _MAGIC:
            found = _read_line(self._file)
            if found == self._header[len(_MAGIC) :]:
                count = self._whole_records(frames)
            else:
                self.mismatch = _difference(found, fingerprint)
        elif magic:
            self.mismatch = _OTHER_FORMAT
        if count == 0:
            self._file.truncate(0)
            try:
                self._file.write(self._header)
            except OSError as error:
                raise VitFaceError(
                    f"Nothing can be written to {self.path} ({error.strerror}); make room on the "
                    "disk or choose another output folder."
                ) from error
        elif os.fstat(self._file.fileno()).st_size != self._offset(count):
            self._file.truncate(self._offset(count))
        return count

    def _whole_records(self, frames: range) -> int:
        size = os.fstat(self._file.fileno()).st_size
        self.count = min((size - len(self._header)) // self.dtype.itemsize, len(frames))
        position = 0
        for records in self._records():
            expected = np.asarray(frames[position : position + len(records)])
            whole = records["checksum"] == self._checksums(records)
            wrong = np.flatnonzero((records["row"]["frame"] != expected) | ~whole)
            # After a power failure the end of a file may be zeros or older bytes.
            if len(wrong):
                return position + int(wrong[0])
            position += len(records)
        return position

    def _checksums(self, records: NDArray[np.void]) -> NDArray[np.uint32]:
        """(N,) CRC-32 of records, each after the header: those of another run do not fit."""
        start, size = zlib.crc32(self._header), self.dtype.itemsize
        data = memoryview(np.ascontiguousarray(records).view(np.uint8).reshape(-1))
        ends = range(size, len(data) + 1, size)
        return np.array([zlib.crc32(data[end - size : end - 4], start) for end in ends], np.uint32)


@contextlib.contextmanager
def kept_from_others(path: Path) -> Iterator[None]:
    """Have no run open a part file, which need not be there; what is in it stays as it is.

    Raises
    ------
    VitFaceError
        As `PartFile` does.
    """
    file = _opened_alone(path)
    try:
        yield
    finally:
        if os.fstat(file.fileno()).st_size == 0:
            _remove(file, path)
        file.close()


def _opened_alone(path: Path) -> BinaryIO:
    """A part file, made if it is not there, locked until it is closed."""
    for last in (False, False, True):
        try:
            # Unbuffered: a record is with the system as soon as it is appended.
            file: Any = path.open("a+b", buffering=0)
        except OSError as error:
            raise unwritable(path.parent, error) from error
        if not lock_open_file(file.fileno()):
            file.close()
            raise VitFaceError(f"Another run is writing {path}; wait for it or cancel it.")
        if last or _is_in_place(file, path):
            break
        # Who held it has just deleted it.
        file.close()
    return file  # type: ignore[no-any-return]


def _is_in_place(file: BinaryIO, path: Path) -> bool:
    try:
        there, here = path.stat(), os.fstat(file.fileno())
    except (OSError, ValueError):
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _remove(file: BinaryIO, path: Path) -> None:
    """Delete a part file and close it."""
    if os.name == "posix":
        # Before the lock is gone, lest the file is deleted that another run has just locked.
        path.unlink(missing_ok=True)
        file.close()
        return
    file.close()  # An open one cannot be deleted, nor one that another run has just locked.
    with contextlib.suppress(PermissionError):
        path.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> VitFaceError:
    """What is told where a file of a run that can go on cannot be written."""
    return VitFaceError(
        f"Writing to {path.parent} stopped ({error.strerror or error}); what is done is kept: make "
        "room and run the same again."
    )


def read_fingerprint(path: Path) -> dict[str, object]:
    """What the run that left a part file was asked for; empty if there is none to go on from."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return {}
            found = json.loads(_read_line(file))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def record_type(keypoints: int) -> np.dtype[np.void]:
    """A predicted frame: its number, xy in video pixels and confidence."""
    return np.dtype(
        [("frame", "<i8"), ("xy", "<f4", (keypoints, 2)), ("confidence", "<f4", (keypoints,))]
    )


def is_broken(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which records are of frames that could not be decoded."""
    return np.isnan(rows["confidence"][:, 0])


def _read_line(file: BinaryIO, longest: int = 1 << 20) -> bytes:
    start = file.tell()
    line, newline, _ = file.read(longest).partition(b"\n")
    file.seek(start + len(line) + len(newline))
    return line + newline


def _difference(found: bytes, wanted: Mapping[str, object]) -> tuple[str, ...]:
    try:
        old = json.loads(found)
        return tuple(key for key in wanted if old.get(key) != wanted[key]) or _OTHER_FORMAT
    except (ValueError, AttributeError, RecursionError):
        return _OTHER_FORMAT
