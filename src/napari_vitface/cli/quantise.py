"""The command ``quantise``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, add_file_of_model, add_white, given
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_of_model(parser)
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="VIDEO|LABELS",
        help="frames like those that it is to be used on: a video, a DeepLabCut project folder, a "
        "labeled-data/<video> folder, or a CollectedData_*.csv|.h5",
    )
    add_white(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Make it ready and say how far points move."""
    from napari_vitface.jobs.quantise import quantise as job
    from napari_vitface.jobs.results.models import QuantiseResult

    result = reporter.run(
        job(**given(arguments, job)),
        QuantiseResult,
        title=arguments.model,
    )
    moved = f"half of the points move by under {result.moved:.2f} input pixels against fp32"
    use = "--precision int8 uses it, and auto tries it" if result.agrees else "it is not used"
    reporter.result(
        f"{arguments.model} in int8: {moved}, on {counted(result.frames, 'frame')}; {use}."
    )
    return 0


COMMAND = Command(
    "quantise",
    "Make a model ready to compute in 8 bits on this computer.",
    _add_arguments,
    handle,
)
