"""What the window works on: the videos of a viewer, the model, the engine, and signals.

Knows napari's viewer model but no widget, no Qt and none of those that work on it: they are made in
`workbench.py`, call it and listen to its signals. Everything here runs on the main thread; what
other threads have to say goes through `post`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_vitface.engine import Engine, Request
from napari_vitface.errors import one_line
from napari_vitface.gui.connections import Connections
from napari_vitface.gui.error_sentences import note_failure, sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.kept_choices import choices_of
from napari_vitface.gui.model_info import bundled_names
from napari_vitface.gui.open_video import Made, OpenVideo
from napari_vitface.gui.open_videos import Videos, open_for_window, opening, video_layer
from napari_vitface.gui.shown_pose import ShownPose
from napari_vitface.gui.wait_dialog import run_waiting
from napari_vitface.gui.weak_attribute import WeakAttribute
from napari_vitface.jobs.events import Failed, Notice
from napari_vitface.jobs.outputs import model_stem
from napari_vitface.jobs.video_events import VideoFailed
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.video import Video
from napari_vitface.words import in_window

if TYPE_CHECKING:
    import numpy as np
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
    from napari_vitface.jobs.events import Event
    from napari_vitface.pose.table import PoseTable

#: Runs a function on the main thread, soon; may be called from any thread.
Post = Callable[[Callable[[], None]], None]

DEFAULT_MODEL = "mouse-face"


class Session:
    """The state that all parts of a window share; who uses it begins with `listen`.

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
    #: Something else was measured of a video.
    traces_changed = Signal()
    model_changed = Signal()
    crop_changed = Signal()
    #: Another device or precision is chosen to compute with.
    computing_changed = Signal()
    #: What the frame on screen shows is to be drawn again.
    pose_changed = Signal()
    #: (`OpenVideo`): it was given other poses, or none.
    poses_given = Signal(object)
    #: (`OpenVideo`, path or None): its predictions by the chosen model are to be read, of this file
    #: or of one that is looked for.
    poses_wanted = Signal(object, object)
    #: Another video, frame, crop, model or way of computing: what is computed for the screen is
    #: to be asked for anew, after all others heard of it.
    view_changed = Signal()
    #: The session is being closed: work is to stop, and the viewer to be let go of.
    closing = Signal()
    #: The session was closed; nothing more comes from it.
    ended = Signal()
    #: (text, level) for the user; level is "error", "warning" or "info".
    told = Signal(str, str)

    #: Raises `ReferenceError` once it is gone.
    viewer = WeakAttribute["ViewerModel"]()

    def __init__(self, viewer: ViewerModel, post: Post) -> None:
        self.viewer = viewer
        #: What was chosen in this window, perhaps in an earlier session.
        self.kept = choices_of(viewer)
        self._connections = Connections()
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

    def listen(self) -> None:
        """Follow the viewer, and take in the videos that are there."""
        self.videos.switched.connect(self._on_video)
        self._connections.connect(self.viewer.dims.events.point, self._on_dims)
        self.videos.listen()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    # ----------------------------------------------------------------- videos

    @property
    def current(self) -> OpenVideo | None:
        """The video on screen."""
        return self.videos.current

    @property
    def made(self) -> Made:
        """What is known and made of the current video; empty, and not kept, without one."""
        return self.current or Made()

    @property
    def frame(self) -> int:
        """Index of the frame on screen in the current video; 0 without one."""
        return self.videos.frame

    def go_to(self, frame: int) -> None:
        """Move the slider to a frame of the current video."""
        self.videos.go_to(frame)

    def add_video(self, video: Video) -> OpenVideo:
        """Show a video in the viewer and work on it."""
        data, options, _ = video_layer(video)
        layer = self.viewer.add_layer(Image(data, **options))
        return next(opened for opened in self.videos if opened.layer is layer)

    def show_video(self, path: Path) -> OpenVideo | None:
        """Work on a video that may be open already; None, and it is told why, if it cannot be."""
        opened = self.videos.find(path)
        if opened is not None:
            self.videos.show(opened)
            return opened
        try:
            return self.add_video(run_waiting(lambda: open_for_window(path), opening(path)))
        except Exception as error:
            # Whatever a file does to a library: a sentence, and nothing else is lost.
            self.tell(sentence_of("opening the video", error), "error")
            return None

    @property
    def folder(self) -> str:
        """That of the current video, where dialogs begin; empty without one."""
        return str(self.current.path.parent) if self.current is not None else ""

    @property
    def model_keypoints(self) -> KeypointSet | None:
        """The keypoints of the chosen model, as far as is known."""
        names = self.known_models.get(self.model)
        if names is None:
            return MOUSE_FACE if self.model in bundled_names() else None
        return self.keypoint_sets.get(names) or KeypointSet(names)

    @given("current")
    def set_crop(self, opened: OpenVideo, crop: Crop | None) -> None:
        """Let models look at a part of the current video's frames only."""
        if opened.crop == crop:
            return
        opened.crop = crop
        self.crop_changed.emit()
        self.view_changed.emit()

    def choose_model(self, model: str) -> None:
        """Work with another model: a bundled one's name or a checkpoint's path.

        The poses shown are always those of the chosen model: its predictions of this video are
        read from disk if there are any.
        """
        if model == self.model and self.made.source is None:
            return
        self.model = model
        if self.current is not None:
            self.leave_source(self.current)
        self.model_changed.emit()
        if self.current is not None:
            self.poses_wanted.emit(self.current, None)
        self.view_changed.emit()

    def leave_source(self, opened: OpenVideo) -> bool:
        """Show no longer what another program found; whether that was shown."""
        if opened.source is None:
            return False
        # A run may be filling in the chosen model's poses, and these are not among them.
        opened.source = None
        self.set_poses(opened, None, self.model_name)
        return True

    def compute_with(self, device: str, precision: str) -> None:
        """Choose what models run on, and in which precision; "auto" for what measures best."""
        if (device, precision) == (self.device, self.precision):
            return
        self.device, self.precision = device, precision
        self.computing_changed.emit()
        self.view_changed.emit()

    @property
    def model_name(self) -> str:
        """The chosen model's name as files carry it."""
        return model_stem(self.model)

    def set_poses(
        self,
        opened: OpenVideo,
        poses: PoseTable | None,
        model: str,
        variance: NDArray[np.float32] | None = None,
    ) -> None:
        """Give a video its poses; they are drawn if it is the one on screen."""
        opened.poses, opened.model, opened.variance = poses, model, variance
        self.poses_given.emit(opened)

    def put_traces(
        self, opened: OpenVideo, traces: Iterable[MeasuredTrace], elsewhere: Mapping[int, str]
    ) -> None:
        """Have traces plotted of a video, in place of those of the same panels."""
        opened.take_traces(traces, elsewhere)
        self.traces_changed.emit()

    @property
    def predictions(self) -> PoseTable | None:
        """Predictions of the current video as they are shown: with operations on them done."""
        return self.made.predictions

    def shown_pose(self, frame: int) -> ShownPose | None:
        """A frame of the current video as it is shown: labels win over predictions."""
        return self.made.shown_pose(frame)

    @property
    def pose(self) -> ShownPose | None:
        """The frame on screen as it is shown; None where there are no keypoints."""
        return self.shown_pose(self.frame)

    def draw_pose(self) -> None:
        """Have the points of the frame on screen drawn again."""
        self.pose_changed.emit()

    # ----------------------------------------------------------------- engine and threads

    def submit(
        self,
        job: str,
        arguments: Mapping[str, object],
        on_event: Callable[[Event], None],
        **options: Any,
    ) -> Request:
        """Give the engine a job whose events arrive on the main thread."""

        def arrived(event: Event) -> None:
            self._post(lambda: None if self._closed else take(event))

        def take(event: Event) -> None:
            match event:
                case Failed() | Notice():
                    event = replace(event, message=in_window(event.message))
                case VideoFailed(failed=failed):
                    sentence = in_window(failed.message)
                    event = replace(event, failed=replace(failed, message=sentence))
            if isinstance(event, Failed):
                note_failure(event)
            on_event(event)

        return self.engine.submit(job, arguments, on_event=arrived, **options)

    def in_background(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run `work` on a thread and `then` with its result, or its error, on the main thread."""

        def run() -> None:
            result: Any
            try:
                result = work()
            except Exception as error:
                result = error

            def ended() -> None:
                # What the thread holds of the window is let go of on the main thread at last.
                thread.join()
                if not self._closed:
                    then(result)

            self._post(ended)

        thread = threading.Thread(target=run, name="vitface-background", daemon=True)
        thread.start()

    def soon(self, work: Callable[[], None]) -> None:
        """Run `work` on the main thread after what is going on now."""
        self._post(lambda: None if self._closed else work())

    def tell(self, text: str, level: str = "info") -> None:
        """Say something to the user."""
        self.told.emit(one_line(text), level)

    def close(self) -> None:
        """Have all work stopped, and disconnect from the viewer."""
        if self._closed:
            return
        self._closed = True
        self._connections.undo()
        self.closing.emit()
        # Ending the process can take seconds; a run in progress saves what it has.
        threading.Thread(target=self.engine.close, name="vitface-close", daemon=True).start()
        with suppress(ReferenceError):  # The window may be gone already.
            self.videos.close()
        self.ended.emit()

    # ----------------------------------------------------------------- what the viewer does

    def _on_video(self) -> None:
        self.draw_pose()
        self.video_changed.emit()
        self._begin_with()
        self.view_changed.emit()

    @given("current")
    def _begin_with(self, opened: OpenVideo) -> None:
        if opened.poses is None or (opened.model != self.model_name and opened.source is None):
            self.poses_wanted.emit(opened, None)
        self.frame_changed.emit(self.frame)

    @given("current")
    def _on_dims(self, opened: OpenVideo, event: Any = None) -> None:
        if self.videos.switching:
            return
        self.draw_pose()
        self.frame_changed.emit(self.frame)
        self.view_changed.emit()
