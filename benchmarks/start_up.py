"""Starting the command and importing the package, against an interpreter with argparse and numpy.

CPU seconds, not those on the clock; the least of several starts each, which take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import Row

_NAME = "CPU time of a start / python -c 'import argparse, numpy'"
_ROUNDS = 7
_BARE = [sys.executable, "-c", "import argparse, numpy"]
_CASES = {
    "napari-vitface --help": [sys.executable, "-m", "napari_vitface", "--help"],
    "import napari_vitface": [sys.executable, "-c", "import napari_vitface"],
}


def run() -> list[Row]:
    """A row for the command and one for the package."""
    commands = {"": _BARE, **_CASES}
    found: dict[str, list[float]] = {case: [] for case in commands}
    for _ in range(_ROUNDS):
        for case, command in commands.items():
            found[case].append(_cpu_seconds(command))
    bare = min(found[""])
    return [
        (
            _NAME,
            case,
            min(found[case]) / bare,
            f"{min(found[case]) * 1e3:.0f} against {bare * 1e3:.0f} ms",
        )
        for case in _CASES
    ]


def _cpu_seconds(command: Sequence[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = (after.children_user, after.children_system)
    return sum(used) - before.children_user - before.children_system


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
