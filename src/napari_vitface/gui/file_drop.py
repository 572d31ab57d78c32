"""Which reader opens videos that are dropped on napari's canvas, or named when napari is started.

napari's own reader claims videos too, so napari asks each time until its preferences say which one
is meant (Preferences > Plugins). They are set here once the user said so, for videos alone, and
never against what the user set there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from napari.settings import get_settings

from napari_vitface.atomic import atomic_write
from napari_vitface.user_folders import state_folder
from napari_vitface.video import video_suffixes

_READER = "napari-vitface"


def opens_dropped() -> bool:
    """Whether napari's preferences open some kind of video with our reader."""
    chosen = get_settings().plugins.extension2reader
    return any(chosen.get(pattern) == _READER for pattern in _patterns())


def open_dropped(on: bool) -> None:
    """Let napari open videos with our reader, or ask as it did before; the user was asked."""
    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    for pattern in _patterns():
        if on:
            chosen.setdefault(pattern, _READER)
        elif chosen.get(pattern) == _READER:
            del chosen[pattern]
    if chosen != plugins.extension2reader:
        plugins.extension2reader = chosen
    # Where the answer cannot be kept, the question comes again.
    with contextlib.suppress(OSError):
        _answered().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_answered()) as temporary:
            temporary.write_text("yes\n" if on else "no\n", encoding="utf-8")


def is_open_question() -> bool:
    """Whether the user was never asked and the preferences do not say it either."""
    chosen = get_settings().plugins.extension2reader
    return not _answered().exists() and not any(pattern in chosen for pattern in _patterns())


def _patterns() -> list[str]:
    # napari compares names with their case on most systems; cameras write both.
    return [f"*{each}" for suffix in video_suffixes() for each in (suffix, suffix.upper())]


def _answered() -> Path:
    return state_folder() / "open-dropped-videos.txt"
