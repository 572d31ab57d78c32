"""Run the benchmarks, each in a process of its own, and print one Markdown table."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

from benchmarks._display import display

Row = tuple[str, str, float | None, str]

FOLDER = Path(__file__).parent
#: Those that take an hour: they run only if they are named.
LONG = {"neighbours"}


def names() -> list[str]:
    """The benchmarks: modules of this folder that are not private."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules([str(FOLDER)])
        if not module.name.startswith("_")
    )


def measure(name: str) -> list[Row]:
    """Rows of one benchmark, run in a fresh process: none sees threads or caches of another."""
    with display() as environment:
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--rows-of", name],
            cwd=FOLDER.parent,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if process.returncode != 0:
        raise RuntimeError(f"benchmark {name} ended with status {process.returncode}")
    return [tuple(row) for row in json.loads(process.stdout.splitlines()[-1])]


def table(rows: list[Row]) -> str:
    """Rows as a Markdown table."""
    lines = ["| benchmark | case | ratio | note |", "|---|---|---:|---|"]
    for benchmark, case, ratio, note in rows:
        number = "" if ratio is None else f"{ratio:.3g}"
        lines.append(f"| {benchmark} | {case} | {number} | {note} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which to run: {', '.join(names())} (default all but {', '.join(LONG)})",
    )
    parser.add_argument("--rows-of", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rows_of:
        rows = importlib.import_module(f"benchmarks.{arguments.rows_of}").run()
        print("\n" + json.dumps([list(row) for row in rows], default=float))
        return 0
    if unknown := sorted(set(arguments.names) - set(names())):
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
    rows, failed = [], False
    for name in arguments.names or [name for name in names() if name not in LONG]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows += measure(name)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            failed = True
    print(table(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
