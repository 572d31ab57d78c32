"""Poses of the job in progress, in the window while they come: those of a video that is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.gui.job_run import JobRun
from napari_vitface.gui.video_list.items import Item, Items, State
from napari_vitface.jobs.events import PosesPredicted, Result
from napari_vitface.jobs.results.prediction import FindFaceResult, PredictResult, PredictSettings

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.video_list.kinds import JobKind
    from napari_vitface.pose.table import PoseTable


@dataclass
class ItemRun(JobRun):
    """The job on one video.

    Attributes
    ----------
    poses : list of PosesPredicted
        What came so far, for a video that is opened while the job runs.
    table : PoseTable or None
        That of the open video, with all of them.
    """

    item: Item
    model: str
    poses: list[PosesPredicted] = field(default_factory=list)
    table: PoseTable | None = None

    def end(self, items: Items, result: Result, kind: JobKind) -> None:
        """Note in the list what the job came to."""
        said = result.sentence if isinstance(result, FindFaceResult) else ""
        if not getattr(result, "made", True):
            said = kind.was_before
        items.update(
            self.item,
            state=State.DONE,
            message=" ".join(self.notices) or said,
            done=self.total,
            speed=getattr(result, "frames_per_second", None) or self.item.speed,
            result=Path(getattr(result, kind.table)) if kind.table else None,
            model=self.model,
            again=False,
        )

    def leave(self, items: Items) -> None:
        """Note in the list that the job was cancelled: the video alone, or all of them."""
        item, lost = self.item, self.lost
        if lost:
            items.update(item, done=0)
        if item.state is State.RUNNING:
            items.wait(item, f"Stopped. {lost or 'It goes on from here.'}", again=item.again)
        elif item.state is State.CANCELLED:
            kept = "What is done is kept." if item.done else ""
            items.update(item, message=f"Cancelled. {lost or kept}".rstrip())


class PosesOnScreen:
    """Gives what a run of the list predicts to its video, if that is open."""

    def __init__(self, session: Session, prediction: Prediction) -> None:
        self._session = session
        self._prediction = prediction

    def is_of(self, opened: OpenVideo, run: ItemRun) -> bool:
        """Whether a run brings the poses that are shown of a video."""
        shown = self._prediction.shows(opened, run.model)
        return shown and opened.path.resolve() == run.item.real

    def show(self, run: ItemRun) -> None:
        """Give the newest poses to the video, if it is open; all, if it was opened just now."""
        opened, settings = self._session.videos.find(run.item.path), run.settings
        if opened is None or not isinstance(settings, PredictSettings):
            run.table = None
            return
        if not self._prediction.shows(opened, run.model):
            # All are given to it when the model is chosen again; what it has lacks these.
            self._prediction.let_go(opened, run.table)
            run.table = None
            return
        fresh = run.poses[-1:]
        if run.table is None or opened.poses is not run.table:
            self._prediction.prepare(opened, run.model, settings.keypoints)
            fresh = run.poses
            run.table = opened.poses
        for event in fresh:
            self._prediction.fill(opened, run.model, settings.keypoints, event)

    def note_saved(self, run: ItemRun) -> None:
        """The poses of the video are in the result of the run; read from it what did not come."""
        opened, result = self._session.videos.find(run.item.path), run.result
        if opened is not None and isinstance(result, PredictResult):
            self._prediction.end(opened, run.model, run.table, result)
