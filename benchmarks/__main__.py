"""Run the benchmarks, each in a process of its own, and print one Markdown table."""

from __future__ import annotations

import argparse
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

from benchmarks import ADDED, Row
from benchmarks._display import display

FOLDER = Path(__file__).parent
#: Those that take half an hour and more: they run only if they are named.
LONG = {
    "facemap",
    "neighbours",
    "smaller",
    "starts",
    "states",
    "thousand_videos",
    "training",
    "unlabelled",
}


def places() -> dict[str, str]:
    """The benchmarks by name: modules of this folder that are not private, and others' own."""
    own = sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))
    ours = {name: f"benchmarks.{name}:run" for name in own if not name.startswith("_")}
    return {**{one.name: one.place for one in ADDED.values()}, **ours}


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
    known = places()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which to run: {', '.join(known)} (default all but {', '.join(LONG)})",
    )
    parser.add_argument("--rows-of", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rows_of:
        rows = pkgutil.resolve_name(known[arguments.rows_of])()
        print("\n" + json.dumps([list(row) for row in rows], default=float))
        return 0
    if unknown := sorted(set(arguments.names) - set(known)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    rows, failed = [], False
    for name in arguments.names or [name for name in known if name not in LONG]:
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
