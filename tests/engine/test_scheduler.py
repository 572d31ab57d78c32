from __future__ import annotations

from collections.abc import Iterator

from napari_vitface.engine.scheduler import Scheduler
from napari_vitface.jobs.events import Cancelled, Event, Failed, Finished, Progress


class Log:
    """A scheduler with jobs that count to `steps`, and the list of what they said."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Event]] = []
        self.closed: list[str] = []
        self.scheduler = Scheduler(
            self.start, lambda number, event: self.said.append((number, event))
        )

    def start(self, job: str, arguments: dict) -> Iterator[Event]:
        try:
            for i in range(arguments["steps"]):
                yield Progress(i + 1, arguments["steps"])
            yield Finished(job)
        finally:
            self.closed.append(job)

    def run(self, steps: int = 1000) -> None:
        while not self.scheduler.idle and steps:
            self.scheduler.step()
            steps -= 1

    def numbers(self) -> list[int]:
        return [number for number, _ in self.said]

    def last(self, number: int) -> Event:
        return [event for n, event in self.said if n == number][-1]


def test_long_jobs_run_one_after_the_other():
    log = Log()
    log.scheduler.submit(1, "a", {"steps": 2})
    log.scheduler.submit(2, "b", {"steps": 2})
    log.run()
    assert log.numbers() == [1, 1, 1, 2, 2, 2]
    assert log.closed == ["a", "b"]


def test_an_urgent_request_is_answered_between_two_steps_of_a_long_job():
    log = Log()
    log.scheduler.submit(1, "long", {"steps": 5})
    log.run(steps=2)
    log.scheduler.submit(2, "urgent", {"steps": 1}, urgent=True)
    log.run()
    assert log.numbers() == [1, 1, 2, 2, 1, 1, 1, 1]


def test_a_stream_of_urgent_requests_does_not_stop_the_long_job():
    log = Log()
    log.scheduler.submit(1, "long", {"steps": 9})
    for number in range(2, 6):
        log.scheduler.submit(number, "urgent", {"steps": 0}, urgent=True)
    log.run(steps=8)
    assert log.numbers() == [2, 1, 3, 1, 4, 1, 5, 1]


def test_a_newer_request_with_the_same_key_replaces_the_older_ones():
    log = Log()
    log.scheduler.submit(1, "long", {"steps": 1})
    for number in (2, 3, 4):
        log.scheduler.submit(number, "map", {"steps": 0}, urgent=True, replaces="slider")
    log.scheduler.submit(5, "other", {"steps": 0}, urgent=True, replaces="else")
    log.run()
    assert [type(log.last(number)) for number in (2, 3)] == [Cancelled, Cancelled]
    assert [type(log.last(number)) for number in (1, 4, 5)] == [Finished, Finished, Finished]


def test_cancelling_closes_the_generator_and_the_next_job_runs():
    log = Log()
    log.scheduler.submit(1, "a", {"steps": 100})
    log.scheduler.submit(2, "b", {"steps": 1})
    log.run(steps=3)
    log.scheduler.cancel(1)
    assert log.closed == ["a"]
    assert isinstance(log.last(1), Cancelled)
    log.scheduler.cancel(1)  # over already: nothing happens
    log.run()
    assert isinstance(log.last(2), Finished)
    assert log.numbers().count(1) == 4


def test_a_request_that_never_began_can_be_cancelled():
    log = Log()
    log.scheduler.submit(1, "a", {"steps": 1})
    log.scheduler.cancel_all()
    assert log.scheduler.idle
    assert log.said == [(1, Cancelled("a"))]


def test_a_failing_clean_up_is_told_and_harms_nobody_else():
    said: list[Event] = []

    def start(job: str, arguments: dict) -> Iterator[Event]:
        try:
            yield Progress(1, 2)
        finally:
            raise OSError(28, "No space left on device", "a.part")

    scheduler = Scheduler(start, lambda number, event: said.append(event))
    scheduler.submit(1, "predict", {})
    scheduler.step()
    scheduler.cancel_all()
    assert scheduler.idle
    assert isinstance(said[-1], Failed)
    assert said[-1].message == "The disk is full (a.part); make room and try again."
