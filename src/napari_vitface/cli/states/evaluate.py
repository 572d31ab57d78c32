"""The command ``states evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, add_batch_size, add_computing, given
from napari_vitface.cli.states.predict import add_classifier

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_classifier(parser)
    parser.add_argument(
        "trials",
        type=Path,
        metavar="TRIALS",
        help="a table of trials with the column that the classifier was trained on",
    )
    add_computing(parser)
    add_batch_size(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print how well a classifier does on labelled trials."""
    from napari_vitface.cli.states.figures import judged_lines
    from napari_vitface.jobs.results.classifying import EvaluateStatesResult
    from napari_vitface.jobs.states.evaluate import evaluate_states as job

    events = job(**given(arguments, job))
    result = reporter.run(events, EvaluateStatesResult, title=arguments.model.name)
    reporter.result(*judged_lines(result))
    return 0


COMMAND = Command(
    "evaluate",
    "Judge a classifier of states on labelled trials that it was not trained on.",
    _add_arguments,
    handle,
)
