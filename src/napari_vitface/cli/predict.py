"""The command ``predict``."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.arguments import (
    Command,
    add_batch_size,
    add_computing,
    add_crop,
    add_model,
    add_white,
    frames,
)
from napari_vitface.errors import BackboneError, CheckpointError, VitFaceError

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "videos",
        nargs="+",
        type=Path,
        metavar="VIDEO",
        help="a video, a folder of images, a TIFF stack or an image",
    )
    add_model(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="where the files go (default: beside each video)",
    )
    add_computing(parser, int8=True)
    add_batch_size(parser)
    add_crop(parser)
    parser.add_argument(
        "--frames",
        type=frames,
        metavar="START:STOP:STEP",
        help="only these frames, as in Python: 0:1000, ::10, -500: (default: all)",
    )
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
        help="replace files that exist (default: refuse)",
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Predict each video. One of several that fails does not stop the others."""
    from napari_vitface.cli.report import Cancelled
    from napari_vitface.jobs.events import Finished
    from napari_vitface.jobs.failure import describe_failure
    from napari_vitface.jobs.predict import predict as job
    from napari_vitface.jobs.resources import Resources

    videos: list[Path] = arguments.videos
    _refuse_same_outputs(videos, arguments.output_dir)
    results: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    resources = Resources(models=1, videos=1)
    try:
        for path in videos:
            events = job(
                path,
                arguments.model,
                output_dir=arguments.output_dir,
                device=arguments.device,
                precision=arguments.precision,
                batch_size=arguments.batch_size,
                crop=arguments.crop,
                frames=arguments.frames,
                overlay=arguments.overlay,
                overwrite=arguments.overwrite,
                white=arguments.white,
                resources=resources,
            )
            try:
                results.append(reporter.run(events, title=path.name))
            except Cancelled:
                raise
            except Exception as error:
                # What is wrong with the model is wrong for every video.
                if len(videos) == 1 or isinstance(error, CheckpointError | BackboneError):
                    raise
                reporter.failed("predict", error, debug=arguments.debug)
                message = describe_failure("predict", error).message
                failed.append({"video": str(path), "message": message})
                continue
            reporter.result(*_predicted(results[-1]))
    finally:
        resources.close()
    if len(videos) > 1:
        reporter.show(Finished("predict", {"videos": results, "failed": failed}))
    if len(videos) > 1 and failed and not reporter.json_lines:
        # The sentences about them are far above by now.
        reporter.say(
            f"{len(results)} of {len(videos)} videos predicted; failed: "
            f"{', '.join(entry['video'] for entry in failed)}"
        )
    return 1 if failed else 0


def _predicted(result: dict[str, Any]) -> list[str]:
    """The files of a run and how it went, for people, a line each."""
    lines: list[str] = [result[kind] for kind in ("h5", "csv", "overlay") if result[kind]]
    rate = result["frames_per_second"]
    speed = f", {rate:.1f} frames/s" if rate else ""
    lines[-1] += f" ({result['frames']} frames{speed}, {result['precision']} on {result['device']})"
    return lines


def _refuse_same_outputs(videos: list[Path], folder: Path | None) -> None:
    """Raise `VitFaceError` if the results of two videos would have the same names."""
    from napari_vitface.jobs.outputs import output_place, output_stem

    places = Counter(output_place(video, folder) for video in videos)
    place, count = places.most_common(1)[0]
    if count > 1:
        name = next(output_stem(video) for video in videos if output_place(video, folder) == place)
        raise VitFaceError(
            f"{count} of the videos are called {name}, so their results would be too; predict "
            "them one by one, into different output folders."
        )


COMMAND = Command(
    "predict",
    "Predict the keypoints of videos; write <video>_vitface_<model>.h5 and .csv.",
    _add_arguments,
    handle,
)
