"""The labels that events can have: their order, and their colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from napari_vitface.events.intervals import checked_label

#: Colours that are told apart on dark and on light, also with colour blindness (Okabe and Ito 2008,
#: the black and the yellow of which are not seen on one of them).
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#a6a6a6")


@dataclass(frozen=True)
class EventLabel:
    """A label as it is shown.

    Attributes
    ----------
    name : str
        See `checked_label`.
    colour : str
        ``#rrggbb``.
    """

    name: str
    colour: str


def with_used(labels: Iterable[EventLabel], used: Iterable[str]) -> tuple[EventLabel, ...]:
    """Labels, and behind them those that are used and not among them, in colours of their own."""
    found = list(labels)
    names = {each.name for each in found}
    for name in used:
        if name not in names:
            names.add(name)
            found.append(EventLabel(name, next_colour(found)))
    return tuple(found)


def next_colour(labels: Iterable[EventLabel]) -> str:
    """The colour of the palette that is taken least."""
    taken = [each.colour for each in labels]
    return min(PALETTE, key=taken.count)


def colours_of(names: Iterable[str], labels: Iterable[EventLabel]) -> dict[str, str]:
    """Colours of names: of `labels` that are called so, else those of the palette that are left."""
    wanted = list(names)
    found = {each.name: each.colour for each in with_used(labels, wanted)}
    return {name: found[name] for name in wanted}


def labels_to_json(labels: Iterable[EventLabel]) -> list[dict[str, str]]:
    """As plain data for a file."""
    return [{"name": each.name, "colour": each.colour} for each in labels]


def labels_from_json(data: Any) -> tuple[EventLabel, ...]:
    """Inverse of `labels_to_json`; what is none is left out, for events name their labels too."""
    found: dict[str, EventLabel] = {}
    for each in data if isinstance(data, list) else []:
        match each:
            case {"name": str() as name, "colour": str() as colour} if name not in found:
                if _is_label(name) and re.fullmatch("#[0-9a-fA-F]{6}", colour):
                    found[name] = EventLabel(name, colour)
    return tuple(found.values())


def _is_label(name: str) -> bool:
    try:
        return checked_label(name) == name
    except ValueError:
        return False
