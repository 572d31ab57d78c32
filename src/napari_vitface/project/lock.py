"""One process at a time: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from napari_vitface.errors import LabelError

# Files locked by this process: some systems would let a process lock the same file twice.
_held: set[Path] = set()

#: What systems say when another process holds the lock, as opposed to having no locks at all.
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
#: Byte that is locked on Windows: behind the text, so that others can read who holds it.
_BYTE = 1 << 20


class FileLock:
    """An advisory lock on a file of its own, held until `close` or the end of the process.

    The file is never removed: taking away a file that another process is just locking would let
    two processes in.

    Parameters
    ----------
    path : Path
        Made if it is not there; its folder must be.
    what : str
        What it guards, for the sentence: "the labels of mouse1".

    Raises
    ------
    LabelError
        If another window or process holds it.
    OSError
        If the file cannot be made or opened.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path.resolve()
        if self.path in _held:
            raise LabelError(f"{_capital(what)} are already open in this window: close them first.")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(self._file):
                raise LabelError(
                    f"{_capital(what)} are open in another window{_holder(self._file)}: close them "
                    "there first."
                )
            _write_holder(self._file)
        except BaseException:
            os.close(self._file)
            raise
        _held.add(self.path)

    @property
    def intact(self) -> bool:
        """Whether the locked file is still the one that others would find under its name."""
        try:
            there, here = self.path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()

    def close(self) -> None:
        """Give the lock back. A second call does nothing."""
        if self.path in _held:
            _held.discard(self.path)
            os.close(self._file)


def _lock(file: int) -> bool:
    """Lock an open file; False if somebody else holds it. True where there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, _BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network drives know no locks: better to work without one than not at all.
        return error.errno not in _TAKEN
    return True


def _write_holder(file: int) -> None:
    try:
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError:
        pass  # only for the sentence that another process would show


def _holder(file: int) -> str:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        text = os.read(file, 200).decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return f" ({text})" if text else ""


def _capital(what: str) -> str:
    return what[:1].upper() + what[1:]
