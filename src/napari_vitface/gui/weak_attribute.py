"""Attributes that do not keep their values alive."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class WeakAttribute(Generic[T]):
    """Holds the viewer, which is to end with its window, whoever works on it.

    Reading raises `ReferenceError` once the value is gone: what works on a window does so while it
    is there, and what is taken down after it asks for this. Not for subclasses of Qt's classes:
    PySide 6.11 crashes with such attributes of theirs.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: Any, value: T) -> None:
        instance.__dict__[self._name] = weakref.ref(value)

    def __get__(self, instance: Any, owner: type) -> T:
        value: T | None = instance.__dict__[self._name]()
        if value is None:
            raise ReferenceError(f"the {self._name.strip('_')} of a {owner.__name__} is gone")
        return value
