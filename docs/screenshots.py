"""Make the pictures of the documentation: ``docs/images/window.png`` from a real napari window.

    python docs/screenshots.py

Needs a display; without one, run it under ``xvfb-run -a -s "-screen 0 1400x1000x24"``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QApplication

from napari_vitface.gui.demo import open_demo
from napari_vitface.sample import write_sample_video

IMAGES = Path(__file__).parent / "images"
#: Frame of the sample that is shown.
FRAME = 60


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "sample.mp4"
        write_sample_video(video)
        viewer = open_demo(video, block=False)
        viewer.window._qt_window.resize(1400, 1000)
        session = viewer.window.dock_widgets["ViT Face (napari-vitface)"].session
        prediction = session.prediction
        wait(300, lambda: prediction.run is not None and prediction.run.status == "done")
        viewer.dims.set_current_step(0, FRAME)
        viewer.reset_view()
        wait(10)
        viewer.screenshot(str(IMAGES / "window.png"), canvas_only=False, flash=False)
        viewer.close()
        wait(1)


def wait(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window work until something holds, or for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
