"""How fast a job goes and how long it will take, from the recent past."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

#: Seconds after which the past counts for 1/e.
_MEMORY = 15.0
#: Nothing is said about the time left before the job ran for this long.
_SETTLING = 1.0


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
