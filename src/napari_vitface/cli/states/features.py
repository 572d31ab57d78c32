"""The command ``states features``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_cluster,
    add_computing,
    add_frames,
    add_kinds,
    add_model,
    add_output_dir,
    add_videos,
    add_white,
    chosen,
    given,
    rectangle,
)
from napari_vitface.settings.features import DEFAULT, FEATURES
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.states import FeaturesResult


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add which features, and the settings of all kinds; see `chosen_settings`."""
    add_kinds(parser, "--features", "what is computed of each frame", FEATURES, DEFAULT)


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was typed for the settings of `add_features`."""
    return chosen(arguments, *map(type, FEATURES.values()))


def add_part(parser: argparse.ArgumentParser) -> None:
    """Add the part of the frame that features are computed of."""
    parser.add_argument(
        "--crop",
        type=rectangle,
        metavar="X,Y,W,H",
        help="part of the frame that holds the face, in video pixels (default: the whole frame; "
        "where it follows the face, around the keypoints)",
    )
    parser.add_argument(
        "--follow",
        choices=("position", "pose"),
        help="have the crop go with the face, by its predicted keypoints: moved, or turned and "
        "scaled as well (default: it stays where it is)",
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_videos(parser, "a video, a folder of images, a TIFF stack or an image")
    add_features(parser)
    add_part(parser)
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="table of keypoints (default: what the model left beside the video)",
    )
    add_model(parser)
    add_computing(parser)
    add_batch_size(parser)
    add_frames(parser)
    add_output_dir(parser)
    add_white(parser)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that were made with other settings (default: refuse; those made with "
        "the same are kept)",
    )
    add_cluster(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Compute the features of each video. One of several that fails does not stop the others."""
    from napari_vitface.cli.on_cluster import run_many_on_cluster
    from napari_vitface.cli.videos import one_by_one
    from napari_vitface.jobs.outputs import refuse_same_outputs
    from napari_vitface.jobs.results.states import FeaturesResult
    from napari_vitface.jobs.states.features import features as job

    videos: list[Path] = arguments.videos
    options = given(arguments, job, settings=chosen_settings(arguments))
    if arguments.cluster is not None:
        return run_many_on_cluster(arguments, reporter, job, videos, _told, **options)

    def run(video: Path, resources: Resources) -> FeaturesResult:
        events = job(video, **options, resources=resources)
        result = reporter.run(events, FeaturesResult, title=video.name)
        reporter.result(*_told(result))
        return result

    refuse_same_outputs(videos, arguments.output_dir)
    return one_by_one(arguments, reporter, videos, run, job="features")


def _told(result: FeaturesResult) -> list[str]:
    """The files and how it went, for people, a line each."""
    lines = [
        f"{each.path} ({counted(each.columns, 'number')} a "
        f"frame{'' if each.made else ', was there already'})"
        for each in result.files
    ]
    rate = result.frames_per_second
    lines[-1] += f": {counted(result.frames, 'frame')}" + (f", {rate:.0f} a second" if rate else "")
    return lines


COMMAND = Command(
    "features",
    "Compute features of the frames of videos; write <video>_features_<kind>.h5.",
    _add_arguments,
    handle,
)
