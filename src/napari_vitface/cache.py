"""Where files are kept that can be made again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "VITFACE_CACHE"


def cache_folder() -> Path:
    """The user's cache folder for this program, or the one that ``VITFACE_CACHE`` names."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("napari-vitface", appauthor=False)
