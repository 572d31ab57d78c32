"""``napari-vitface demo``: the drawn sample with points and attention, in a window or as files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from napari_vitface.cli.report import Reporter
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.sample import draw_sample

_FRAMES = 200
_EXPLAINED = 60
_WINDOW = "import sys; from napari_vitface.gui.demo import open_demo; open_demo(sys.argv[1])"


def run_demo(folder: Path, reporter: Reporter, *, headless: bool = False) -> int:
    """Write the sample video to `folder` and show what the bundled model makes of it.

    With a display napari opens; without, or if `headless`, ``overlay.mp4``, ``overlay.png`` and
    ``predictions.csv`` are written to `folder`.

    Raises
    ------
    VitFaceError
        If the folder cannot be written to, or a window cannot be opened.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VitFaceError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another --output."
        ) from error
    video = folder / "sample.mp4"
    reporter.say(f"Drawing a sample of {_FRAMES} frames: {video}")
    reporter.run(draw_sample(video, frames=_FRAMES), title="sample")
    if headless or not has_display():
        if not headless:
            reporter.say("There is no display, so files are written instead of opening a window.")
        return _write_files(video, folder, reporter)
    return _open_window(video, reporter)


def has_display() -> bool:
    """Whether a window can be opened: on Linux, whether a display is named."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_window(video: Path, reporter: Reporter) -> int:
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
    resources = Resources(models=1, videos=1)
    try:
        # Under plain names: predict names its files after video and model.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".demo-") as work:
            result = reporter.run(
                predict(video, output_dir=work, overlay=True, resources=resources),
                title="predict",
            )
            shutil.move(result["csv"], folder / "predictions.csv")
            shutil.move(result["overlay"], folder / "overlay.mp4")
        picture = folder / "overlay.png"
        reporter.say(f"Looking at where the model attends in frame {_EXPLAINED} …")
        reporter.run(
            explain(video, _EXPLAINED, output=picture, resources=resources), title="attention"
        )
    finally:
        resources.close()
    for name, what in (
        ("overlay.mp4", "the sample with the predicted points"),
        ("overlay.png", f"points and attention of frame {_EXPLAINED}"),
        ("predictions.csv", "the points of every frame"),
    ):
        reporter.result(f"{folder / name}: {what}")
    return 0
