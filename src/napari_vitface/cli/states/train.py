"""The command ``states train``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_computing,
    add_model,
    add_overwrite,
    add_settings,
    given,
)
from napari_vitface.cli.states.features import add_features, add_part, chosen_settings
from napari_vitface.settings.option import declared
from napari_vitface.settings.states import StatesSettings

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter

_SETTINGS = declared(StatesSettings)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trials",
        type=Path,
        metavar="TRIALS",
        help="a CSV or TSV table with one trial a row: its video (column video, clip or file), "
        "animal, session, and what is to be told; or events (CSV, TSV, BIDS, BORIS): a table with "
        "the columns video, events (a file for each) and animal, one file that names its videos, "
        "or a folder of videos with files of events beside them",
    )
    add_settings(parser, _SETTINGS, "label", "classes", "graded", "group", "window")
    add_part(parser)
    add_features(parser)
    add_model(parser)
    add_computing(parser)
    add_batch_size(parser)
    add_settings(
        parser,
        _SETTINGS,
        *("classifier", "blocks", "baseline", "frames_per_trial", "permutations", "seed"),
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.vitstate",
        help="where the classifier goes (default: <table>_<label>.vitstate beside the table)",
    )
    parser.add_argument(
        "--licence",
        default="",
        metavar="TEXT",
        help="of the data, kept in the file",
    )
    add_overwrite(parser, "a file that exists")


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Train, and print what the classifier is worth and where it is."""
    from napari_vitface.cli.states.figures import evaluation_lines
    from napari_vitface.jobs.results.classifying import TrainStatesResult
    from napari_vitface.jobs.states.train import train_states as job

    events = job(**given(arguments, job, feature_settings=chosen_settings(arguments)))
    result = reporter.run(events, TrainStatesResult, title=arguments.trials.name)
    reporter.result(*evaluation_lines(result.evaluation), result.model)
    return 0


COMMAND = Command(
    "train",
    "Train a classifier of states on a table of trials, judged on animals that it has not seen.",
    _add_arguments,
    handle,
)
