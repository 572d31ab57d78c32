from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_vitface.engine import Engine

# The results of `small_jobs` are known by the name that the module has in the engine's process.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def with_small_jobs() -> dict[str, str]:
    """Environment of an engine whose process can import `small_jobs`."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def engine(with_small_jobs: dict[str, str]) -> Iterator[Engine]:
    with Engine(with_small_jobs) as engine:
        yield engine
