"""One process at a time: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

# Files locked by this process: some systems would let a process lock the same file twice.
_held: set[Path] = set()

#: What systems say when another process holds the lock, as opposed to having no locks at all.
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
#: Byte that is locked on Windows, whose locks keep readers out too: far behind any file's end.
_BYTE = 1 << 40


class Taken(Exception):
    """The lock is held: by another window of this process (`here`), or by another process.

    Attributes
    ----------
    here : bool
    holder : str
        `` (process 12 on desk)``, or nothing where the holder has not told.
    """

    def __init__(self, here: bool, holder: str = "") -> None:
        super().__init__("here" if here else holder)
        self.here = here
        self.holder = holder


class FileLock:
    """An advisory lock on a file of its own, held until `close` or the end of the process.

    The file is never removed: taking away a file that another process is just locking would let
    two processes in.

    Parameters
    ----------
    path : Path
        Made if it is not there; its folder must be.

    Raises
    ------
    Taken
        If another window or process holds it.
    OSError
        If the file cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._file: int | None = None
        if self.path in _held:
            raise Taken(here=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not lock_open_file(file):
                raise Taken(here=False, holder=_holder(file))
            _write_holder(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        _held.add(self.path)

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def intact(self) -> bool:
        """Whether the locked file is still the one that others would find under its name."""
        if self._file is None:
            return False
        try:
            there, here = self.path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # not where the path could not be resolved
            self.close()

    def close(self) -> None:
        """Give the lock back. A second call does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            _held.discard(self.path)
            os.close(file)


def lock_open_file(file: int) -> bool:
    """Lock an open file until it is closed; False if somebody else holds it.

    True where there are no locks.
    """
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


def allow_open_files(count: int) -> None:
    """Have this process hold so many more files open at a time, as far as the system lets it."""
    if sys.platform == "win32":
        return
    import resource

    # What else a process has open is far less.
    wanted = count + 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


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
