"""The command ``export``: its options, and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.parser import _add, _Commands, _Parents

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def add_export(commands: _Commands, parents: _Parents) -> None:
    """Add the parser of ``export``."""
    parser = _add(
        commands,
        "export",
        "Write a model as ONNX, for other programs to run live.",
        parents,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="name of a bundled model or a .safetensors file"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="where the model goes; how to use it stands in the file's metadata",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file that exists (default: refuse)"
    )


def export(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Write the file and say where it is."""
    from napari_vitface.jobs.export import export as job

    events = job(arguments.model, output=arguments.output, overwrite=arguments.overwrite)
    result = reporter.run(events, title=arguments.model)
    moved = result["moved"]
    tried = "" if moved is None else f"; points within {moved:.2g} input pixels of PyTorch's"
    reporter.result(f"{result['file']} ({result['megabytes']:.1f} MB{tried})")
    return 0
