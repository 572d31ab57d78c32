"""One prediction run as the window sees it: ask the engine, take poses in, know how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Notice,
    PosesPredicted,
    Progress,
    Started,
)
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

if TYPE_CHECKING:
    from napari_vitface.engine import Request
    from napari_vitface.gui.session import OpenVideo, Session


@dataclass(frozen=True)
class PredictOptions:
    """What the user set beside model and video; the defaults are what most want."""

    frames: range | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: str | int = "auto"
    overlay: bool = False
    overwrite: bool = False
    output_dir: Path | None = None


@dataclass
class Run:
    """The run in progress or the last one.

    Attributes
    ----------
    status : str
        "starting", "running", "cancelling", "done", "cancelled" or "failed".
    message : str
        The error's sentence when failed.
    """

    opened: OpenVideo
    model: str
    options: PredictOptions
    status: str = "starting"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    doing: str = "Starting the engine"
    settings: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    message: str = ""

    @property
    def active(self) -> bool:
        return self.status in ("starting", "running", "cancelling")


class Prediction:
    """Runs the predict job for a session; one run at a time."""

    started = Signal()
    #: The run made progress or ended.
    changed = Signal()
    #: First and last frame (exclusive) between which the current video's poses were filled in.
    filled = Signal(int, int)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._request: Request | None = None
        self.run: Run | None = None

    @property
    def active(self) -> bool:
        """Whether a run is in progress."""
        return self.run is not None and self.run.active

    def is_filling(self, opened: OpenVideo) -> bool:
        """Whether the run in progress is writing the poses of this video and the chosen model."""
        return (
            self.run is not None
            and self.run.active
            and self.run.opened is opened
            and self.run.model == self._session.model
        )

    def start(self, options: PredictOptions) -> None:
        """Predict the current video with the chosen model."""
        session = self._session
        opened = session.current
        if opened is None or self.active:
            return
        self.run = Run(opened, session.model, options)
        arguments = {
            "video": opened.path,
            "model": session.model,
            "output_dir": options.output_dir,
            "device": options.device,
            "precision": options.precision,
            "batch_size": options.batch_size,
            "crop": opened.crop,
            "frames": options.frames,
            "overlay": options.overlay,
            "overwrite": options.overwrite,
        }
        run = self.run
        self.started.emit()
        try:
            self._request = session.submit(
                "predict", arguments, lambda event: self._on_event(run, event)
            )
        except VitFaceError as error:
            self._fail(run, str(error))
            return
        self.changed.emit()

    def cancel(self, opened: OpenVideo | None = None) -> None:
        """Stop the run (of one video, if given); what is done stays on disk."""
        run = self.run
        if run is None or not run.active or (opened is not None and run.opened is not opened):
            return
        run.status = "cancelling"
        if self._request is not None:
            self._request.cancel()
        self.changed.emit()

    def _on_event(self, run: Run, event: Event) -> None:
        match event:
            case Started():
                run.status = "running" if run.status == "starting" else run.status
                run.total = event.total
                run.settings = dict(event.settings)
                run.doing = event.message
                self._prepare_table(run)
            case Progress():
                run.done, run.total = event.done, event.total
                run.seconds_left = event.seconds_left
                run.doing = event.message
            case PosesPredicted():
                self._take(run, event)
                return
            case Notice():
                run.notices.append(event.message)
            case Finished():
                run.status = "done"
                run.result = dict(event.result)
                run.done = run.total
                if run.result.get("h5") and self._shows(run):
                    run.opened.saved = Path(run.result["h5"])
            case Cancelled():
                run.status = "cancelled"
            case Failed():
                self._fail(run, event.message)
                return
        self.changed.emit()

    def _fail(self, run: Run, message: str) -> None:
        run.status, run.message = "failed", message
        self.changed.emit()
        self._session.tell(message, "error")

    def _shows(self, run: Run) -> bool:
        """Whether the poses of the run's video on screen are those of the run's model."""
        return run.model == self._session.model

    def _prepare_table(self, run: Run) -> None:
        keypoints = KeypointSet.from_dict(run.settings["keypoints"])
        self._session.keypoint_sets[keypoints.names] = keypoints
        opened = run.opened
        known = opened.poses
        if not self._shows(run):
            return
        # Frames that an earlier run did stay; a run from scratch wipes them as it passes.
        if known is None or known.keypoints.names != keypoints.names:
            table = PoseTable.empty(keypoints, len(opened.video))
            self._session.set_poses(opened, table, self._session.model_name)

    def _take(self, run: Run, event: PosesPredicted) -> None:
        if not self._shows(run):
            return
        opened = run.opened
        if opened.poses is None:
            # The user chose another model meanwhile and came back to this one.
            self._prepare_table(run)
        assert opened.poses is not None
        inside = event.frames < len(opened.poses)
        rows = event.frames[inside]
        xy = event.xy[inside]
        present = ~(xy != xy).any(axis=-1)
        opened.poses.xy[rows] = xy
        opened.poses.confidence[rows] = event.confidence[inside]
        opened.poses.state[rows] = present * PointState.PREDICTED
        if opened is not self._session.current or not len(rows):
            return
        self.filled.emit(int(rows.min()), int(rows.max()) + 1)
        if self._session.frame in rows:
            self._session.draw_pose()
