"""What each subcommand does: run a job, say what came of it. The name is the subcommand's."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from napari_vitface.cli.attention import attention as attention
from napari_vitface.cli.export import export as export
from napari_vitface.cli.frames import audit as audit
from napari_vitface.cli.frames import suggest as suggest
from napari_vitface.cli.quantise import quantise as quantise
from napari_vitface.cli.report import Reporter
from napari_vitface.cli.training import train as train
from napari_vitface.errors import BackboneError, CheckpointError, VitFaceError
from napari_vitface.jobs.events import Finished


def demo(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Show the sample in a window, or write files where there is none."""
    from napari_vitface.cli.demo import run_demo

    return run_demo(arguments.output, reporter, headless=arguments.headless)


def predict(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Predict each video. One of several that fails does not stop the others."""
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
            except (VitFaceError, OSError) as error:
                # What is wrong with the model is wrong for every video.
                if len(videos) == 1 or isinstance(error, CheckpointError | BackboneError):
                    raise
                reporter.failed("predict", error, debug=arguments.debug)
                failed.append({"video": str(path), "message": str(error)})
                continue
            reporter.result(_predicted(results[-1]))
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


def evaluate(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print a model's errors beside those of the mean pose."""
    from napari_vitface.cli.tables import evaluation_table
    from napari_vitface.jobs.evaluate import evaluate as job

    events = job(
        arguments.model,
        arguments.labels,
        held_out=arguments.held_out,
        report=arguments.report,
        device=arguments.device,
        precision=arguments.precision,
    )
    result = reporter.run(events, title=arguments.model)
    reporter.result(evaluation_table(result))
    return 0


def models(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print what models there are."""
    from napari_vitface.cli.tables import models_table
    from napari_vitface.jobs.models import models as job

    folder = arguments.folder
    if folder is None and Path("vitface", "models").is_dir():
        folder = Path()
    result = reporter.run(job(folder))
    reporter.result(models_table(result["models"]))
    return 0


def _predicted(result: dict[str, Any]) -> str:
    """The files of a run and how it went, for people."""
    lines = [result[kind] for kind in ("h5", "csv", "overlay") if result[kind]]
    rate = result["frames_per_second"]
    speed = f", {rate:.1f} frames/s" if rate else ""
    lines[-1] += f" ({result['frames']} frames{speed}, {result['precision']} on {result['device']})"
    return "\n".join(lines)


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
