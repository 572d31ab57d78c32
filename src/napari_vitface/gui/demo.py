"""The window of ``napari-vitface demo``: a video with points and attention, nothing to press."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import EngineError, VideoError

if TYPE_CHECKING:
    from napari.viewer import Viewer


def open_demo(video: str | os.PathLike[str], *, block: bool = True) -> Viewer:
    """Open napari on a video, with the dock open, the points on and the attention on.

    Predictions that stand beside the video are shown; without any they are made while one watches.

    Parameters
    ----------
    video : path
    block : bool
        Return when the window is closed. False returns at once; the caller runs the event loop.

    Raises
    ------
    VideoError
        If the video cannot be read.
    EngineError
        If the window cannot be opened.
    """
    import napari

    from napari_vitface.gui.actions import open_dock
    from napari_vitface.gui.predict.prediction import PredictOptions
    from napari_vitface.jobs.outputs import find_predictions

    path = Path(video)
    viewer = napari.Viewer(title="napari-vitface demo")
    dock = open_dock(viewer)
    session = dock.session
    opened = dock.video_section.open(path)
    if opened is None:
        message = dock.video_section.problems.text()
        viewer.close()
        raise VideoError(message)
    session.attention.enabled = True
    if find_predictions(path, session.model_name) is None:
        session.prediction.start(PredictOptions())
    if session.prediction.failure:
        raise EngineError(session.prediction.failure)
    if block:
        napari.run()
    return viewer
