"""Trying ways to compute against each other, in as few passes as decide.

A `Candidate` is anything that computes: a device and a precision, or another runtime. The first
one is the reference that the others have to agree with and to beat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from napari_vitface.model.device import is_out_of_memory, release_memory, synchronise

T = TypeVar("T")

#: A lower precision, or another device, must be this much faster to be chosen.
WORTH = 1.15
#: ... and a lower precision must move three in four points of the trial images by no more input
#: pixels than this. Not all of them: the faces are drawn, and may be strange to a model. (The
#: bundled model on real frames: half move by 0.05 in bf16, one in a hundred by more than 0.16.)
AGREEMENT = 0.5
#: A trial may take as long as this many passes of the best candidate, the first passes included.
PASSES = 5
#: A first pass this much faster than the reference's first one has won; where it is closer, both
#: are run again, which is more exact and for which there is time left.
_CLEARLY = 1.2
#: Share of the time in which threads that nobody disturbs compute, at least.
_UNDISTURBED = 0.35
#: One that takes this many times as long has lost: what a first pass does beside is less.
_HOPELESS = 2.0


@dataclass(frozen=True)
class Candidate(Generic[T]):
    """A way to compute that can be tried.

    Attributes
    ----------
    device : torch.device
    precision : str
        What it is called beside its device: "fp32", "bf16", ...
    prepare : callable
        Makes the function that computes one pass and returns what it gives. `RuntimeError` from
        either says that it cannot be done here.
    """

    device: torch.device
    precision: str
    prepare: Callable[[], Callable[[], T]]

    def __str__(self) -> str:
        return f"{self.precision} on {self.device}"


@dataclass(frozen=True)
class Trial:
    """How one candidate did.

    Attributes
    ----------
    device : torch.device
    precision : str
    seconds : float
        Time an image; where the trial was given up, how long it was tried.
    moved : float
        How far, in input pixels, points of the trial images moved against the first candidate on
        this device; three in four moved no farther.
    given_up : bool
        It took so long that it could not win.
    disturbed : bool
        Others used the processor meanwhile: another time it may turn out otherwise.
    """

    device: torch.device
    precision: str
    seconds: float
    moved: float = 0.0
    given_up: bool = False
    disturbed: bool = False

    def __str__(self) -> str:
        return f"{self.precision} on {self.device}"

    @property
    def eligible(self) -> bool:
        """Whether it may be chosen: it was tried to the end and agrees with the reference."""
        return not self.given_up and self.moved <= AGREEMENT


def try_candidates(
    candidates: Sequence[Candidate[T]],
    moved: Callable[[T, T], float] = lambda given, reference: 0.0,
    *,
    images: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Candidate[T], None, list[Trial]]:
    """Time candidates of one device, and compare what they give with what the first one gives.

    Yields each candidate before it is tried. All of it, first passes included, takes at most
    `PASSES` passes of the best one: a candidate that cannot win any more is given up in the middle
    of a pass, one that has clearly won is not run again, and when nothing is left the rest is not
    tried. (Only where the best is over three times as fast as the reference, the reference's one
    pass alone is more.) What an accelerator does once, on its first pass, does not count.

    Parameters
    ----------
    candidates
        A candidate that cannot be computed is left out, unless it is the first.
    moved : callable
        (given, reference) -> how far points moved, in input pixels.
    images : int
        Images a pass.
    clock : callable
        Seconds.
    """
    first = candidates[0]
    watch = _Watch(clock)
    yield first
    compute = first.prepare()
    accelerator = first.device.type != "cpu"
    if accelerator:
        watch.time(compute, first.device)
        watch.spent = 0.0
    reference, seconds = watch.time(compute, first.device)
    trials = [Trial(first.device, first.precision, seconds)]
    warm = accelerator

    def best() -> float:
        return min(trial.seconds for trial in trials if trial.eligible)

    for candidate in candidates[1:]:
        left = PASSES * best() - watch.spent
        if left < best():
            break
        yield candidate
        before = watch.spent
        try:
            run = candidate.prepare()
            if accelerator:
                watch.time(run, candidate.device)
                watch.spent = before
            limit = min(left, _HOPELESS * trials[0].seconds)
            given, seconds = watch.time(run, candidate.device, limit)
            move = moved(given, reference)
            if not warm and seconds * _CLEARLY > trials[0].seconds and move <= AGREEMENT:
                # A first pass does more than compute: it takes a second one of both to compare.
                _, again = watch.time(compute, first.device)
                trials[0] = replace(trials[0], seconds=min(again, trials[0].seconds))
                warm = True
                limit = min(best(), PASSES * best() - watch.spent)
                _, again = watch.time(run, candidate.device, limit)
                seconds = min(seconds, again)
            trials.append(Trial(candidate.device, candidate.precision, seconds, move))
        except _TooSlow:
            tried = watch.spent - before
            trials.append(Trial(candidate.device, candidate.precision, tried, given_up=True))
        except RuntimeError as error:
            if is_out_of_memory(error):
                release_memory(candidate.device)
    disturbed = not accelerator and watch.disturbed
    return [replace(trial, seconds=trial.seconds / images, disturbed=disturbed) for trial in trials]


class _TooSlow(Exception):
    """A pass was given up."""


class _Watch:
    """Times passes, and sums up what they took."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.spent = 0.0
        self._computed = 0.0

    @property
    def disturbed(self) -> bool:
        """Whether torch's threads had the processor for less than their share of the time."""
        return self._computed < _UNDISTURBED * self.spent * torch.get_num_threads()

    def time(
        self, run: Callable[[], T], device: torch.device, limit: float | None = None
    ) -> tuple[T, float]:
        """What `run` gives and the seconds it took; `_TooSlow` if that is over `limit`."""
        began, computed = self._clock(), time.process_time()
        try:
            with self._given_up_after(limit):
                given = run()
                synchronise(device)
        finally:
            seconds = self._clock() - began
            self.spent += seconds
            self._computed += time.process_time() - computed
        return given, seconds

    @contextmanager
    def _given_up_after(self, limit: float | None) -> Iterator[None]:
        if limit is None:
            yield
            return
        end = self._clock() + limit

        def look(module: torch.nn.Module, inputs: Any) -> None:
            if self._clock() > end:
                raise _TooSlow

        # Each layer looks before it begins; nothing stops a layer that is at work.
        hook = register_module_forward_pre_hook(look)
        try:
            yield
        finally:
            hook.remove()
        if self._clock() > end:
            raise _TooSlow


def choose_trial(trials: Sequence[Trial]) -> tuple[Trial, str]:
    """The trial to follow, and one sentence that says why.

    The fastest of those that agree with the first; the first one unless it is beaten by a margin
    that is worth it.
    """
    first = trials[0]
    best = min((trial for trial in trials if trial.eligible), key=lambda trial: trial.seconds)
    if best.seconds * WORTH > first.seconds:
        best = first
    text = f"{best}: measured {best.seconds * 1e3:.1f} ms an image"
    for trial in trials:
        if trial is best:
            continue
        if trial.given_up:
            text += f", {trial} given up after {trial.seconds * 1e3:.1f} ms"
            continue
        text += f", {trial} {trial.seconds * 1e3:.1f} ms"
        if not trial.eligible:
            text += f" (which moves one point in four by over {trial.moved:.1f} input pixels)"
    if best.precision != "fp32":
        text += f"; three points in four move by under {best.moved:.2f} input pixels against fp32"
    if any(trial.disturbed for trial in trials):
        text += "; other programs were at work meanwhile, so it is measured again next time"
    return best, text + "."
