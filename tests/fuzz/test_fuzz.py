"""Whatever a file holds: it is read, or one sentence says why not; quickly, and in little memory.

``tox run -e fuzz`` does the same with ten thousand mutations of each kind of file.
"""

from __future__ import annotations

import os
import sys

import pytest

from .fuzzing import fuzz
from .readers import READERS

#: Mutations of each kind of file, from seeds that are always the same.
COUNT = int(os.environ.get("VITFACE_FUZZ", "30"))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded as Linux does it")
@pytest.mark.parametrize("torch", [False, True], ids=["without torch", "with torch"])
def test_a_damaged_file_is_read_or_refused_in_one_sentence(torch: bool) -> None:
    names = [reader.name for reader in READERS if reader.torch == torch]
    figures = fuzz(names, COUNT)
    for name, found in figures.items():
        print(f"{name}: {found}")
    failures = [failure for found in figures.values() for failure in found.failures]
    assert not failures, f"{len(failures)} of {COUNT * len(names)}\n\n" + "\n\n".join(failures[:10])
    assert all(found.outcomes.total() == COUNT for found in figures.values())
