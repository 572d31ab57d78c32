"""The side of the engine that the window holds: start the process, send requests, hear events."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Mapping

from napari_vitface.engine.connection import Connection, Request
from napari_vitface.engine.jobs import JOBS
from napari_vitface.engine.messages import Submit
from napari_vitface.errors import EngineError
from napari_vitface.jobs.events import Cancelled, Event, Failed

#: Seconds that a cancelled job gets to end by itself, and those that it gets to put its files in
#: order once it says that it does.
PATIENCE = 2.0
_PATIENCE_CLOSING = 20.0


class Engine:
    """The engine process as seen from the window: no torch, no Qt, nothing that blocks.

    The process starts with the first request (or `start`) and is started again by the next request
    if it died. It ends with `close`, when this object is collected, or with the interpreter.

    Parameters
    ----------
    environment : mapping of str to str, optional
        Environment variables to set for the process on top of this process' own.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._slot = _Slot()
        self._closed = False
        self._warm: set[str] = set()
        # Also called at interpreter exit; it must not hold a reference to self.
        self._finalizer = weakref.finalize(self, _shut_down, self._slot)

    @property
    def pid(self) -> int | None:
        """Process id of the running engine process, None if there is none."""
        connection = self._slot.connection
        return connection.process.pid if connection is not None and connection.alive else None

    def start(self) -> None:
        """Start the process ahead of the first request, if none is running.

        Raises
        ------
        EngineError
            If the process cannot be started, or after `close`.
        """
        with self._lock:
            self._connect()

    def warm_up(self, job: str) -> None:
        """Start the process and have it import what a job needs, before it is asked for it.

        Parameters
        ----------
        job : {"predict", "train"}
            Others need no more than ``predict``.

        Raises
        ------
        EngineError
            If the process cannot be started, or after `close`.
        """
        with self._lock:
            connection = self._connect()
            if job not in self._warm:
                self._warm.add(job)
                connection.warm_up(job)

    def submit(
        self,
        job: str,
        arguments: Mapping[str, object] | None = None,
        *,
        urgent: bool = False,
        replaces: str | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Request:
        """Give a job to the engine.

        Parameters
        ----------
        job : str
            A name in `napari_vitface.engine.jobs.JOBS`, or ``module:function`` of a generator
            function of events.
        arguments : mapping
            Keyword arguments of the job: plain data, arrays, paths, ranges and slices.
        urgent : bool
            Answer between two steps of the long job that is running, rather than after it.
        replaces : str, optional
            Cancel open requests that were given the same key: only the newest is wanted.
        on_event : callable
            Gets every event, in order, on the engine's reader thread. The last one is `Finished`,
            `Failed` or `Cancelled`; it comes exactly once, even if the process dies.

        Raises
        ------
        EngineError
            If the process cannot be started, or after `close`.
        TypeError
            If an argument cannot be sent.
        """
        JOBS.get(job)  # With a job of another package come the types of what it ends with.
        request = Request(next(self._numbers), job, urgent, on_event)
        request._cancel = self._cancel
        request._message = Submit(request.number, job, dict(arguments or {}), urgent, replaces)
        with self._lock:
            self._connect().submit(request)
        return request

    def close(self) -> None:
        """Cancel what is open and end the process; takes at most a few seconds.

        Listeners of open requests get `Cancelled`; after the return no listener is called.
        """
        with self._lock:
            self._closed = True
            connection, self._slot.connection = self._slot.connection, None
        if connection is not None:
            connection.close()
        self._finalizer.detach()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> Connection:
        if self._closed:
            raise EngineError("The engine was closed; open the ViT Face dock again to start it.")
        connection = self._slot.connection
        if connection is None or not connection.alive:
            connection = self._slot.connection = Connection(self._environment)
            # What else was asked for would keep the next request waiting.
            self._warm &= {"predict"}
            for job in self._warm:
                connection.warm_up(job)
        return connection

    def _cancel(self, request: Request) -> None:
        connection = self._slot.connection
        if connection is not None:
            connection.cancel(request.number)
            _later(PATIENCE, lambda: self._insist(request))

    def _insist(self, request: Request) -> None:
        """End a request that was cancelled and whose job does not answer."""
        if request.done:
            return
        if request._stage == "closing":
            _later(_PATIENCE_CLOSING, lambda: self._insist_on_closing(request))
            return
        self._end(request)

    def _insist_on_closing(self, request: Request) -> None:
        if not request.done:
            self._end(request)

    def _end(self, request: Request) -> None:
        with self._lock:
            connection = self._slot.connection
            if connection is None or self._closed:
                return
            # Only a job that was begun can be what blocks the process.
            blocks = request._stage and not connection.works_on_another(request)
            others = connection.abandon() if blocks else []
        connection.deliver(request.number, Cancelled(request.job))
        request._deliver(Cancelled(request.job))
        for other in others:
            if other is request:
                continue
            other._stage = ""
            try:
                with self._lock:
                    self._connect().submit(other)
            except EngineError as error:
                other._deliver(Failed(other.job, str(error)))


class _Slot:
    """Holds the connection where the finalizer finds it without holding the `Engine`."""

    connection: Connection | None = None


def _later(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def _shut_down(slot: _Slot) -> None:
    if slot.connection is not None:
        # The listeners' widgets may be half destroyed by now: call none.
        slot.connection.close(silent=True)
