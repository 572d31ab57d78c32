"""One prediction run as the window sees it: ask the engine, take poses in, know how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.open_video import on_video
from napari_vitface.jobs.events import Event, Finished, PosesPredicted, Started
from napari_vitface.jobs.results.prediction import PredictResult, PredictSettings
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.settings.computing import Computing

if TYPE_CHECKING:
    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session


@dataclass(frozen=True, kw_only=True)
class PredictOptions(Computing):
    """What the user set beside model and video; the defaults are what most want.

    The fields are arguments of `napari_vitface.jobs.predict.predict`.
    """

    frames: range | None = None
    overlay: bool = False
    overwrite: bool = False
    output_dir: Path | None = None


@dataclass
class Run(VideoRun):
    """A prediction in progress or the last one.

    Attributes
    ----------
    table : PoseTable or None
        The video's table, with all that came so far; None if some came while another model's
        poses were shown.
    """

    model: str
    options: PredictOptions
    crop: Crop | None
    settings: PredictSettings | None = field(default=None, kw_only=True)
    result: PredictResult | None = field(default=None, kw_only=True)
    table: PoseTable | None = field(default=None, kw_only=True)


class Prediction(VideoRunner[Run]):
    """Runs the predict job for a session; one run at a time."""

    #: First and last frame (exclusive) between which the current video's poses were filled in.
    filled = Signal(int, int)
    #: What the window is set to changed.
    options_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._options = PredictOptions()

    @property
    def options(self) -> PredictOptions:
        """What the window is set to."""
        return self._options

    @options.setter
    def options(self, options: PredictOptions) -> None:
        if options != self._options:
            self._options = options
            self.options_changed.emit()

    @given("run")
    def is_filling(self, run: Run, opened: OpenVideo | None) -> bool:
        """Whether the run in progress is writing the poses that are shown of this video."""
        return run.opened is opened and run.active and self.shows(run.opened, run.model)

    def shows(self, opened: OpenVideo, model: str) -> bool:
        """Whether it is a model's poses that are shown of a video, and no table of the user's."""
        return model == self._session.model and opened.source is None

    def last_run(self, opened: OpenVideo) -> Run:
        """The last run of a video; one that has no status if the poses shown are of none."""
        run = self.of(opened) if opened.source is None else None
        return run or Run(opened, self._session.model, self.options, opened.crop, status="")

    @on_video
    def start(self, opened: OpenVideo, options: PredictOptions) -> None:
        """Predict the current video with the chosen model."""
        session = self._session
        if self.active:
            return
        if session.leave_source(opened):
            session.model_changed.emit()
        run = Run(opened, session.model, options, opened.crop)
        arguments = {
            "video": opened.path,
            "model": session.model,
            "crop": opened.crop,
            "white": opened.white,
            **vars(options),
        }
        self.begin(run, "predict", arguments, lambda event: self._on_event(run, event))

    def _on_event(self, run: Run, event: Event) -> bool:
        """Take poses in; True if nobody has to hear of the event."""
        match event:
            case Started(settings=PredictSettings(keypoints=keypoints)):
                self.prepare(run.opened, run.model, keypoints)
                run.table = run.opened.poses if self.shows(run.opened, run.model) else None
            case PosesPredicted() if run.settings is not None:
                self.fill(run.opened, run.model, run.settings.keypoints, event)
                if not self.shows(run.opened, run.model):
                    self.let_go(run.opened, run.table)
                    run.table = None
                return True
            case Finished(result=PredictResult() as result):
                self.end(run.opened, run.model, run.table, result)
        return False

    def let_go(self, opened: OpenVideo, table: PoseTable | None) -> None:
        """Take a run's table from its video: it lacks what comes while it is not shown."""
        if table is not None and opened.poses is table:
            self._session.set_poses(opened, None, opened.model)

    def end(
        self, opened: OpenVideo, model: str, table: PoseTable | None, result: PredictResult
    ) -> None:
        """Mark the poses of a run as saved; if not all of them came, have them read."""
        if result.made and table is not None and opened.poses is table:
            opened.saved = Path(result.h5)
        elif self.shows(opened, model):
            # They were there before, or came while another model's were shown.
            self._session.poses_wanted.emit(opened, Path(result.h5))

    def prepare(self, opened: OpenVideo, model: str, keypoints: KeypointSet) -> None:
        """Give a video a table for the poses of a run that finds `keypoints`."""
        self._session.keypoint_sets[keypoints.names] = keypoints
        if self.shows(opened, model):
            self._table(opened, keypoints)

    def _table(self, opened: OpenVideo, keypoints: KeypointSet) -> PoseTable:
        known, model = opened.poses, self._session.model_name
        # Frames that an earlier run did stay; a run from scratch wipes them as it passes.
        if known is not None and (opened.model, known.keypoints.names) == (model, keypoints.names):
            return known
        table = PoseTable.empty(keypoints, len(opened.video))
        opened.saved = None
        self._session.set_poses(opened, table, model)
        return table

    def fill(
        self, opened: OpenVideo, model: str, keypoints: KeypointSet, event: PosesPredicted
    ) -> None:
        """Put poses of a run into a video's table, and draw those of the frame on screen."""
        if not self.shows(opened, model):
            return
        # A new one if the user chose another model meanwhile and came back to this one.
        poses = self._table(opened, keypoints)
        inside = event.frames < len(poses)
        rows = event.frames[inside]
        xy = event.xy[inside]
        present = ~(xy != xy).any(axis=-1)
        poses.xy[rows] = xy
        poses.confidence[rows] = event.confidence[inside]
        poses.state[rows] = present * PointState.PREDICTED
        if opened is not self._session.current or not len(rows):
            return
        self.filled.emit(int(rows.min()), int(rows.max()) + 1)
        if self._session.frame in rows:
            self._session.draw_pose()
