"""Methods that are only called while there is what they work on, which they are handed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from operator import attrgetter
from typing import Any, Concatenate, ParamSpec, TypeVar

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def given(
    name: str,
) -> Callable[[Callable[Concatenate[S, Any, P], T]], Callable[Concatenate[S, P], T | None]]:
    """Have a method given what `self` has by a dotted name; while that is None it gives None."""
    find = attrgetter(name)

    def decorate(work: Callable[Concatenate[S, Any, P], T]) -> Callable[..., T | None]:
        @wraps(work)
        def method(self: S, *args: P.args, **kwargs: P.kwargs) -> T | None:
            found = find(self)
            return None if found is None else work(self, found, *args, **kwargs)

        # Signals look at what a slot takes.
        me, _, *others = (signature := inspect.signature(work)).parameters.values()
        method.__signature__ = signature.replace(parameters=[me, *others])  # type: ignore[attr-defined]
        return method

    return decorate
