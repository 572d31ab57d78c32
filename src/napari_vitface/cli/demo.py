"""The command ``demo``: the drawn sample with points and attention, in a window or as files."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import Command
from napari_vitface.errors import VitFaceError

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter

_FRAMES = 200
_EXPLAINED = 60
_WINDOW = "import sys; from napari_vitface.gui.demo import open_demo; open_demo(sys.argv[1])"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless",
        action="store_true",
        help="write overlay.mp4, overlay.png and predictions.csv instead of opening a window; so "
        "it is without a display, too",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("vitface-demo"),
        metavar="DIR",
        help="folder for the sample video and what is made of it (default: %(default)s)",
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Show the sample in a window, or write files where there is none."""
    from napari_vitface.jobs.outputs import made_folder
    from napari_vitface.jobs.sample import draw_sample

    folder = made_folder(arguments.output)
    video = folder / "sample.mp4"
    reporter.say(f"Drawing a sample of {_FRAMES} frames: {video}")
    reporter.run(draw_sample(video, frames=_FRAMES), title="sample")
    if arguments.headless or not has_display():
        if not arguments.headless:
            reporter.say("There is no display, so files are written instead of opening a window.")
        return _write_files(video, folder, reporter)
    return _open_window(video, reporter)


def has_display() -> bool:
    """Whether a window can be opened: on Linux, whether a display is named."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_window(video: Path, reporter: Reporter) -> int:
    import subprocess

    from napari_vitface.system_libraries import describe_missing, missing_libraries

    missing = missing_libraries()
    if missing:
        raise VitFaceError(describe_missing(missing))
    reporter.say("Opening napari, which takes some seconds. Close its window to end.")
    # In a process of its own: the window's process must never have torch in it.
    window = subprocess.run([sys.executable, "-P", "-c", _WINDOW, str(video)], check=False)
    if window.returncode != 0:
        raise VitFaceError(
            f"The window ended with an error (exit status {window.returncode}); "
            "`napari-vitface demo --headless` writes the same as files."
        )
    return 0


def _write_files(video: Path, folder: Path, reporter: Reporter) -> int:
    import shutil
    import tempfile

    from napari_vitface.jobs.explaining.explain import explain
    from napari_vitface.jobs.predict import predict
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.prediction import PredictResult

    resources = Resources(models=1, videos=1)
    with closing(resources):
        # Under plain names: predict names its files after video and model.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".demo-") as work:
            result = reporter.run(
                predict(video, output_dir=work, overlay=True, resources=resources),
                PredictResult,
                title="predict",
            )
            shutil.move(result.csv, folder / "predictions.csv")
            shutil.move(str(result.overlay), folder / "overlay.mp4")
        picture = folder / "overlay.png"
        reporter.say(f"Looking at where the model attends in frame {_EXPLAINED} …")
        reporter.run(
            explain(video, _EXPLAINED, output=picture, resources=resources), title="attention"
        )
    for name, what in (
        ("overlay.mp4", "the sample with the predicted points"),
        ("overlay.png", f"points and attention of frame {_EXPLAINED}"),
        ("predictions.csv", "the points of every frame"),
    ):
        reporter.result(f"{folder / name}: {what}")
    return 0


COMMAND = Command(
    "demo",
    "Show points and attention on a drawn sample video in napari.",
    _add_arguments,
    handle,
    json=False,
)
