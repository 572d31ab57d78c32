"""The command ``export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, add_file_of_model, add_overwrite, given

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_of_model(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="where the model goes; how to use it stands in the file's metadata",
    )
    add_overwrite(parser, "a file that exists")


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Write the file and say where it is."""
    from napari_vitface.jobs.export import export as job
    from napari_vitface.jobs.results.models import ExportResult

    events = job(**given(arguments, job))
    result = reporter.run(events, ExportResult, title=arguments.model)
    moved = result.moved
    tried = "" if moved is None else f"; points within {moved:.2g} input pixels of PyTorch's"
    reporter.result(f"{result.file} ({result.megabytes:.1f} MB{tried})")
    return 0


COMMAND = Command(
    "export",
    "Write a model as ONNX, for other programs to run live.",
    _add_arguments,
    handle,
)
