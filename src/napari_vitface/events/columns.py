"""What the header of a table of events calls its columns, and in which unit they count time."""

from __future__ import annotations

import re
from typing import Literal

Unit = Literal["frames", "seconds"]
Column = Literal["onset", "offset", "duration", "label", "video"]

_ROLES: dict[str, Column] = {
    **dict.fromkeys(("onset", "start", "begin", "beginning", "from"), "onset"),
    **dict.fromkeys(("offset", "stop", "end", "to"), "offset"),
    **dict.fromkeys(("duration", "dur"), "duration"),
    **dict.fromkeys(
        ("label", "event", "behavior", "behaviour", "state", "trial type", "annotation"), "label"
    ),
    **dict.fromkeys(("video", "clip", "file", "media file", "media file name"), "video"),
}
_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("frame", "frames"), "frames"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "seconds"),
}


def role_and_unit(name: str) -> tuple[Column | None, Unit | None]:
    """What a column is and its unit, by its name: ``start_frame`` is an onset in frames.

    None for what its name does not say.
    """
    words = re.findall(r"[a-z]+", name.lower())
    unit = next((_UNITS[word] for word in words if word in _UNITS), None)
    rest = " ".join(word for word in words if word not in _UNITS and word != "time")
    return _ROLES.get(rest), unit
