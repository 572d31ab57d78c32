"""What other packages add, named by their entry points."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """Anything that a registry can hold."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Declarations by name: our own in their order, then those of other packages.

    Other packages, and modules of ours that are named by text, are loaded when something is first
    looked up.

    Parameters
    ----------
    kind : type
        Of what is declared.
    own : sequence of `kind` or str
        Our own, or ``"module:name"`` of them.
    group : str
        Of the entry points with which other packages add theirs.
    problem : callable, optional
        ``problem(one, others)`` says what is wrong with one of theirs; an empty text if nothing is.
    """

    def __init__(
        self,
        kind: type[T],
        own: Sequence[T | str],
        *,
        group: str,
        problem: Callable[[T, Mapping[str, T]], str] = lambda one, others: "",
    ) -> None:
        self.own = own
        self.kind = kind
        self.group = group
        self.problem = problem

    @cached_property
    def _all(self) -> dict[str, T]:
        from pkgutil import resolve_name

        own = (resolve_name(one) if isinstance(one, str) else one for one in self.own)
        found: dict[str, T] = {one.name: one for one in own}
        for one in added(self.group):
            if not isinstance(one, self.kind):
                leave_out(repr(one), f"it is no {self.kind.__name__}")
            elif one.name in found:
                leave_out(repr(one), f"there is another one named {one.name}")
            elif problem := self.problem(one, found):
                leave_out(repr(one), problem)
            else:
                found[one.name] = one
        return found

    def __getitem__(self, name: str) -> T:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def look_again(self) -> None:
        """Forget what was found: a package was installed."""
        self.__dict__.pop("_all", None)


def added(group: str) -> Iterator[Any]:
    """What other installed packages registered under the name of a group of entry points.

    What cannot be loaded is left out with a warning: a package that somebody else installed does
    not keep this one from working.
    """
    # As long to import as all of the command line.
    from importlib.metadata import entry_points

    for entry in entry_points(group=group):
        try:
            yield entry.load()
        except Exception as error:
            leave_out(f"{entry.name} ({entry.value})", error)


def leave_out(what: str, why: object) -> None:
    """Warn that something of another package is not used."""
    warnings.warn(f"{what} could not be added and is left out: {why}", stacklevel=3)
