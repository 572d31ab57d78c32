"""Measurements of what the design promises, as ratios: ``python -m benchmarks [NAME...]``.

A benchmark is a module of this folder with a function `run` that returns rows
``(benchmark, case, ratio, note)``: what is compared with what, on which input, the ratio as a
number, and what else should be known (rates, wrong frames, why it was left out). Ratios rather than
times, because they carry over to other machines.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import napari_vitface.model  # noqa: F401, before torch is loaded: it says how threads wait
from napari_vitface.plugins import Registry

#: What is measured, in which case, the ratio, and a note.
Row = tuple[str, str, float | None, str]


class Benchmark(NamedTuple):
    """A benchmark of another package: `place` is the ``"module:function"`` that gives its rows."""

    name: str
    place: str


#: Other packages add theirs as entry points of this group, each a `Benchmark`.
ADDED: Registry[Benchmark] = Registry(Benchmark, (), group="napari_vitface.benchmarks")


def print_by_model(run: Callable[[str], list[Row]], about: str | None) -> None:
    """Print the rows of a benchmark that judges one model: ``--model`` names another."""
    parser = argparse.ArgumentParser(description=(about or "").split("\n")[0])
    parser.add_argument("--model", default="mouse-face", help="name or file")
    for _, case, ratio, note in run(parser.parse_args().model):
        print(f"{case}: {note}" if ratio is None else f"{case}: {ratio:.2f} ({note})")
