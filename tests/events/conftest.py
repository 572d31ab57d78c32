"""Files of events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str, name: str = "e.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write
