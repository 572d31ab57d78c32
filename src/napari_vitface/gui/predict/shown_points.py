"""The points of a video that are shown, as they go into a file of any format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_vitface.formats.predictions import Predictions
from napari_vitface.gui.numbers import counted
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo


def shown_points(opened: OpenVideo) -> Predictions | None:
    """What is known of the points, without those of labels; None if nothing is predicted.

    Frames that were not predicted are left out.
    """
    poses, variance = opened.predictions, opened.shown_variance
    if poses is None:
        return None
    present = np.isfinite(poses.xy).all(axis=-1)
    rows = np.flatnonzero(np.any(present, axis=1))
    table = PoseTable(
        poses.keypoints, poses.xy[rows], poses.confidence[rows], frames=poses.frames[rows]
    )
    rate = opened.video.frame_rate or None
    spread = None if variance is None else variance[rows]
    return Predictions(table, opened.model, str(opened.path), rate, spread)


def labels_left_out(opened: OpenVideo) -> list[str]:
    """A sentence about labels, if there are any: they are kept in a project."""
    count = len(opened.labels)
    if not count:
        return []
    return [f"Labels of {counted(count, 'frame')} are not in it: export them by the Project menu."]
