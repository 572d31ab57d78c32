"""One engine process, its pipes, and the requests that are open in it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from napari_vitface.engine.messages import Cancel, Ready, Stage, Submit, Told, WarmUp
from napari_vitface.engine.wire import WireError, encode_message, read_message
from napari_vitface.errors import EngineError
from napari_vitface.jobs.events import Cancelled, Event, Failed, Finished

_log = logging.getLogger(__name__)
_TAIL_LINES = 60


class Request:
    """One job that was given to the engine.

    Attributes
    ----------
    number : int
        Unique in its `Engine`.
    job : str
    outcome : Finished, Failed, Cancelled or None
        The last event; None while the request is open.
    """

    def __init__(
        self, number: int, job: str, urgent: bool, on_event: Callable[[Event], None] | None
    ) -> None:
        self.number = number
        self.job = job
        self.outcome: Event | None = None
        self._urgent = urgent
        self._on_event = on_event
        self._over = threading.Event()
        #: What the engine said of it: "", "began" or "closing".
        self._stage = ""
        self._message: Submit | None = None
        self._cancel: Callable[[Request], None] | None = None

    def __repr__(self) -> str:
        state = "open" if self.outcome is None else type(self.outcome).__name__.lower()
        return f"Request({self.number}, {self.job!r}, {state})"

    @property
    def done(self) -> bool:
        """Whether the last event has been delivered."""
        return self._over.is_set()

    def cancel(self) -> None:
        """Ask for the job to stop at its next step; returns at once.

        `Cancelled` follows as the last event, or `Finished` if the job was quicker. A job that is
        inside a step that does not end is cancelled with the process: `Cancelled` comes within
        `client.PATIENCE` seconds, what the job has on disk stays, and other open requests begin
        anew in the next process. It stays alive if another long job is under way in it.
        """
        if self._cancel is not None and self.outcome is None:
            self._cancel(self)

    def wait(self, timeout: float | None = None) -> Event | None:
        """Block until the request is over and return its last event; None after `timeout` seconds.

        Not to be called from `on_event`, which would wait for itself.
        """
        self._over.wait(timeout)
        return self.outcome

    def _deliver(self, event: Event) -> None:
        if self.outcome is not None:
            return
        last = isinstance(event, Finished | Failed | Cancelled)
        if last:
            self.outcome = event
        try:
            if self._on_event is not None:
                self._on_event(event)
        except Exception:
            # A listener that fails (a widget that is gone) must not stop the other requests.
            _log.exception("a listener failed on %s of %s", type(event).__name__, self.job)
        if last:
            self._on_event = None
            self._over.set()


class Connection:
    """One engine process with the three threads that serve its pipes."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # -P: a file in the user's folder that is called like a module must not be imported.
        command = [sys.executable, "-P", "-m", "napari_vitface.engine", str(os.getpid())]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise EngineError(
                f"The engine process could not be started with {sys.executable}: {error.strerror}."
            ) from error
        self._open: dict[int, Request] = {}
        self._lock = threading.Lock()
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ready = False
        self._ended = False
        self._closing = False
        self._silent = False
        self._threads = [
            threading.Thread(target=target, name=f"vitface-engine-{name}", daemon=True)
            for name, target in (
                ("errors", self._read_errors),
                ("reader", self._read),
                ("writer", self._write),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return not self._ended and self.process.poll() is None

    def warm_up(self, job: str) -> None:
        self._outbox.put(encode_message(WarmUp(job)))

    def works_on_another(self, request: Request) -> bool:
        """Whether a long job beside `request` is under way."""
        with self._lock:
            return any(
                other._stage and not other._urgent
                for other in self._open.values()
                if other is not request
            )

    def abandon(self) -> list[Request]:
        """Kill the process, and return the requests that were open, without a word to them."""
        with self._lock:
            left = list(self._open.values())
            self._open.clear()
            self._ended = True
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        return left

    def submit(self, request: Request) -> None:
        data = encode_message(request._message)
        with self._lock:
            self._open[request.number] = request
            lost = self._ended
        if lost:
            # It died between the look at `alive` and now, after the reader failed the open ones.
            self._end_open_requests()
        else:
            self._outbox.put(data)

    def close(self, *, silent: bool = False) -> None:
        self._closing = True
        self._silent = silent
        self._outbox.put(None)
        deadline = time.monotonic() + 3.0
        for end in (None, self.process.terminate, self.process.kill):
            if end is not None:
                end()
                deadline = time.monotonic() + 1.0
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                continue
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2.0)
        self._silent = True

    def cancel(self, number: int) -> None:
        self._outbox.put(encode_message(Cancel(number)))

    def _write(self) -> None:
        assert self.process.stdin is not None
        try:
            while (data := self._outbox.get()) is not None:
                self.process.stdin.write(data)
                self.process.stdin.flush()
        except (OSError, ValueError):
            return  # The reader notices the death and tells.
        finally:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                match read_message(self.process.stdout):  # type: ignore[arg-type]
                    case Ready():
                        self._ready = True
                    case Told(number, event):
                        self.deliver(number, event)
                    case Stage(number, stage):
                        with self._lock:
                            request = self._open.get(number)
                        if request is not None:
                            request._stage = stage
        except (EOFError, OSError):
            pass
        except (WireError, ValueError) as error:
            self._tail.append(f"unreadable answer: {error}")
            self.process.kill()
        with self._lock:
            self._ended = True
        self._outbox.put(None)
        self._end_open_requests()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            self._tail.append(text)
            _log.debug("engine: %s", text)

    def deliver(self, number: int, event: Event) -> None:
        with self._lock:
            if isinstance(event, Finished | Failed | Cancelled):
                request = self._open.pop(number, None)
            else:
                request = self._open.get(number)
        if request is not None and not self._silent:
            request._deliver(event)

    def _end_open_requests(self) -> None:
        with self._lock:
            open_requests = list(self._open.values())
            self._open.clear()
        if not open_requests and not self._closing:
            _log.info("the engine process ended")
        reason, detail, unexpected = "", "", False
        if open_requests and not self._closing:
            reason, unexpected = self._cause_of_death()
            self._threads[0].join(1.0)
            detail = "\n".join(self._tail)
        for request in open_requests:
            event: Event = Cancelled(request.job, "The engine was closed.")
            if not self._closing:
                event = Failed(request.job, reason, detail, unexpected=unexpected)
            if self._silent:
                request._on_event = None
            request._deliver(event)

    def _cause_of_death(self) -> tuple[str, bool]:
        """A sentence, and whether it is to be reported: not where memory ran out."""
        unexpected = True
        try:
            code = self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if not self._ready:
            self._threads[0].join(1.0)
            last = next((line for line in reversed(self._tail) if line.strip()), "no message")
            return f"The engine process could not start: {last}", unexpected
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            how = f"was killed ({name})"
            if name == "SIGKILL":
                unexpected = False
                how += ", as the system does when memory runs out"
        else:
            how = f"ended unexpectedly (exit status {code})"
        return (
            f"The engine process {how}; the window, the video and what was written so far are "
            "kept, and the next run starts a new process.",
            unexpected,
        )
