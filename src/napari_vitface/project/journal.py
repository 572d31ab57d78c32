"""The journal: every edit of one video's labels since the last save, on disk before it counts.

One line of JSON an entry, ``{"crc": "<crc32 of the rest>", "line": {"n": 1, ...}}``. The first line
is the header, number 0. What a line looks like decides what it is worth:

* whole, with the right checksum and the next number: it counts;
* torn, at the end of the file: the process died while writing it, so nobody was told that it
  counts, and it is dropped;
* torn or whole, followed by a line with the same number: writing it failed (full disk), the user
  was told so, and the later entry took its place;
* torn, followed by a higher number, or with the end of its line: the disk damaged an entry that
  counted. That is told, and a copy of the file is kept.

An entry counts when it is written and flushed (`os.fsync`). If that fails it does not: what may
have been written of it is cut off, at once or, if the drive is gone, before the next one; and where
the file is gone or changed (a network drive that came back) all entries are written anew.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.history import Line
from napari_vitface.lock import FileLock
from napari_vitface.project.project_lock import lock_labels

VERSION = 1


@dataclass(frozen=True)
class JournalContent:
    """What a journal on disk holds.

    Attributes
    ----------
    header : dict
        The first line; empty if there is no journal.
    entries : list of dict
        The entries that count, in order, without their numbers.
    problems : tuple of str
        Sentences about entries that are damaged.
    """

    header: Line
    entries: list[Line]
    problems: tuple[str, ...]


class Journal:
    """The journal of one video's labels, open in this process alone.

    Parameters
    ----------
    path : Path
        ``<project>/vitface/journal/<video>.jsonl``. The project's folder must be there; those
        below are made. Where they cannot be, the journal can be read and every entry is refused.
    what : str
        What it is about, for sentences: "the labels of mouse1".

    Raises
    ------
    LabelError
        If another process has it open, or it is of a newer version.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.refused = ""
        self.is_open = True
        self._what = what
        self._file: int | None = None
        self._lock: FileLock | None = None
        try:
            self._take_lock()
        except OSError as error:
            self.refused = (
                f"{path.parent} cannot be written to ({error.strerror or error}), so {what} cannot "
                "be edited: make it writable or copy the project, and open it again."
            )
        try:
            self.content = read_journal(path)
        except BaseException:
            self.close()
            raise
        self._header = self.content.header
        self._names = self._header.get("keypoints")
        for entry in self.content.entries:
            self._names = entry.get("keypoints", self._names)
        self._entries = [
            _encode({"n": n, **entry}) for n, entry in enumerate(self.content.entries, start=1)
        ]

    def append(self, entry: Line, refusal: str = "The edit was not made") -> None:
        """Add an entry and return when it is on the disk.

        Parameters
        ----------
        entry : dict
            Plain JSON data.
        refusal : str
            How the sentence begins if it cannot be written.

        Raises
        ------
        LabelError
            If it cannot be written. Then it does not count, and what counted before still does.
        """
        if self.refused or not self.is_open:
            raise LabelError(
                self.refused or f"{self._what[:1].upper()}{self._what[1:]} are closed."
            )
        text = _encode({"n": len(self._entries) + 1, **entry})
        try:
            file = self._writable()
            _write_all(file, text)
            os.fsync(file)
        except OSError as error:
            if self._file is not None:
                # Refused means refused, even if this process dies next.
                with suppress(OSError):
                    os.ftruncate(self._file, self._size)
            self._close_file()
            raise LabelError(
                f"{refusal}, because {self.path} cannot be written to "
                f"({error.strerror or error}); everything before it is kept."
            ) from error
        self._entries.append(text)
        self._size += len(text)
        self._names = entry.get("keypoints", self._names)

    def restart(self, header: Line) -> None:
        """Begin anew, after all entries are saved elsewhere.

        Raises
        ------
        LabelError
            If the file cannot be written; the old entries stay then.
        """
        if self.refused:
            raise LabelError(self.refused)
        self._close_file()
        if not self._entries and not self.path.exists():
            self._header = {}
            self.begin(header)
            return
        header = {"vitface_journal": VERSION, **header}
        try:
            self._hold_lock()
            self._write(header, [])
        except OSError as error:
            raise LabelError(
                f"{self.path} cannot be written ({error.strerror or error})."
            ) from error
        self._header, self._entries = header, []
        self._names = header.get("keypoints")

    def begin(self, header: Line) -> None:
        """Give the header that the file gets when the first entry makes it."""
        if not self._header:
            self._header = {"vitface_journal": VERSION, **header}

    def note_keypoints(self, names: Sequence[str]) -> None:
        """Say what the keypoints are called from here on; `LabelError` as from `append`."""
        names = list(names)
        if not self._entries and not self.path.exists():
            self._header = {**self._header, "keypoints": names}
            self._names = names
        elif self._names != names:
            self.append({"keypoints": names})

    def remove(self) -> None:
        """Leave no file behind; for a journal that says nothing."""
        self._close_file()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the lock back; the entries stay on disk."""
        self.is_open = False
        self._close_file()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- the file ---------------------------------------------------------------------------------

    def _writable(self) -> int:
        """The file, open at its end, which is the end of the last entry that counts."""
        if self._file is not None and self._is_in_place(self._file):
            return self._file
        self._close_file()
        self._hold_lock()
        expected = _encode({"n": 0, **self._header}) + b"".join(self._entries)
        self._size = len(expected)
        if self.content.problems:
            self._keep_damaged()
        if not self._begins_with(expected):
            self._write(self._header, self._entries)
        file = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            # What is behind the last entry belongs to one that could not be written.
            os.ftruncate(file, self._size)
            os.lseek(file, self._size, os.SEEK_SET)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return file

    def _is_in_place(self, file: int) -> bool:
        """Whether the open file is the one under the journal's name, and as long as it should be.

        An entry written to a file that somebody removed would be lost with the process.
        """
        try:
            there, here = self.path.stat(), os.fstat(file)
        except OSError:
            return False
        same = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
        return same and here.st_size == self._size

    def _begins_with(self, expected: bytes) -> bool:
        try:
            with self.path.open("rb") as file:
                if file.read(len(expected)) == expected:
                    return True
        except FileNotFoundError:
            pass
        return False

    def _keep_damaged(self) -> None:
        """Damaged entries are not written again, but somebody may want to look at them."""
        copy = self.path.with_suffix(".damaged")
        if self.path.exists() and not copy.exists():
            copy.write_bytes(self.path.read_bytes())

    def _write(self, header: Line, entries: list[bytes]) -> None:
        with atomic_write(self.path) as temporary:
            temporary.write_bytes(_encode({"n": 0, **header}) + b"".join(entries))

    def _close_file(self) -> None:
        if self._file is not None:
            # On a drive that has gone, closing fails too.
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _hold_lock(self) -> None:
        if self._lock is None or not self._lock.intact:
            self._take_lock()

    def _take_lock(self) -> None:
        # Not the project: on a drive that has gone, it would be made on another one.
        folders = [self.path.parent, *self.path.parent.parents]
        own = next((i for i, folder in enumerate(folders) if folder.name == "vitface"), 1)
        for folder in reversed(folders[: own + 1]):
            folder.mkdir(exist_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._lock = lock_labels(self.path.with_suffix(".lock"), self._what)


def read_journal(path: Path) -> JournalContent:
    """What a journal holds; empty if there is none.

    Raises
    ------
    LabelError
        If it cannot be read or is of a newer version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return JournalContent({}, [], ())
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror or error}).") from error
    numbered: dict[int, Line] = {}
    *ended, torn = content.split(b"\n")
    unread = 0
    for text in [*ended, torn]:
        line = _decode(text, most=len(content))
        if line is not None:
            # A later line takes the place of one that was refused.
            numbered[line.pop("n")] = line
            unread = 0
        elif text.strip() and text is not torn:
            unread += 1
    header = numbered.pop(0, {})
    version = header.get("vitface_journal", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise LabelError(
            f"{path} was written by a newer version of napari-vitface: update, then open it again."
        )
    problems = []
    missing = max(numbered, default=0) - len(numbered) + unread
    if missing or (content.strip() and not header):
        problems.append(
            f"{path} is damaged: {missing or 'some'} of its edits could not be read and "
            f"{len(numbered)} were. Look through the labels that were changed last."
        )
    return JournalContent(header, [numbered[n] for n in sorted(numbered)], tuple(problems))


def _encode(line: Line) -> bytes:
    text = json.dumps(line, allow_nan=False, separators=(",", ":"))
    crc = zlib.crc32(text.encode("utf-8"))
    return f'{{"crc":"{crc:08x}","line":{text}}}\n'.encode()


_START = len('{"crc":"00000000","line":')


def _decode(text: bytes, most: int) -> Line | None:
    """The entry in a line, its number at most `most`; None if it is empty, torn or damaged."""
    body = text[_START:-1]
    if text[:_START] != f'{{"crc":"{zlib.crc32(body):08x}","line":'.encode() or text[-1:] != b"}":
        return None
    try:
        line = json.loads(body, parse_constant=_refuse)
    except (RecursionError, ValueError):
        return None
    match line:
        # A file of a kilobyte does not hold the edit number 10^8.
        case {"n": n} if type(n) is int and 0 <= n <= most and (n > 0 or _is_header(line)):
            return line
    return None


def _is_header(line: Line) -> bool:
    texts = [line.get("video", ""), line.get("scorer", ""), *list_of(line.get("keypoints", []))]
    operations = list_of(line.get("operations", []))
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(operation, dict) for operation in operations
    )


def list_of(value: Any) -> list[Any]:
    """`value`, or a list of nothing that is allowed."""
    return value if isinstance(value, list) else [None]


def no_edit(journal: Path, what: str, error: Exception) -> LabelError:
    """What is told of an entry that cannot be carried out on the "labels" or "events"."""
    return LabelError(
        f"{journal} holds an edit that is none ({error}): move it away to open the {what} without "
        "its edits."
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
