"""The command ``states responses``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_computing,
    add_model,
    add_output_dir,
    add_overwrite,
    add_settings,
    given,
)
from napari_vitface.cli.states.features import add_features, add_part, chosen_settings
from napari_vitface.cli.tables import aligned
from napari_vitface.settings.option import declared
from napari_vitface.settings.states import PrototypeRule, StatesSettings

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.responses import ResponsesResult

_SETTINGS = declared(StatesSettings)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trials",
        type=Path,
        metavar="TRIALS",
        help="a CSV or TSV table with one trial a row, or events, as train takes them",
    )
    add_settings(parser, _SETTINGS, "label", "classes", "window")
    add_part(parser)
    add_features(parser)
    parser.add_argument(
        "--share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of a state's frames, the most typical ones, that its prototype is the mean of; by "
        "the rule typical alone (default: %(default)s)",
    )
    parser.add_argument(
        "--rule",
        choices=get_args(PrototypeRule),
        default="typical",
        help="which frames prototypes are made of: the most typical ones of the change since "
        "before the window, or, as code that came of Dolensek et al. 2020 does, the ten of each "
        "animal that are least like its mean face before the window, of features as they are "
        "(default: %(default)s)",
    )
    add_model(parser)
    add_computing(parser)
    add_batch_size(parser)
    add_output_dir(parser, default="beside the table")
    add_overwrite(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Compare trials with prototypes, and print how large and how late their responses are."""
    from napari_vitface.jobs.results.responses import ResponsesResult
    from napari_vitface.jobs.states.responses import responses as job

    events = job(**given(arguments, job, settings=chosen_settings(arguments)))
    result = reporter.run(events, ResponsesResult, title=arguments.trials.name)
    reporter.result(*_told(result), result.table, result.curves, result.picture, result.similarity)
    return 0


def _told(result: ResponsesResult) -> list[str]:
    """Size and latency of the responses of each state to each prototype."""
    rows = [["trials of", "prototype of", "trials", "size", "95 %", "responding", "latency"]]
    for each in result.summaries:
        rows.append(
            [
                each.state,
                each.prototype,
                str(each.trials),
                f"{each.size:+.3f}",
                "" if math.isnan(each.low) else f"{each.low:+.3f} to {each.high:+.3f}",
                f"{100 * each.responding:.0f} %",
                "" if math.isnan(each.latency) else f"{each.latency:.3g} s",
            ]
        )
    lines = aligned(rows, left=(1,))
    lines.insert(1, "-" * len(lines[0]))
    lines.append(
        f"Prototypes are of the trials of the others of {result.groups} {result.unit}s alone, by "
        f"the rule {result.rule}."
    )
    return lines


COMMAND = Command(
    "responses",
    "Compare trials with the typical face of each state, made of other animals: size and latency.",
    _add_arguments,
    handle,
)
