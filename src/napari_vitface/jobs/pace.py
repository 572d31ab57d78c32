"""How fast a job goes and how long it will take, from the recent past."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from napari_vitface.jobs.events import Progress

#: Seconds after which the past counts for 1/e.
_MEMORY = 15.0
#: Nothing is said about the time left before the job ran for this long.
_SETTLING = 1.0
#: Seconds between two `Progress` events where steps are many.
_EVERY = 0.2


class Pace:
    """A smoothed rate of work and the time left at that rate.

    Work and time are summed with weights that fade over `_MEMORY` seconds, so the estimate follows
    a job that becomes slower and does not jump with single steps.

    Parameters
    ----------
    clock : callable, optional
        Seconds, increasing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = clock()
        self._work = self._time = 0.0

    def step(self, count: float) -> None:
        """`count` more units of work are done."""
        now = self._clock()
        passed, self._last = now - self._last, now
        fading = math.exp(-passed / _MEMORY)
        self._work = self._work * fading + count
        self._time = self._time * fading + passed

    def seconds_left(self, remaining: float) -> float | None:
        """Seconds that `remaining` units will take; None while there is too little to go by."""
        if self._last - self._began < _SETTLING or self._work <= 0:
            return None
        return remaining * self._time / self._work


class Counter:
    """`Progress` events of a job that counts to `total`.

    Parameters
    ----------
    total : float
        What there is to do, as far as it is known yet.
    message : str
        What is being done.
    done : float
        What was done before.
    """

    def __init__(self, total: float, message: str = "", *, done: float = 0) -> None:
        self.total = total
        self.message = message
        self._pace = Pace()
        self._told = done
        self._last = 0.0

    def at(self, done: float, step: tuple[int, int] = (0, 1)) -> Progress:
        """`done` parts are over, and `step` (done, total) of the next."""
        now = done + step[0] / step[1]
        self._pace.step(now - self._told)
        self._told = now
        left = self._pace.seconds_left(self.total - now)
        return Progress(round(done), round(self.total), left, self.message)

    def of(self, extent: tuple[int, int]) -> Progress:
        """The same of done and total, where there may turn out to be less or more to do."""
        done, self.total = extent
        return self.at(done)

    def now_and_then(self, done: float) -> Iterator[Progress]:
        """The same as `at`, or nothing if there was one just before."""
        event, now = self.at(done), time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            yield event
