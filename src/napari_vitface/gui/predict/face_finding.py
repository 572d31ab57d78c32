"""Finding the face as the window runs it: what is found becomes the crop of the video."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_vitface.gui.crop_rectangle import Crop
from napari_vitface.gui.crop_tool import CropTool
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.session import Session
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.prediction import FindFaceResult


@dataclass
class FindRun(VideoRun):
    """A search in progress or the last one."""

    left: Crop | None = None
    result: FindFaceResult | None = field(default=None, kw_only=True)

    @given("result")
    def found(self, result: FindFaceResult, crop: Crop | None) -> tuple[str, str] | None:
        """What was found and the level of that; news as long as the video has this crop."""
        news = self.status == "done" and crop == self.left
        return (result.sentence, "info" if result.found else "warning") if news else None


class FaceFinding(VideoRunner[FindRun]):
    """Runs the find_face job for a session; one run at a time."""

    def __init__(self, session: Session, crop_tool: CropTool) -> None:
        super().__init__(session)
        self._crop_tool = crop_tool

    @on_video
    def start(self, opened: OpenVideo) -> None:
        """Look for the face in the current video with the chosen model."""
        if self.active:
            return
        run = FindRun(opened)
        # Between the steps of a training, which would keep it waiting for minutes.
        self.begin(
            run, "find_face", self.common(opened), lambda e: self._on_event(run, e), urgent=True
        )

    @given("run")
    def words(self, run: FindRun, opened: OpenVideo) -> tuple[str, str] | None:
        """What the last run says of a video, and the level of that; None if it is of another."""
        if run.opened is not opened:
            return None
        return run.found(opened.crop) or (run.message, "error")

    def _on_event(self, run: FindRun, event: Event) -> bool:
        if isinstance(event, Finished) and run.result is not None and run.result.found:
            crop = run.result.crop
            tool = self._crop_tool
            if run.opened is not self._session.current:
                run.opened.crop = crop
            elif crop is None:
                tool.clear()
            else:
                tool.propose(crop)
        run.left = run.opened.crop
        return False
