"""The suggest job as the window runs it: its frames become marks of the video."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.open_video import OpenVideo, Suggestion, on_video
from napari_vitface.gui.session import Session
from napari_vitface.gui.which_frames.marks import FrameMarks
from napari_vitface.jobs.events import Event, Finished, FrameSuggested


@dataclass
class SuggestRun(VideoRun):
    """A search for frames in progress or the last one."""

    found: list[Suggestion] = field(default_factory=list)


class Suggestions(VideoRunner[SuggestRun]):
    """Runs the suggest job for a session; one run at a time."""

    def __init__(self, session: Session, marks: FrameMarks) -> None:
        super().__init__(session)
        self._marks = marks

    @on_video
    def start(self, opened: OpenVideo, count: int) -> None:
        """Look for `count` frames of the current video that are worth labelling."""
        session = self._session
        if self.active:
            return
        arguments = {
            **self.common(opened),
            "count": count,
            "labelled": session.made.labels.frames().tolist(),
            "predictions": opened.saved if opened.model == session.model_name else None,
            "crop": opened.crop,
        }
        run = SuggestRun(opened)
        self.begin(run, "suggest", arguments, lambda event: self._on_event(run, event))

    def _on_event(self, run: SuggestRun, event: Event) -> bool:
        if isinstance(event, FrameSuggested):
            run.found.append(Suggestion(event.frame, event.why))
            return True
        if isinstance(event, Finished):
            self._marks.suggest(run.opened, run.found)
        return False
