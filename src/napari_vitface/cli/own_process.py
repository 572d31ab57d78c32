"""A command in a process of its own, which outlives who started it and is found again.

A folder holds what it was given (``command.json``), the lines that it tells with ``--json``
(``events.jsonl``) and what it prints besides (``log.txt``).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

from napari_vitface.atomic import atomic_write
from napari_vitface.lock import lock_open_file

#: What is started in the background of a script ignores Ctrl-C, and so would all that it starts.
_CAN_BE_STOPPED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
#: The arguments stand in the file: command lines may be too short for a thousand videos.
_PROGRAM = (
    "import json, sys; from napari_vitface.cli import main; "
    "sys.exit(main(json.load(open(sys.argv[1], encoding='utf-8'))['arguments']))"
)
#: Of Windows, where it would end with the console.
_APART: int = getattr(subprocess, "DETACHED_PROCESS", 0)


class Begun(TypedDict, total=False):
    """What was begun: the arguments of the command, and what who began it keeps beside them."""

    arguments: list[str]
    job: str
    model: str


class News(TypedDict, total=False):
    """A line that a job tells: the name of the event, and those of its fields that are read."""

    event: str
    message: str
    done: int
    total: int
    seconds_left: float | None
    video: str
    result: Mapping[str, Any]
    workers: list[Mapping[str, Any]]
    dashboard: str | None


class CommandRun:
    """A run of a command, by its folder, which need not be there.

    Attributes
    ----------
    log : Path
        What the process printed on standard error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self._command = folder / "command.json"
        self._events = folder / "events.jsonl"
        self._read = 0

    @property
    def begun(self) -> bool:
        """Whether there is something to follow, at work or ended."""
        return self._events.exists()

    @property
    def alive(self) -> bool:
        """Whether the process is at work."""
        if os.name != "posix":
            # A file that another process writes cannot be renamed there.
            try:
                self._events.rename(self._events)
            except FileNotFoundError:
                return False
            except OSError:
                return True
            return False
        try:
            file = os.open(self._events, os.O_RDWR)
        except OSError:
            return False
        try:
            return not lock_open_file(file)
        finally:
            os.close(file)

    @property
    def about(self) -> Begun:
        """What `start` was given; empty if nothing was begun."""
        try:
            return cast(Begun, dict(json.loads(self._command.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            return {}

    def start(self, arguments: Sequence[str], about: Begun | None = None) -> None:
        """Start ``napari-vitface ARGUMENTS``; ``--json`` has to be among them.

        Parameters
        ----------
        about : Begun, optional
            To be found in `about` again.

        Raises
        ------
        OSError
            The folder cannot be written to, or the process not started.
        """
        self.forget()
        self.folder.mkdir(parents=True)
        with atomic_write(self._command) as temporary:
            content = {**(about or {}), "arguments": list(arguments)}
            temporary.write_text(json.dumps(content), encoding="utf-8")
        with self._events.open("wb") as events, self.log.open("wb") as log:
            # The lock is that of the open file, which the process has too, and keeps.
            lock_open_file(events.fileno())
            process = subprocess.Popen(
                [sys.executable, "-c", _CAN_BE_STOPPED + _PROGRAM, str(self._command)],
                stdin=subprocess.DEVNULL,
                stdout=events,
                stderr=log,
                start_new_session=True,
                creationflags=_APART,
            )
        (self.folder / "process").write_text(str(process.pid), encoding="ascii")
        self._process = process  # or Python complains that nobody waits for it

    def news(self) -> list[News]:
        """The events that came since the last time; all at the first."""
        try:
            with self._events.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return []
        self._read += len(whole) + len(newline)
        found = []
        for line in whole.splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [cast(News, event) for event in found if isinstance(event, dict)]

    def stop(self) -> None:
        """Have the command end as with Ctrl-C; what is done is kept."""
        if self.alive:
            with suppress(OSError, ValueError):
                number = int((self.folder / "process").read_text(encoding="ascii"))
                os.kill(number, signal.SIGINT if os.name == "posix" else signal.SIGTERM)

    def over(self) -> None:
        """There is nothing to follow any more; the log stays."""
        self._events.unlink(missing_ok=True)
        self._read = 0

    def forget(self) -> None:
        """Delete the folder."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        self._read = 0
