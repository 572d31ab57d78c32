"""What the dock works on: one session a viewer, with its videos, poses, model and engine.

Knows napari's viewer model but no widget and no Qt: the widgets call it and listen to its signals,
and tests drive it without a window. Everything here runs on the main thread; what other threads
have to say goes through `post`.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_vitface.engine import Engine, Request
from napari_vitface.errors import VitFaceError, one_line
from napari_vitface.gui.attention.follower import AttentionFollower
from napari_vitface.gui.correct.labelling import Labelling
from napari_vitface.gui.crop_tool import CropTool
from napari_vitface.gui.fine_tune.fine_tuning import FineTune
from napari_vitface.gui.overlays import Overlays
from napari_vitface.gui.predict.finding import FaceFinding
from napari_vitface.gui.predict.other_tables import read_predictions
from napari_vitface.gui.predict.prediction import Prediction
from napari_vitface.gui.shown import ShownPose, shown_pose
from napari_vitface.gui.trajectories.filters import Filters
from napari_vitface.gui.video_list.queue import VideoQueue
from napari_vitface.gui.videos import OpenVideo, Videos
from napari_vitface.jobs.outputs import find_predictions, model_stem
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.video import Video

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.crop import Crop
    from napari_vitface.jobs.events import Event
    from napari_vitface.pose.table import PoseTable

_log = logging.getLogger(__name__)

#: Runs a function on the main thread, soon; may be called from any thread.
Post = Callable[[Callable[[], None]], None]

DEFAULT_MODEL = "mouse-face"


class Session:
    """The state behind one dock. `close` lets go of everything it holds in the viewer.

    Parameters
    ----------
    viewer : napari viewer or its model
        Held weakly.
    post : callable
        Runs a function on the main thread.
    """

    video_changed = Signal()
    frame_changed = Signal(int)
    poses_changed = Signal()
    model_changed = Signal()
    crop_changed = Signal()
    #: Another device or precision is chosen to compute with.
    computing_changed = Signal()
    #: The session was closed; nothing more comes from it.
    ended = Signal()
    #: (text, level) for the user; level is "error", "warning" or "info".
    told = Signal(str, str)

    def __init__(self, viewer: ViewerModel, post: Post) -> None:
        self._viewer = weakref.ref(viewer)
        self._post = post
        self._closed = False
        self.videos = Videos(viewer)
        self.model = DEFAULT_MODEL
        self.device = "auto"
        self.precision = "auto"
        #: Names of the keypoints of each model that has been looked at.
        self.known_models: dict[str, tuple[str, ...]] = {}
        #: Keypoint sets that are known, by their names.
        self.keypoint_sets: dict[tuple[str, ...], KeypointSet] = {MOUSE_FACE.names: MOUSE_FACE}
        self.engine = Engine()
        self.overlays = Overlays(viewer)
        self.prediction = Prediction(self)
        self.attention = AttentionFollower(self)
        self.crop_tool = CropTool(self)
        self.face_finding = FaceFinding(self)
        self.labelling = Labelling(self)
        self.filters = Filters(self)
        self.marks = _marks(self)
        self.fine_tune = FineTune(self)
        self.video_list = VideoQueue(self)
        self.videos.leaving.connect(self.end_drag)
        self.videos.switched.connect(self._on_video)
        self.videos.closed.connect(self._on_video_closed)
        viewer.dims.events.point.connect(self._on_dims)
        self.videos.listen()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def viewer(self) -> ViewerModel | None:
        return self._viewer()

    # ----------------------------------------------------------------- videos

    @property
    def current(self) -> OpenVideo | None:
        """The video on screen."""
        return self.videos.current

    @property
    def frame(self) -> int:
        """Index of the frame on screen in the current video; 0 without one."""
        return self.videos.frame

    def go_to(self, frame: int) -> None:
        """Move the slider to a frame of the current video."""
        self.videos.go_to(frame)

    def add_video(self, video: Video) -> OpenVideo:
        """Show a video in the viewer and work on it."""
        viewer = self._viewer()
        assert viewer is not None
        from napari_vitface.gui.reader import video_layer

        data, options, _ = video_layer(video)
        viewer.add_layer(Image(data, **options))
        assert self.current is not None
        return self.current

    def show_video(self, path: Path, open_it: Callable[[], Video]) -> OpenVideo:
        """Work on a video that may be open already; `open_it` opens it if not."""
        opened = self.videos.find(path)
        if opened is None:
            return self.add_video(open_it())
        self.videos.show(opened)
        return opened

    @property
    def model_keypoints(self) -> KeypointSet | None:
        """The keypoints of the chosen model, as far as is known."""
        names = self.known_models.get(self.model)
        if names is None:
            return MOUSE_FACE if self.model == DEFAULT_MODEL else None
        return self.keypoint_sets.get(names) or KeypointSet(names)

    def set_crop(self, crop: Crop | None) -> None:
        """Let models look at a part of the current video's frames only."""
        if self.current is None or self.current.crop == crop:
            return
        self.current.crop = crop
        self.crop_changed.emit()
        self.attention.update()

    def choose_model(self, model: str) -> None:
        """Work with another model: a bundled one's name or a checkpoint's path.

        The poses shown are always those of the chosen model: its predictions of this video are
        read from disk if there are any.
        """
        of_other = self.current is not None and self.current.source is not None
        if model == self.model and not of_other:
            return
        self.model = model
        if self.current is not None:
            self.current.source = None
        self.model_changed.emit()
        if self.current is not None:
            self._read_saved(self.current)
        self.attention.update()

    def compute_with(self, device: str, precision: str) -> None:
        """Choose what models run on, and in which precision; "auto" for what measures best."""
        if (device, precision) == (self.device, self.precision):
            return
        self.device, self.precision = device, precision
        self.computing_changed.emit()
        self.attention.update()

    def open_predictions(self, path: Path) -> None:
        """Show what another program predicted of the current video, until a model is chosen.

        The table is only read, and nothing in it becomes a label by itself.
        """
        opened = self.current
        if opened is None or self.prediction.is_filling(opened):
            return
        sets = [self.labelling.keypoints, self.model_keypoints, *self.keypoint_sets.values()]
        known = [one for one in sets if one is not None]

        def show(result: PoseTable | Exception) -> None:
            if isinstance(result, Exception):
                self._tell_unreadable(path, result)
            else:
                opened.source, opened.saved = path, None
                self.set_poses(opened, result, path.stem)
            self.model_changed.emit()

        self.in_background(lambda: read_predictions(path, len(opened.video), known), show)

    @property
    def model_name(self) -> str:
        """The chosen model's name as files carry it."""
        return model_stem(self.model)

    def set_poses(self, opened: OpenVideo, poses: PoseTable | None, model: str) -> None:
        """Give a video its poses and draw them if it is the one on screen."""
        opened.poses, opened.model = poses, model
        if opened is self.current:
            self.filters.refresh(new=True)

    @property
    def predictions(self) -> PoseTable | None:
        """Predictions of the current video as they are shown: with operations on them done."""
        opened = self.current
        return self.filters.predictions(opened) if opened is not None else None

    def refresh_predictions(self) -> None:
        """Do the operations on the current video's predictions, and show the result."""
        self.filters.refresh()

    def shown_pose(self, frame: int) -> ShownPose | None:
        """A frame of the current video as it is shown: labels win over predictions."""
        keypoints = self.labelling.keypoints
        if self.current is None or keypoints is None:
            return None
        return shown_pose(keypoints, frame, self.labelling.labels, self.predictions)

    def draw_pose(self) -> None:
        """Draw the points of the frame on screen, unless the user is dragging one there."""
        if self.labelling.canvas.dragging:
            return
        layer = self.current.layer if self.current is not None else None
        pose = None if self.videos.beyond else self.shown_pose(self.frame)
        self.overlays.draw_pose(pose, layer)
        self.labelling.canvas.show_selection()

    def end_drag(self) -> None:
        """Let a drag in progress count up to here."""
        self.labelling.canvas.end_drag()

    # ----------------------------------------------------------------- engine and threads

    def submit(
        self, job: str, arguments: dict[str, Any], on_event: Callable[[Event], None], **options: Any
    ) -> Request:
        """Give the engine a job whose events arrive on the main thread."""

        def arrived(event: Event) -> None:
            self._post(lambda: None if self._closed else on_event(event))

        return self.engine.submit(job, arguments, on_event=arrived, **options)

    def in_background(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run `work` on a thread and `then` with its result, or its error, on the main thread."""

        def run() -> None:
            result: Any
            try:
                result = work()
            except Exception as error:
                result = error
            self._post(lambda: None if self._closed else then(result))

        threading.Thread(target=run, name="vitface-background", daemon=True).start()

    def soon(self, work: Callable[[], None]) -> None:
        """Run `work` on the main thread after what is going on now."""
        self._post(lambda: None if self._closed else work())

    def tell(self, text: str, level: str = "info") -> None:
        """Say something to the user."""
        self.told.emit(one_line(text), level)

    def close(self) -> None:
        """Stop all work, take the overlays away and disconnect from the viewer."""
        if self._closed:
            return
        self._closed = True
        viewer = self._viewer()
        if viewer is not None:
            viewer.dims.events.point.disconnect(self._on_dims)
            if _sessions.get(viewer) is self:
                del _sessions[viewer]
        self.prediction.cancel()
        self.video_list.close()
        self.attention.close()
        self.face_finding.cancel()
        self.crop_tool.close()
        self.fine_tune.close()
        self.labelling.close()
        self.overlays.close()
        # Ending the process can take seconds; a run in progress saves what it has.
        threading.Thread(target=self.engine.close, name="vitface-close", daemon=True).start()
        self.videos.close()
        self.ended.emit()

    # ----------------------------------------------------------------- what the viewer does

    def _on_video(self) -> None:
        opened = self.current
        if opened is not None:
            if len(self.videos) == 1 and opened.poses is None:
                # A new beginning, also where all layers were removed at once.
                self.overlays.want_again()
            self.overlays.arrange(opened.layer)
        self.draw_pose()
        self.video_changed.emit()
        if opened is not None:
            if opened.poses is None or (opened.model != self.model_name and opened.source is None):
                self._read_saved(opened)
            self.frame_changed.emit(self.frame)
        self.attention.update()

    def _on_video_closed(self, closed: OpenVideo) -> None:
        self.prediction.cancel(closed)
        self.face_finding.cancel(closed)
        self.labelling.documents.release(closed)

    def _on_dims(self, event: Any = None) -> None:
        if self.current is None or self.videos.switching:
            return
        if self.labelling.canvas.drag_frame not in (None, self.frame):
            # Points that are being dragged belong to the frame that is being left.
            self.end_drag()
        self.draw_pose()
        self.frame_changed.emit(self.frame)
        self.attention.update()

    def _read_saved(self, opened: OpenVideo) -> None:
        """Show the chosen model's predictions that stand beside the video, if there are any."""
        model = self.model_name
        if self.prediction.is_filling(opened) or self.video_list.is_filling(opened):
            return
        self.set_poses(opened, None, model)
        opened.saved = None
        path = find_predictions(opened.path, model)
        if path is None:
            path = self.video_list.result_of(opened.path, self.model)
        if path is None:
            return

        def read() -> PoseTable:
            from napari_vitface.formats.poses import read_poses

            poses = read_poses(path).dense(len(opened.video))
            # The table knows names only; the set of these names knows skeleton and colours.
            poses.keypoints = self.keypoint_sets.get(poses.keypoints.names, poses.keypoints)
            return poses

        def show(result: PoseTable | Exception) -> None:
            if model != self.model_name or opened.poses is not None:
                return
            if isinstance(result, Exception):
                self._tell_unreadable(path, result)
                return
            opened.saved = path
            self.set_poses(opened, result, model)

        self.in_background(read, show)

    def _tell_unreadable(self, path: Path, error: Exception) -> None:
        _log.info("cannot read %s", path, exc_info=error)
        self.tell(str(error) if isinstance(error, VitFaceError) else f"{path}: {error}", "warning")


def _marks(session: Session) -> Any:
    try:
        from napari_vitface.gui.which_frames.marks import FrameMarks
    except ImportError:
        return None
    return FrameMarks(session)


_sessions: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()


def open_session_of(viewer: ViewerModel) -> Session | None:
    """The session of a viewer, if there is one that is not closed."""
    return _sessions.get(getattr(viewer, "__wrapped__", viewer))


def session_of(viewer: ViewerModel, post: Post) -> Session:
    """The session of a viewer, made if there is none (or it was closed)."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = Session(viewer, post)
    return session
