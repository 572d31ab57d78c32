"""Records: the dataclasses that cross a boundary, the pipe to the engine or a line of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar


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


def plain_data(value: Any) -> Any:
    """What JSON can hold of a value: the fields of a record by name, lists in place of arrays.

    NaN and infinity, which JSON does not have, become None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain_data(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(item) for item in value]
    if hasattr(value, "tolist"):
        return plain_data(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
