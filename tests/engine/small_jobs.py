"""Jobs for the engine's tests; the engine process imports this module by name."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_vitface.errors import VideoError
from napari_vitface.jobs.events import Event, Finished, PosesPredicted, Progress, Result, Started


@dataclass(frozen=True)
class Counted(Result):
    steps: int


@dataclass(frozen=True)
class Echo(Result):
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Heard(Result):
    input: str


@dataclass(frozen=True)
class Process(Result):
    pid: int
    torch: bool


@dataclass(frozen=True)
class Imported(Result):
    names: tuple[str, ...]


def imported(names: list[str]) -> Iterator[Event]:
    """Which of these modules the process has imported."""
    yield Finished("imported", Imported(tuple(name for name in names if name in sys.modules)))


def count(steps: int = 3, seconds: float = 0.0, closed: str | None = None) -> Iterator[Event]:
    """Count, resting `seconds` at each step; writes the file `closed` when it is cancelled."""
    try:
        yield Started("count", steps)
        for i in range(steps):
            time.sleep(seconds)
            yield Progress(i + 1, steps)
    except GeneratorExit:
        if closed:
            Path(closed).write_text("closed")
        raise
    yield Finished("count", Counted(steps))


def one_step(seconds: float) -> Iterator[Event]:
    """Rest for `seconds` without giving the engine a chance to look up."""
    time.sleep(seconds)
    yield Finished("one_step")


def echo(**arguments: object) -> Iterator[Event]:
    yield Finished("echo", Echo(dict(arguments)))


def poses(frames: int, keypoints: int) -> Iterator[Event]:
    xy = np.random.default_rng(0).normal(size=(frames, keypoints, 2)).astype(np.float32)
    xy[0, 0] = np.nan
    yield PosesPredicted(np.arange(frames), xy, np.zeros((frames, keypoints), np.float32))
    yield Finished("poses")


def shout() -> Iterator[Event]:
    """Print in all the ways in which libraries print."""
    print("from print")
    sys.__stdout__.write("from the first stdout\n")
    sys.__stdout__.flush()
    os.write(1, b"from file descriptor 1\n")
    if os.name == "posix":
        ctypes.CDLL(None).puts(b"from C")
        ctypes.CDLL(None).fflush(None)
    yield Finished("shout", Heard(sys.stdin.read()))


def bad_video() -> Iterator[Event]:
    raise VideoError("mouse.mp4 is cut off at frame 12; record it again.")
    yield


def bug() -> Iterator[Event]:
    yield Started("bug", 1)
    raise ZeroDivisionError("one over nothing")


def out_of_memory() -> Iterator[Event]:
    yield Started("out_of_memory", 1)
    np.empty(1 << 62, dtype=np.uint8)


def leave() -> Iterator[Event]:
    yield Started("leave", 1)
    print("about to leave", file=sys.stderr, flush=True)
    os._exit(3)


def no_result() -> Iterator[Event]:
    yield Started("no_result", 1)


def pid() -> Iterator[Event]:
    yield Finished("pid", Process(os.getpid(), "torch" in sys.modules))


def stuck(how: str, mark: str) -> Iterator[Event]:
    """Never come back from a step, whoever asks; the file `mark` says that it began."""
    yield Started("stuck", 1)
    Path(mark).touch()
    if how == "sleeps":
        time.sleep(600)
    # A library that keeps the interpreter's lock: no other thread of the process runs.
    ctypes.PyDLL(None).sleep(600)
    yield Finished("stuck")


def slow_predict(resources: Any = None, **arguments: Any) -> Iterator[Event]:
    """The real prediction with a rest after each batch: it takes long and computes little."""
    from napari_vitface.jobs.predict import predict

    with closing(predict(**arguments, resources=resources)) as job:  # type: ignore[type-var]
        for event in job:
            yield event
            if isinstance(event, PosesPredicted):
                time.sleep(0.02)


def tidy(closed: str, seconds: float) -> Iterator[Event]:
    """Answer at once, and take `seconds` to put the files in order."""
    try:
        for i in range(10_000):
            time.sleep(0.01)
            yield Progress(i, 10_000)
    except GeneratorExit:
        time.sleep(seconds)
        Path(closed).write_text("closed")
        raise
