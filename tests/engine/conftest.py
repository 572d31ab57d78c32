from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_vitface.engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine whose process can import `small_jobs`."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    with Engine({"PYTHONPATH": path}) as engine:
        yield engine
