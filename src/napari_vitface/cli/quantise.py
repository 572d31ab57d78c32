"""The command ``quantise``: its options, and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.parser import _add, _Commands, _Parents

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def add_quantise(commands: _Commands, parents: _Parents) -> None:
    """Add the parser of ``quantise``."""
    parser = _add(
        commands,
        "quantise",
        "Make a model ready to compute in 8 bits on this computer.",
        parents,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="name of a bundled model or a .safetensors file"
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="VIDEO|LABELS",
        help="frames like those that it is to be used on: a video, a DeepLabCut project folder, a "
        "labeled-data/<video> folder, or a CollectedData_*.csv|.h5",
    )


def quantise(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Make it ready and say how far points move."""
    from napari_vitface.jobs.quantise import quantise as job

    result = reporter.run(job(arguments.model, sources=arguments.sources), title=arguments.model)
    moved = f"half of the points move by under {result['moved']:.2f} input pixels against fp32"
    use = "--precision int8 uses it, and auto tries it" if result["agrees"] else "it is not used"
    reporter.result(f"{arguments.model} in int8: {moved}, on {result['frames']} frames; {use}.")
    return 0
