"""Choices that cost a measurement, kept on disk for the next process.

One small JSON file a choice, with the conditions it holds for, in the cache folder. What cannot be
read, or holds for something else, is measured again; what cannot be written is measured each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from napari_vitface.atomic import atomic_write
from napari_vitface.user_folders import cache_folder


def recall(conditions: Mapping[str, object]) -> dict[str, object] | None:
    """What was chosen under exactly these conditions (plain data for JSON), if it is known."""
    try:
        found = json.loads(_file(conditions).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("conditions") != dict(conditions):
        return None
    choice = found.get("choice")
    return choice if isinstance(choice, dict) else None


def remember(conditions: Mapping[str, object], choice: Mapping[str, object]) -> None:
    """Keep a choice for the next process."""
    file = _file(conditions)
    text = json.dumps({"conditions": dict(conditions), "choice": dict(choice)}, indent=1)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _file(conditions: Mapping[str, object]) -> Path:
    text = json.dumps(dict(conditions), sort_keys=True)
    return cache_folder() / "choices" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
