"""The command ``suggest``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_computing,
    add_crop,
    add_model,
    add_white,
    chosen,
    count,
)
from napari_vitface.cli.tables import aligned
from napari_vitface.settings.computing import Looking

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.labelling import SuggestResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "video",
        type=Path,
        metavar="VIDEO",
        help="a video, a folder of images or a TIFF stack; predictions that stand beside it are "
        "used",
    )
    add_model(parser)
    parser.add_argument(
        "--count",
        type=count,
        default=20,
        metavar="N",
        help="frames to suggest at most (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="LABELS",
        help="what is labelled already: a DeepLabCut project folder, a labeled-data/<video> "
        "folder, or a CollectedData_*.csv|.h5; labelled frames are not suggested, nor frames like "
        "them",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="the table of predictions to use (default: <video>_vitface_<model>.h5 or .csv beside "
        "the video)",
    )
    parser.add_argument(
        "--motion",
        type=Path,
        metavar="FILE",
        help="a table of traces of this video with its motion energy: frames in which much moves "
        "are worth more",
    )
    add_crop(parser)
    add_white(parser)
    add_computing(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print frames that are worth labelling."""
    from napari_vitface.jobs.results.labelling import SuggestResult
    from napari_vitface.jobs.suggesting.suggest import suggest as job

    events = job(
        arguments.video,
        arguments.model,
        count=arguments.count,
        labels=arguments.labels,
        predictions=arguments.predictions,
        motion=arguments.motion,
        **chosen(arguments, Looking),
    )
    result = reporter.run(events, SuggestResult, title=arguments.video.name)
    reporter.result(*suggestions_table(result))
    return 0


def suggestions_table(result: SuggestResult) -> list[str]:
    """Suggested frames, the best first, with the reason for each."""
    if not result.frames:
        return ["No frame is worth labelling."]
    rows = [["frame", "score", "why"]]
    rows += [[str(one.frame), f"{one.score:.2f}", one.why] for one in result.frames]
    return aligned(rows, left=(2,))


COMMAND = Command(
    "suggest",
    "Rank frames of a video that are worth labelling, and say why.",
    _add_arguments,
    handle,
)
