"""The command ``states explain``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command, add_batch_size, add_computing, given
from napari_vitface.cli.states.predict import add_classifier
from napari_vitface.settings.attention import DEFAULT_OF_STATES, methods_of_states

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_classifier(parser)
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video or a folder of images")
    parser.add_argument("--frame", type=int, required=True, metavar="N", help="which frame")
    parser.add_argument(
        "--state", metavar="STATE", help="what is to be explained (default: the most probable)"
    )
    methods = methods_of_states()
    lines = "; ".join(f"{name}: {each.help_of_states}" for name, each in methods.items())
    parser.add_argument(
        "--method",
        choices=tuple(methods),
        default=DEFAULT_OF_STATES,
        help=f"{lines} (default: %(default)s)",
    )
    add_computing(parser)
    add_batch_size(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.png",
        help="where the picture goes (default: <video>_vitface_<model>_states_N.png beside the "
        "video)",
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Draw the map, and say whether it is true."""
    from napari_vitface.jobs.results.classifying import ExplainStatesResult
    from napari_vitface.jobs.states.explain import explain_states as job

    events = job(**given(arguments, job))
    result = reporter.run(events, ExplainStatesResult, title=arguments.video.name)
    reporter.result(
        f"{result.state}: {result.value:.3g}; painted over in the map's order {result.left:.3g} of "
        f"the score is left on average, in random order {result.left_random:.3g}",
        result.file,
    )
    return 0


COMMAND = Command(
    "explain",
    "Draw on a frame what a classifier of states goes by, and measure whether that is true.",
    _add_arguments,
    handle,
)
