"""The command ``states predict``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_computing,
    add_output_dir,
    add_setting,
    given,
)
from napari_vitface.cli.tables import aligned
from napari_vitface.settings.option import declared
from napari_vitface.settings.states import StatesSettings

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.classifying import PredictStatesResult

_SETTINGS = declared(StatesSettings)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_classifier(parser)
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a video or a folder of images")
    window = _SETTINGS["window"]
    told = replace(
        window.option,
        help="frames of each video that are told of together (default: those that the classifier "
        "was trained on, from the start of the video)",
    )
    add_setting(parser, replace(window, option=told))
    parser.add_argument(
        "--trials",
        type=Path,
        metavar="TRIALS",
        help="a table of trials, or events, as for `states train`: in videos that it names, "
        "windows are counted from the onset of each trial, which are told of one by one",
    )
    add_output_dir(parser, "the tables with a row for each frame")
    parser.add_argument(
        "--no-tables", dest="tables", action="store_false", help="write no tables of frames"
    )
    add_computing(parser)
    add_batch_size(parser)


def add_classifier(parser: argparse.ArgumentParser) -> None:
    """Add the classifier that has to be named."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL.vitstate", help="a classifier of `states train`"
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print what state each video shows."""
    from napari_vitface.events.event_trials import read_trials_or_events
    from napari_vitface.jobs.results.classifying import PredictStatesResult
    from napari_vitface.jobs.states.predict import predict_states as job

    trials = arguments.trials
    onsets = read_trials_or_events(trials).onsets() if trials is not None else None
    events = job(**given(arguments, job, onsets=onsets))
    result = reporter.run(events, PredictStatesResult, title=arguments.model.name)
    reporter.result(*_lines(result))
    return 0


def _lines(result: PredictStatesResult) -> list[str]:
    rows = [["video", *(result.states or ("value",)), "unlike anything seen"]]
    for trial in result.trials:
        if trial.probabilities is None:
            said = [f"{trial.value:.4g}"]
        else:
            said = [f"{value:.3f}" for value in trial.probabilities.values()]
        name = trial.video if trial.onset is None else f"{trial.video} from frame {trial.onset}"
        rows.append([name, *said, f"{100 * trial.unlike:.0f} %"])
    return aligned(rows)


COMMAND = Command(
    "predict",
    "Say what state videos show; write <video>_vitface_<model>_states.csv, a row a frame.",
    _add_arguments,
    handle,
)
