"""The command ``convert``."""

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
        "source", type=Path, metavar="IN", help="a file of predictions or labels, or a project"
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="the file to write")
    parser.add_argument(
        "--from", dest="read_as", metavar="FORMAT", help="what IN is (default: what it looks like)"
    )
    parser.add_argument(
        "--to", dest="write_as", metavar="FORMAT", help="what OUT is to be (default: by its ending)"
    )
    parser.add_argument(
        "--content", choices=("predictions", "labels"), help="which of them, if IN holds both"
    )
    parser.add_argument("--animal", metavar="NAME", help="which animal, if IN holds several")
    parser.add_argument("--table", metavar="NAME", help="which table or video, if IN holds several")
    parser.add_argument(
        "--frame-rate",
        type=number(float, "number of frames a second", lambda rate: 0 < rate < 1e9),
        metavar="HZ",
        help="frames a second of the video (default: what IN says)",
    )
    parser.add_argument(
        "--corners",
        action="store_true",
        help="IN counts from the corner of the top left pixel, not from its centre: take half a "
        "pixel away",
    )
    add_overwrite(parser, "a file that exists")


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Write the file and say where it is."""
    from napari_vitface.jobs.convert import convert as job
    from napari_vitface.jobs.results.convert import ConvertResult

    events = job(**given(arguments, job))
    result = reporter.run(events, ConvertResult, title=arguments.source.name)
    frame = {"predictions": "frame", "labels": "labelled image"}[result.content]
    reporter.result(
        f"{result.file} ({result.content} of {counted(result.frames, frame)}, "
        f"{counted(result.points, 'point')}; from {result.read_as} to {result.written_as})"
    )
    return 0


COMMAND = Command(
    "convert",
    "Write predictions or labels in another program's format.",
    _add_arguments,
    handle,
)
