"""Where the window keeps what it remembers between sessions: conveniences that may be lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def state_folder() -> Path:
    """This user's folder for it; it may not be there yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "napari-vitface"
