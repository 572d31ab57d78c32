from __future__ import annotations

import pytest

from napari_vitface.jobs.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, steps: int, count: int, seconds: float) -> None:
    for _ in range(steps):
        clock.now += seconds
        pace.step(count)


def test_a_steady_job_ends_when_it_said():
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, steps=20, count=8, seconds=0.1)
    assert pace.seconds_left(800) == pytest.approx(10.0)
    assert pace.seconds_left(0) == 0


def test_nothing_is_said_too_early():
    clock = Clock()
    pace = Pace(clock)
    assert pace.seconds_left(10) is None
    run(pace, clock, steps=2, count=8, seconds=0.1)
    assert pace.seconds_left(10) is None


def test_the_estimate_follows_a_job_that_slows_down_without_jumping():
    clock = Clock()
    pace = Pace(clock)
    run(pace, clock, steps=300, count=10, seconds=0.1)
    pace_before = pace.seconds_left(1000)
    run(pace, clock, steps=1, count=10, seconds=1.0)
    assert pace.seconds_left(1000) < 1.2 * pace_before
    run(pace, clock, steps=100, count=10, seconds=1.0)
    assert pace.seconds_left(1000) == pytest.approx(100, rel=0.05)
