"""The command ``states report``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, given
from napari_vitface.cli.states.predict import add_classifier

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_classifier(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.html",
        help="where the report goes (default: <model>_report.html beside the classifier)",
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Write the report and say where it is."""
    from napari_vitface.jobs.results.classifying import ReportStatesResult
    from napari_vitface.jobs.states.report import report_states as job

    events = job(**given(arguments, job))
    reporter.result(reporter.run(events, ReportStatesResult, title=arguments.model.name).report)
    return 0


COMMAND = Command(
    "report",
    "Write a page with every figure of a classifier of states.",
    _add_arguments,
    handle,
)
