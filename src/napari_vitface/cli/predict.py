"""The command ``predict``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_cluster,
    add_computing,
    add_crop,
    add_frames,
    add_model,
    add_output_dir,
    add_videos,
    add_white,
    given,
)
from napari_vitface.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.events import Event
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.prediction import PredictResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_videos(parser, "a video, a folder of images, a TIFF stack or an image")
    add_model(parser)
    add_output_dir(parser)
    add_computing(parser, int8=True)
    add_batch_size(parser)
    add_crop(parser)
    add_frames(parser)
    add_white(parser)
    parser.add_argument(
        "--overlay",
        action="store_true",
        help="also write <video>_vitface_<model>_overlay.mp4 with points, names, skeleton and "
        "trails; fainter is less sure",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that exist (default: refuse; those that the same command made of the "
        "same video are kept)",
    )
    add_cluster(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Predict each video. One of several that fails does not stop the others."""
    if arguments.cluster is not None:
        return _on_cluster(arguments, reporter)
    from napari_vitface.cli.videos import one_by_one
    from napari_vitface.jobs.outputs import refuse_same_outputs
    from napari_vitface.jobs.predict import predict as job
    from napari_vitface.jobs.results.prediction import PredictResult

    def run(video: Path, resources: Resources) -> PredictResult:
        events = job(video, **given(arguments, job, resources=resources))
        result = reporter.run(events, PredictResult, title=video.name)
        reporter.result(*_predicted(result))
        return result

    videos: list[Path] = arguments.videos
    refuse_same_outputs(videos, arguments.output_dir)
    return one_by_one(arguments, reporter, videos, run, job="predict", past="predicted")


def _on_cluster(arguments: argparse.Namespace, reporter: Reporter) -> int:
    from napari_vitface.cli.on_cluster import run_on_cluster
    from napari_vitface.cluster.predict_many import predict_many

    def job(client: Any) -> Iterator[Event]:
        options = given(arguments, predict_many, path_map=arguments.map_path)
        return predict_many(client=client, **options)

    return run_on_cluster(arguments, reporter, job, _predicted)


def _predicted(result: PredictResult) -> list[str]:
    """The files of a run and how it went, for people, a line each."""
    lines = [path for path in (result.h5, result.csv, result.overlay) if path]
    rate = result.frames_per_second
    speed = f", {rate:.1f} frames/s" if rate else ""
    before = "" if result.made else "already done: "
    how = f"{counted(result.frames, 'frame')}{speed}, {result.precision} on {result.device}"
    lines[-1] += f" ({before}{how})"
    return lines


COMMAND = Command(
    "predict",
    "Predict the keypoints of videos; write <video>_vitface_<model>.h5 and .csv.",
    _add_arguments,
    handle,
)
