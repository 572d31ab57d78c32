"""The command ``suggest``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_cluster,
    add_computing,
    add_crop,
    add_model,
    add_videos,
    add_white,
    count,
    given,
)
from napari_vitface.cli.tables import aligned

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.labelling import SuggestResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_videos(
        parser,
        "a video, a folder of images or a TIFF stack; predictions that stand beside it are used",
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
    add_cluster(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print frames that are worth labelling. One video that fails does not stop the others."""
    from napari_vitface.cli.on_cluster import run_many_on_cluster
    from napari_vitface.cli.videos import one_by_one
    from napari_vitface.jobs.results.labelling import SuggestResult
    from napari_vitface.jobs.suggesting.suggest import suggest as job

    videos: list[Path] = arguments.videos
    options = given(arguments, job)

    def told(result: SuggestResult) -> list[str]:
        head = [result.video] if len(videos) > 1 else []
        return [*head, *suggestions_table(result)]

    if arguments.cluster is not None:
        return run_many_on_cluster(arguments, reporter, job, videos, told, **options)

    def run(video: Path, resources: Resources) -> SuggestResult:
        events = job(video, **options, resources=resources)
        result = reporter.run(events, SuggestResult, title=video.name)
        reporter.result(*told(result))
        return result

    return one_by_one(arguments, reporter, videos, run, job="suggest")


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
