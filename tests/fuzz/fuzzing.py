"""Reading damaged files in processes of their own, and the figures of it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Seconds after which a file is called a hang although it takes no processor time.
_PATIENCE = 120.0


@dataclass
class Figures:
    """What came of damaged files.

    Attributes
    ----------
    outcomes : Counter of str
        ``read``, ``sentence``, and what must not be: ``no sentence``, ``traceback``, ``hang``,
        ``crash``, ``left behind``.
    memory : float
        The most that a file took, in MiB.
    failures : list of str
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    memory: float = 0.0
    failures: list[str] = field(default_factory=list)

    def note(self, line: dict[str, Any]) -> None:
        outcome = line["outcome"]
        self.outcomes[outcome] += 1
        self.memory = max(self.memory, line.get("memory", 0.0))
        if outcome not in ("read", "sentence"):
            detail = str(line.get("detail", "")).strip()
            self.failures.append(f"{line['reader']} {line['number']}: {outcome}\n{detail}")

    def __str__(self) -> str:
        files = self.outcomes.total()
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{files} files: {counts}; at most {self.memory:.0f} MiB for one"


def fuzz(names: Sequence[str], count: int) -> dict[str, Figures]:
    """Read `count` mutations for each of some readers (by name), in as few processes as can be."""
    figures = {name: Figures() for name in names}
    remaining, first = list(names), 0
    while remaining:
        last = None
        for line in _lines([str(first), str(count), *remaining]):
            last = line
            if "outcome" in line:
                figures[line["reader"]].note(line)
        if last is None:
            raise RuntimeError(f"reading {remaining[0]} could not even begin")
        name, number = last["reader"], last["number"]
        if "outcome" not in last:
            # It was ended inside a file: go on after it.
            figures[name].note({**last, "outcome": _how(last)})
        elif number + 1 < count:
            raise RuntimeError(f"reading {name} ended by itself after {number}")
        remaining = remaining[remaining.index(name) :]
        first = number + 1
        if first == count:
            remaining, first = remaining[1:], 0
    return figures


def _how(last: dict[str, Any]) -> str:
    return "hang" if last.get("ended") in ("SIGPROF", "silence") else "crash"


def _lines(arguments: list[str]) -> Iterator[dict[str, Any]]:
    """What an attacking process says; the last line tells what ended it, if anything did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz.attack", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert process.stdout is not None
    said: queue.Queue[str | None] = queue.Queue()
    stream = process.stdout

    def listen() -> None:
        for line in stream:
            said.put(line)
        said.put(None)

    threading.Thread(target=listen, daemon=True).start()
    last: dict[str, Any] = {}
    try:
        while (text := said.get(timeout=_PATIENCE)) is not None:
            last = json.loads(text)
            yield last
        status = process.wait()
    except queue.Empty:
        status = None
    finally:
        process.kill()
        process.wait()
        stream.close()
    if last and "outcome" not in last:
        ended = "silence" if status is None else f"SIG{-status}" if status < 0 else str(status)
        yield {
            **last,
            "ended": "SIGPROF" if ended == "SIG27" else ended,
            "detail": f"ended by {ended}",
        }
