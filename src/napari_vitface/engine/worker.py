"""The engine process: reads requests from its standard input, steps jobs, writes their events.

It ends when its input ends, which happens when the process that started it closes the pipe or
dies. Its standard output carries messages only: what libraries print goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pkgutil import resolve_name
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from napari_vitface.engine.jobs import JOBS
from napari_vitface.engine.messages import (
    Cancel,
    Close,
    Ready,
    Stage,
    Submit,
    Told,
    WarmUp,
)
from napari_vitface.engine.scheduler import Scheduler
from napari_vitface.engine.wire import WireError, read_message, write_message
from napari_vitface.errors import EngineError
from napari_vitface.jobs.events import Event, Preparing
from napari_vitface.jobs.failure import describe_failure
from napari_vitface.jobs.resources import Resources
from napari_vitface.record import Record

#: What the first of such jobs needs, so that it is there before somebody asks for one.
_NEEDED = {
    "predict": (
        "napari_vitface.model.predictor",
        "napari_vitface.video",
        "napari_vitface.jobs.frame_batches",
        "napari_vitface.jobs.recorder",
        "napari_vitface.jobs.predict",
    ),
    "train": (
        # PyTorch's optimisers import its compiler when the first is made, for seconds.
        "torch._dynamo",
        "napari_vitface.training.fit",
        "napari_vitface.jobs.training.train",
        "napari_vitface.jobs.training.training_loop",
        "napari_vitface.jobs.report",
    ),
}

#: Seconds that a job gets to put its files in order after the window is gone.
_GRACE = 10.0


def main(parent: int | None = None) -> int:
    """Serve requests until the input ends; `parent` is the process id to outlive no longer."""
    requests, answers = _claim_pipes()
    inbox: SimpleQueue[Record] = SimpleQueue()
    # Ctrl-C in the terminal reaches this process too. It must not cut a write in two: cancel.
    signal.signal(signal.SIGINT, lambda *_: inbox.put(Cancel()))
    threading.Thread(target=_read, args=(requests, inbox), daemon=True).start()
    if parent is not None and os.name == "posix":
        threading.Thread(target=_watch_parent, args=(parent, inbox), daemon=True).start()
    # The window being gone is noticed at the next event that cannot be sent.
    with contextlib.suppress(BrokenPipeError):
        _serve(inbox, answers)
    return 0


def start_job(job: str, arguments: Mapping[str, object], **context: Any) -> Iterator[Event]:
    """The generator of a job, by its name in `JOBS` or as ``module:function``.

    `context` holds what the process shares between jobs; a job gets the parts it has a parameter
    for.
    """
    place = JOBS[job].place if job in JOBS else job
    if ":" not in place:
        raise EngineError(f"The engine has no job {job!r}; it has: {', '.join(sorted(JOBS))}.")
    generator_function = resolve_name(place)
    accepted = inspect.signature(generator_function).parameters
    shared = {name: value for name, value in context.items() if name in accepted}
    return generator_function(**arguments, **shared)


def _started(job: str, arguments: Mapping[str, object], resources: Resources) -> Iterator[Event]:
    # Not before the first step: what a job is called with is imported with it.
    yield from start_job(job, arguments, resources=resources)


class Imports:
    """Imports what jobs need on a thread, so that the process answers meanwhile."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._wanted: list[str] = []

    def want(self, job: str) -> None:
        """Have what a job needs imported at the next `begin`."""
        self._wanted += _NEEDED.get(job, ())

    def begin(self) -> None:
        """Begin with what is wanted. No job may be under way, which imports on its own."""
        if self._wanted:
            arguments = tuple(self._wanted), self._thread
            self._thread = threading.Thread(target=self._import, args=arguments, daemon=True)
            self._thread.start()
            self._wanted.clear()

    def waited_for(self, job: Iterator[Event]) -> Iterator[Event]:
        """The job, begun when the imports are done: two threads must not import the same."""
        while self._thread is not None and self._thread.is_alive():
            yield Preparing("Importing PyTorch")
            self._thread.join(0.1)
        yield from job

    def _import(self, modules: Iterable[str], before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        # Whatever fails here fails again in a job, which tells it.
        with contextlib.suppress(Exception):
            for name in modules:
                importlib.import_module(name)


def _serve(inbox: SimpleQueue[Record], answers: BinaryIO) -> None:
    resources = Resources()
    imports = Imports()

    def start(job: str, arguments: Mapping[str, object]) -> Iterator[Event]:
        if job in JOBS and not JOBS[job].needs_torch:
            return start_job(job, arguments, resources=resources)
        return imports.waited_for(_started(job, arguments, resources))

    def emit(number: int, event: Event) -> None:
        try:
            write_message(answers, Told(number, event))
        except (TypeError, ValueError, RecursionError) as error:
            # Nothing of it was sent. The request must end all the same, and this process not.
            failed = describe_failure(type(event).__name__, error)
            write_message(answers, Told(number, failed))

    def tell(number: int, stage: str) -> None:
        write_message(answers, Stage(number, stage))

    scheduler = Scheduler(start, emit, tell)
    write_message(answers, Ready())
    while True:
        while True:
            if scheduler.idle:
                imports.begin()
            try:
                message = inbox.get(block=scheduler.idle)
            except Empty:
                break
            match message:
                case Submit(number, job, arguments, urgent, replaces):
                    scheduler.submit(number, job, arguments, urgent=urgent, replaces=replaces)
                case Cancel(None):
                    scheduler.cancel_all()
                case Cancel(int(number)):
                    scheduler.cancel(number)
                case WarmUp(job):
                    imports.want(job)
                case Close():
                    threading.Thread(target=_exit_after_grace, daemon=True).start()
                    scheduler.cancel_all()
                    resources.close()
                    return
        scheduler.step()


def _read(requests: BinaryIO, inbox: SimpleQueue[Record]) -> None:
    try:
        while True:
            inbox.put(read_message(requests))
    except (EOFError, OSError, WireError):
        inbox.put(Close())
        # The main thread may be inside a step that takes for ever.
        _exit_after_grace()


def _watch_parent(parent: int, inbox: SimpleQueue[Record]) -> None:
    # A process that the parent forked may hold the pipe open after the parent's death.
    while os.getppid() == parent:
        time.sleep(1.0)
    inbox.put(Close())
    _exit_after_grace()


def _exit_after_grace() -> None:
    time.sleep(_GRACE)
    os._exit(1)


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for messages and point everyone else elsewhere."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers
