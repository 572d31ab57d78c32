"""Which job takes the next step: long jobs one after the other, urgent requests in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Cancelled, Event, Failed, Finished
from napari_vitface.jobs.failure import describe_failure

Start = Callable[[str, Mapping[str, object]], Iterator[Event]]


@dataclass
class _Entry:
    number: int
    job: str
    arguments: Mapping[str, object]
    urgent: bool
    key: str | None
    generator: Iterator[Event] | None = None


class Scheduler:
    """Steps the generators of open requests, one step at a time, in one thread.

    Long jobs run in the order in which they came, one at a time. An urgent request runs to its end
    as soon as the step in progress is over. Between two urgent requests the long job gets one
    step, so that dragging a slider slows a run down but never stops it.

    Parameters
    ----------
    start : callable
        Makes the generator of a job from its name and arguments.
    emit : callable
        Gets (request number, event); the last event of each request is `Finished`, `Failed` or
        `Cancelled`.
    tell : callable, optional
        Gets (request number, "began" or "closing") before a job is stepped for the first time, and
        before one that was begun is closed.
    """

    def __init__(
        self,
        start: Start,
        emit: Callable[[int, Event], None],
        tell: Callable[[int, str], None] = lambda number, stage: None,
    ) -> None:
        self._start = start
        self._emit = emit
        self._tell = tell
        self._urgent: list[_Entry] = []
        self._long: list[_Entry] = []
        self._long_is_due = False

    @property
    def idle(self) -> bool:
        """Nothing is waiting and nothing is running."""
        return not self._urgent and not self._long

    def submit(
        self,
        number: int,
        job: str,
        arguments: Mapping[str, object],
        *,
        urgent: bool = False,
        replaces: str | None = None,
    ) -> None:
        """Queue a request; open requests with the same `replaces` key are cancelled."""
        if replaces is not None:
            for entry in self._entries():
                if entry.key == replaces:
                    self._cancel(entry, "A newer request took its place.")
        entry = _Entry(number, job, arguments, urgent, replaces)
        (self._urgent if urgent else self._long).append(entry)

    def cancel(self, number: int) -> None:
        """Close the generator of a request; nothing happens if it is over already."""
        for entry in self._entries():
            if entry.number == number:
                self._cancel(entry)

    def cancel_all(self) -> None:
        """Cancel every open request."""
        for entry in self._entries():
            self._cancel(entry)

    def step(self) -> None:
        """Take one step of the request whose turn it is."""
        if self._urgent and not (self._long and self._long_is_due):
            self._advance(self._urgent[0])
        elif self._long:
            self._long_is_due = False
            self._advance(self._long[0])

    def _entries(self) -> list[_Entry]:
        return [*self._urgent, *self._long]

    def _advance(self, entry: _Entry) -> None:
        event: Event
        try:
            if entry.generator is None:
                self._tell(entry.number, "began")
                entry.generator = self._start(entry.job, entry.arguments)
            event = next(entry.generator)
            if isinstance(event, Finished):
                # Close first: whoever hears that the job is done may use its files at once.
                _close(entry)
        except StopIteration:
            said = f"The job {entry.job} ended without a result."
            event = Failed(entry.job, said, unexpected=True)
        except (Exception, SystemExit) as error:
            event = describe_failure(entry.job, error)
        if isinstance(event, Finished | Failed):
            self._remove(entry)
        self._emit(entry.number, event)

    def _cancel(self, entry: _Entry, message: str = "") -> None:
        self._remove(entry)
        event: Event = Cancelled(entry.job, message)
        if entry.generator is not None:
            self._tell(entry.number, "closing")
        try:
            _close(entry)
        except (Exception, SystemExit) as error:
            event = describe_failure(entry.job, error)
        self._emit(entry.number, event)

    def _remove(self, entry: _Entry) -> None:
        if entry.urgent:
            self._urgent.remove(entry)
            self._long_is_due = True
        else:
            self._long.remove(entry)


def _close(entry: _Entry) -> None:
    close = getattr(entry.generator, "close", None)
    if close is not None:
        close()
