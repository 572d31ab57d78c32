"""The one place where a session gets those that work on it, and where they are joined.

Each of them knows the session and the few others that it is handed here; what else one has to tell
another is a signal, connected here. Knows no widget and no Qt: tests drive it without a window.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.attention.follower import AttentionFollower
from napari_vitface.gui.attention.tools import AttentionTools
from napari_vitface.gui.correct.labelling import Labelling
from napari_vitface.gui.crop_tool import CropTool
from napari_vitface.gui.fine_tune.fine_tuning import FineTune
from napari_vitface.gui.given import given
from napari_vitface.gui.overlays import Overlays
from napari_vitface.gui.predict.face_finding import FaceFinding
from napari_vitface.gui.predict.prediction import Prediction
from napari_vitface.gui.predict.saved import SavedPredictions
from napari_vitface.gui.session import Post, Session
from napari_vitface.gui.states.classifying import Classifying
from napari_vitface.gui.states.face_layers import FaceLayers
from napari_vitface.gui.states.frame_comparison import FrameComparison
from napari_vitface.gui.states.responses import Responses
from napari_vitface.gui.time_in_view import TimeInView
from napari_vitface.gui.traces.measuring import TraceMeasuring
from napari_vitface.gui.traces.regions import RegionTool
from napari_vitface.gui.traces.trace_layers import TraceLayers
from napari_vitface.gui.trajectories.filters import Filters
from napari_vitface.gui.video_list.queue import VideoQueue
from napari_vitface.gui.which_frames.audits import Audits
from napari_vitface.gui.which_frames.marks import FrameMarks
from napari_vitface.gui.which_frames.suggestions import Suggestions
from napari_vitface.gui.white import WhiteLevels

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.open_video import OpenVideo


class Workbench(Session):
    """A session with all that works on it, as sections and docks use it."""

    def __init__(self, viewer: ViewerModel, post: Post) -> None:
        super().__init__(viewer, post)
        self.overlays = Overlays(viewer)
        self.time_in_view = TimeInView()
        self.prediction = Prediction(self)
        self.attention = AttentionFollower(self, self.overlays)
        self.crop_tool = CropTool(self, self.overlays)
        self.face_finding = FaceFinding(self, self.crop_tool)
        self.marks = FrameMarks(self, self.prediction)
        self.labelling = Labelling(self, self.overlays, self.marks)
        self.annotating = self.labelling.annotating
        self.classifying = Classifying(self)
        self.responses = Responses(self, self.classifying, self.annotating)
        self.measuring = TraceMeasuring(self)
        self.trace_layers = TraceLayers(self, self.measuring)
        self.region_tool = RegionTool(self)
        self.white = WhiteLevels(self, self.labelling.documents)
        self.filters = Filters(self, self.labelling, self.prediction)
        self.fine_tune = FineTune(self, self.labelling)
        self.video_list = VideoQueue(self, self.prediction)
        self.saved_predictions = SavedPredictions(self, self.prediction, self.video_list)
        self.suggestions = Suggestions(self, self.marks)
        self.audits = Audits(self, self.labelling)
        self.attention_tools = AttentionTools(
            self, self.attention, self.overlays, self.labelling.selection
        )
        self.frame_comparison = FrameComparison(
            self, self.annotating, lambda: [item.path for item in self.video_list.items]
        )
        self.face_layers = FaceLayers(self, self.frame_comparison)
        self._join()
        self.listen()

    def _join(self) -> None:
        self.prediction.started.connect(self.crop_tool.let_go)
        self.labelling.document_changed.connect(self.marks.refresh)
        self.labelling.keypoints_changed.connect(self.marks.refresh)
        self.labelling.changed.connect(self.marks.note_label)
        self.video_list.traced.connect(self.measuring.note_done)
        self.view_changed.connect(self.attention.update)
        self.videos.switched.connect(self._arrange)
        self.videos.closed.connect(self._let_go_of)
        self.closing.connect(self._put_away)

    @given("current")
    def _arrange(self, opened: OpenVideo) -> None:
        """Lay the overlays on the video on screen."""
        if len(self.videos) == 1 and opened.poses is None:
            # A new beginning, also where all layers were removed at once.
            self.overlays.want_again()
        self.overlays.arrange(opened.layer)

    def _let_go_of(self, closed: OpenVideo) -> None:
        self.prediction.cancel(closed)
        self.face_finding.cancel(closed)
        self.annotating.documents.release(closed)
        self.labelling.documents.release(closed)

    def _put_away(self) -> None:
        self.prediction.cancel()
        self.video_list.close()
        self.attention.close()
        self.face_finding.cancel()
        self.fine_tune.close()
        self.classifying.runner.cancel()
        self.measuring.runner.cancel()
        self.annotating.documents.close()
        self.labelling.documents.close()
        with suppress(ReferenceError):  # The window may be gone already.
            self._leave_viewer()

    def _leave_viewer(self) -> None:
        if _open.get(self.viewer) is self:
            del _open[self.viewer]
        self.labelling.leave_viewer()
        self.crop_tool.close()
        self.attention_tools.canvas.close()
        self.frame_comparison.runner.cancel()
        self.face_layers.close()
        self.trace_layers.close()
        self.region_tool.close()
        self.overlays.close()


_open: weakref.WeakKeyDictionary[Any, Workbench] = weakref.WeakKeyDictionary()


def open_session_of(viewer: ViewerModel) -> Workbench | None:
    """The session of a viewer, if there is one that is not closed."""
    return _open.get(getattr(viewer, "__wrapped__", viewer))


def session_of(viewer: ViewerModel, post: Post) -> Workbench:
    """The session of a viewer, made if there is none (or it was closed)."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    session = _open.get(viewer)
    if session is None:
        session = _open[viewer] = Workbench(viewer, post)
    return session
