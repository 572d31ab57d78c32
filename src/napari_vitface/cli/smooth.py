"""The command ``smooth``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, add_overwrite, given, number
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tables",
        nargs="+",
        type=Path,
        metavar="TABLE",
        help="predictions of one video, a table of each model",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the table to write"
    )
    parser.add_argument(
        "--to",
        dest="write_as",
        metavar="FORMAT",
        help="what FILE is to be (default: by its ending, one that holds a variance)",
    )
    parser.add_argument(
        "--sure",
        type=number(float, "number from 0 to 1", lambda share: 0 <= share <= 1),
        default=0.0,
        metavar="P",
        help="confidence below which a model's point counts as missing (default: %(default)s)",
    )
    add_overwrite(parser, "a file that exists")


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Smooth the tables and say where the result is."""
    from napari_vitface.jobs.results.smooth import SmoothResult
    from napari_vitface.jobs.smooth import smooth as job

    events = job(**given(arguments, job))
    result = reporter.run(events, SmoothResult, title=arguments.output.name)
    reporter.result(
        f"{result.file} ({counted(result.points, 'point')} in "
        f"{counted(result.frames, 'frame')}, of {counted(len(result.tables), 'table')}; as "
        f"{result.written_as})"
    )
    return 0


COMMAND = Command(
    "smooth",
    "Smooth several models' predictions to one table, by how far they agree.",
    _add_arguments,
    handle,
)
