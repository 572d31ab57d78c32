"""Where files are kept for the user, whatever the project."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "VITFACE_CACHE"
_NAME = "napari-vitface"


def cache_folder() -> Path:
    """For what can be made again: the user's, or the one that ``VITFACE_CACHE`` names."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path(_NAME, appauthor=False)


def state_folder() -> Path:
    """For what is to be there at the next start."""
    from platformdirs import user_state_path

    return user_state_path(_NAME, appauthor=False)
