"""Writing files that matter: under a temporary name in the same folder, flushed, then renamed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Bytes that stay free on a disk: what HDF5 writes late, and other programs.
_SPARE = 1 << 20


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error.

    The temporary file keeps the suffix of `path` (writers choose their format by it), stands in
    the same folder (a rename is atomic only within one file system) and is removed if the block
    raises, so that `path` holds either what it held before or all of the new content. A file that
    is replaced passes its permissions on; a link is followed, not replaced.
    """
    target = Path(path).resolve()
    mark = f"{os.getpid() % (1 << 24):06x}{secrets.token_hex(4)}"
    temporary = target.with_name(_name_start(target) + mark + target.suffix)
    # Made here and not by the writer, so that a folder that cannot be written to is seen at once.
    with temporary.open("xb"):
        pass
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def require_room(path: Path, size: int) -> None:
    """Raise `OSError` if `size` bytes and some to spare do not fit on the disk of a file.

    HDF5 cannot be left to find that out: when it closes a file that it cannot flush, it crashes
    the process (seen with HDF5 2.0).
    """
    if shutil.disk_usage(path.parent).free < size + _SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def leftovers(path: str | os.PathLike[str]) -> list[Path]:
    """Temporary files for `path` of processes that were killed, or that are writing it now."""
    target = Path(path).resolve()
    start = _name_start(target)
    # Older versions did not begin with the number of the process.
    pattern = re.compile(re.escape(start) + "([0-9a-f]{6})?[0-9a-f]{8}" + re.escape(target.suffix))
    return [other for other in target.parent.iterdir() if pattern.fullmatch(other.name)]


def remove_leftovers(*folders: Path) -> None:
    """Delete what processes of this computer left in folders that died while they wrote there.

    Temporary files say which process writes them. Nothing is raised: it is tidying up.
    """
    for folder in folders:
        with suppress(OSError):
            for other in folder.iterdir():
                found = _TEMPORARY.fullmatch(other.name)
                if found and not _is_alive(int(found["process"], 16)):
                    with suppress(OSError):
                        other.unlink()


_TEMPORARY = re.compile(r"\..+\.(?P<process>[0-9a-f]{6})[0-9a-f]{8}(\.[^.]*)?")


def _is_alive(process: int) -> bool:
    if process == os.getpid() % (1 << 24):
        return True
    if os.name != "posix":
        # No process can be asked there without harm, but a file that is open cannot be deleted.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _name_start(target: Path) -> str:
    # Short enough that the whole stays below the 255 bytes that file systems allow, and different
    # for names that begin alike: the temporary file of another video's table is not a leftover.
    name = target.stem
    if len(name) > 40:
        name = f"{name[:40]}.{zlib.crc32(os.fsencode(target.name)):08x}"
    return f".{name}."


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk too; where a system or network drive cannot, go on."""
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
