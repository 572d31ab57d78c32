"""Records: the dataclasses that cross a boundary, the pipe to the engine or a line of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Record:
    """Base of the frozen dataclasses that travel through the engine's pipe.

    A subclass is known by its full name from the moment that its module is loaded; the other side
    has to have loaded it too, for nothing is imported because a message names it. Its fields hold
    plain data, arrays and records.
    """

    known: ClassVar[dict[str, type[Record]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Record.known[cls.full_name()] = cls

    @classmethod
    def full_name(cls) -> str:
        return f"{cls.__module__}.{cls.__qualname__}"


def optional() -> Any:
    """A field that is None unless it is given, and then is left out of JSON."""
    return field(default=None, metadata={"optional": True})


def spread() -> Any:
    """A field that is a mapping, whose entries stand in JSON beside the other fields."""
    return field(default_factory=dict, metadata={"spread": True})


def plain_data(value: Any) -> Any:
    """What JSON can hold of a value: the fields of a record by name, lists in place of arrays.

    Of a path that is its text, and of one of an enumeration its value.

    NaN and infinity, which JSON does not have, become None.
    """
    if isinstance(value, Enum):
        return plain_data(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        content: dict[str, object] = {}
        for each in _fields(type(value)):
            item = plain_data(getattr(value, each.name))
            if each.metadata.get("spread"):
                content |= item
            elif item is not None or not each.metadata.get("optional"):
                content[each.name] = item
        return content
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(item) for item in value]
    if hasattr(value, "tolist"):
        return plain_data(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


#: Once for each class: lists of thousands of videos are read and kept on the window's thread.
_fields, _type_hints = cache(fields), cache(get_type_hints)

T = TypeVar("T")


def from_plain(kind: type[T], data: Any) -> T:
    """The record of a class, or the value of a type, that `plain_data` made `data` of.

    Raises
    ------
    AttributeError, LookupError, TypeError, ValueError
        The data are of something else.
    """
    origin, inner = get_origin(kind), get_args(kind)
    result: Any = data
    if origin in (Union, UnionType):
        if data is not None:
            kinds = [each for each in inner if each is not NoneType]
            if isinstance(data, list):
                kinds = [each for each in kinds if get_origin(each) is tuple] or kinds
            result = from_plain(kinds[0], data) if len(kinds) == 1 else data
    elif origin is tuple and inner[1:] == (...,):
        result = tuple(from_plain(inner[0], item) for item in data)
    elif origin is tuple:
        result = tuple(from_plain(*pair) for pair in zip(inner, data, strict=True))
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        result = {key: from_plain(inner[1], item) for key, item in data.items()}
    elif isinstance(kind, type) and issubclass(kind, Path | Enum):
        result = kind(data)
    elif is_dataclass(kind):
        hints = _type_hints(kind)
        names = [each.name for each in _fields(kind) if each.name in data]
        result = kind(**{name: from_plain(hints[name], data[name]) for name in names})
    return result  # type: ignore[no-any-return]
