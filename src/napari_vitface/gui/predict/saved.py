"""Predictions that are read from disk: those of the chosen model, or another program's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.predict.other_tables import read_predictions
from napari_vitface.jobs.outputs import find_predictions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.video_list.queue import VideoQueue
    from napari_vitface.pose.table import PoseTable


class SavedPredictions:
    """Gives a video the poses that are in a file, unless a run is writing them."""

    def __init__(self, session: Session, prediction: Prediction, video_list: VideoQueue) -> None:
        self._session = session
        self._prediction = prediction
        self._video_list = video_list
        session.poses_wanted.connect(self.read)

    def open(self, path: Path) -> None:
        """Show what another program predicted of the current video, until a model is chosen.

        The table is only read, and nothing in it becomes a label by itself.
        """
        session = self._session
        opened = session.current
        if opened is None:
            first = f"Open the video of {path.name} first, and then the file again."
            session.tell(f"{first} Its points are shown on the video.", "warning")
            return
        if self._refuses(opened, path):
            return
        sets = [session.made.keypoints, session.model_keypoints, *session.keypoint_sets.values()]
        known = [one for one in sets if one is not None]

        def show(result: tuple[PoseTable, NDArray[np.float32] | None, str] | Exception) -> None:
            if isinstance(result, Exception):
                session.tell(sentence_of(f"reading {path.name}", result), "warning")
            elif not self._refuses(opened, path):  # A run may have begun meanwhile.
                poses, variance, unread = result
                opened.source, opened.saved = path, None
                session.set_poses(opened, poses, path.stem, variance)
                if unread:
                    session.tell(f"{path.name}: {unread}")
            session.model_changed.emit()

        frames, rate = len(opened.video), opened.video.frame_rate
        session.in_background(lambda: read_predictions(path, frames, rate, known), show)

    def _refuses(self, opened: OpenVideo, path: Path) -> bool:
        """Whether a run is filling in the video's poses, which is told then."""
        filling = self._is_filling(opened)
        if filling:
            told = f"Open {path.name} when the run on this video has ended."
            self._session.tell(told, "warning")
        return filling

    def _is_filling(self, opened: OpenVideo) -> bool:
        runs = self._prediction, self._video_list
        return any(run.is_filling(opened) for run in runs)

    def read(self, opened: OpenVideo, made: Path | None = None) -> None:
        """Show what a run of the chosen model has made, or the predictions beside the video."""
        session = self._session
        model = session.model_name
        filling = self._is_filling(opened)
        if filling and opened.model == model:
            return
        session.set_poses(opened, None, model)
        opened.saved = None
        if filling:  # What it found before is read when it has ended.
            return
        listed = self._video_list.result_of(opened.path, session.model)
        path = made or find_predictions(opened.path, model) or listed
        if path is None:
            return

        def read() -> PoseTable:
            from napari_vitface.formats.poses import read_poses

            poses = read_poses(path).dense(len(opened.video))
            # The table knows names only; the set of these names knows skeleton and colours.
            poses.keypoints = session.keypoint_sets.get(poses.keypoints.names, poses.keypoints)
            return poses

        def show(result: PoseTable | Exception) -> None:
            if model != session.model_name or opened.poses is not None:
                return
            if isinstance(result, Exception):
                session.tell(sentence_of(f"reading {path.name}", result), "warning")
                return
            opened.saved = path
            session.set_poses(opened, result, model)

        session.in_background(read, show)
