"""A benchmark of another package, run beside those of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import ADDED

TOY = """
from benchmarks import Benchmark

def run():
    return [("twice", "two over one", 2 / 1, "no unit")]

TOY = Benchmark("twice", __name__ + ":run")
"""


def test_it_is_run_in_a_process_of_its_own_and_stands_in_the_table(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install(ADDED, TOY)
    place = os.pathsep.join(
        filter(None, [str(tmp_path / "site-packages"), os.environ.get("PYTHONPATH")])
    )
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "twice"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "| twice | two over one | 2 | no unit |" in run.stdout
