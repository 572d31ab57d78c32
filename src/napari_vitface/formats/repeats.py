"""Data that repeats its parts by reference: how much it means, not how much it takes."""

from __future__ import annotations

from typing import Any


def check_repeats(data: Any, most: int) -> None:
    """Raise `ValueError` if data means more than `most` values.

    Each list, tuple, dict or set is looked at once; what stands in several places counts in each.
    `RecursionError` if it is nested too deeply, or holds itself.
    """
    sizes: dict[int, int] = {}

    def size(value: Any) -> int:
        if not isinstance(value, dict | list | set | tuple):
            return 1
        key = id(value)
        if key not in sizes:
            parts = [*value, *value.values()] if isinstance(value, dict) else [*value]
            sizes[key] = 1 + sum(map(size, parts))
        if sizes[key] > most:
            raise ValueError("it repeats its values beyond any use")
        return sizes[key]

    size(data)
