"""Work that says in words what it is doing: a generator of short phrases that returns its result.

Whoever runs it shows the phrases, or does not, and may stop between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

T = TypeVar("T")
Step = TypeVar("Step")
Told = TypeVar("Told")

#: Yields phrases such as "Loading the model mouse-face"; returns a `T`.
Steps = Generator[str, None, T]


def result_of(steps: Generator[Any, None, T]) -> T:
    """Do the work without listening to it."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(T, end.value)


def told_as(
    steps: Generator[Step, None, T], tell: Callable[[Step], Told]
) -> Generator[Told, None, T]:
    """The same work, with what `tell` makes of each step in its place."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return cast(T, end.value)
        yield tell(step)
