"""From *Fine-tune* to the verdict in a real napari window, over the steps alone.

Quick training from a bundled model on 20 frames of the labelled recording, labelled in the window
by hand, as far as it can tell, and pressed a while after, when nothing else is to be done. The
number is the time from the press to the verdict over that of the steps and their judgements; the
note has the seconds, which are those of this computer. `--model` names another model to start from.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage.io import imread

from benchmarks import Row, print_by_model
from benchmarks._display import can_open_windows
from benchmarks._real_recording import DATA, FOLDER
from napari_vitface.project.label_reading import read_labels
from napari_vitface.video import VideoWriter

_NAME = "Fine-tune to the verdict / its steps"
_FRAMES = 20

_WINDOW = """
import sys, time
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_vitface.gui.actions import open_dock
from napari_vitface.pose.keypoints import MOUSE_FACE

video, project, labels, model = sys.argv[1:]
viewer = napari.Viewer()
dock = open_dock(viewer)
session, tuning = dock.session, dock.session.fine_tune
session.choose_model(model)
limit = time.monotonic() + 1800

def until(true):
    while not true():
        assert time.monotonic() < limit
        QApplication.processEvents()
        time.sleep(0.002)

dock.video_section.open(video)
until(lambda: not session.made.waiting and not session.labelling.documents.opening)
session.labelling.documents.create(project, MOUSE_FACE, "me")
until(lambda: session.labelling.document is not None)
for frame, xy in enumerate(np.load(labels)):
    placed = {k: tuple(place) for k, place in enumerate(xy) if np.isfinite(place).all()}
    assert session.labelling.move(placed, frame)
    until(lambda: len(tuning.plan.labels) == frame + 1)
until(lambda: tuning.plan.status == "ready")
idle = time.monotonic() + 30
until(lambda: time.monotonic() > idle)
began = time.perf_counter()
dock.fine_tune_section.start_button.click()
until(lambda: tuning.run.status == "done")
QApplication.processEvents()
print("SECONDS", time.perf_counter() - began, tuning.run.result.seconds, flush=True)
viewer.close()
"""


def run(model: str = "mouse-face") -> list[Row]:
    """One row."""
    case = f"quick, {_FRAMES} frames of the real recording, from {model}"
    if not FOLDER.exists():
        return [(_NAME, case, None, f"none in {DATA}")]
    if not can_open_windows():
        return [(_NAME, case, None, "no window can be opened")]
    labels = read_labels(FOLDER)
    labels = labels.take(np.linspace(0, len(labels) - 1, _FRAMES).astype(int))
    with tempfile.TemporaryDirectory(prefix="vitface-fine-tune-") as name:
        folder = Path(name)
        images = [imread(path) for path in labels.images]
        with VideoWriter(folder / "mouse.mp4", images[0].shape, 30.0) as writer:
            for image in images:
                writer.write(image)
        np.save(folder / "labels.npy", labels.xy)
        os.environ["VITFACE_CACHE"] = str(folder / "cache")
        arguments = [folder / "mouse.mp4", folder / "project", folder / "labels.npy", model]
        answer = subprocess.run(
            [sys.executable, "-c", _WINDOW, *map(str, arguments)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("SECONDS")]
    every, steps = map(float, line.split()[1:])
    return [(_NAME, case, every / steps, f"{every:.0f} against {steps:.0f} s")]


if __name__ == "__main__":
    print_by_model(run, __doc__)
