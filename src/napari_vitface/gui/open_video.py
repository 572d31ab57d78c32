"""All that belongs to one open video: its layer, poses, labels, operations, marks and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Concatenate

from napari.layers import Image

from napari_vitface.gui.events.video_events import VideoEvents
from napari_vitface.gui.given import P, S, T, given
from napari_vitface.gui.shown_pose import ShownPose, shown_pose
from napari_vitface.gui.traces.measured import NOTHING, Measured
from napari_vitface.kinematics.operations import operations_for
from napari_vitface.pose.edits import EditHistory, Operation
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.labels import FrameLabels
from napari_vitface.video import Video

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
    from napari_vitface.jobs.events import LabelDoubted
    from napari_vitface.jobs.results.states import CompareFramesResult
    from napari_vitface.kinematics.operations import Filtered
    from napari_vitface.pose.edits import Edit
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

Operations = list[Operation]


@dataclass(frozen=True)
class Suggestion:
    """A frame worth labelling, and why in words."""

    frame: int
    why: str


@dataclass(frozen=True)
class ShownPredictions:
    """What operations made of poses.

    Attributes
    ----------
    of : PoseTable
        Poses as the model gave them.
    operations : list of Operation
    filtered : Filtered
    """

    of: PoseTable
    operations: Operations
    filtered: Filtered


class InProject:
    """The labels of a video in a project, with the number of edits since the last save."""

    def __init__(self, project: Project, document: LabelDocument) -> None:
        self.project = project
        self.document = document
        # Opening carries out again what the journal holds: just the edits since the last save.
        self._saved: tuple[Edit, ...] = ()

    @property
    def edits(self) -> int:
        """Edits that are done and were not when it was saved, or the other way round."""
        done = self.document.history.done
        pairs = zip(done, self._saved, strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
        edits = len(done) + len(self._saved) - 2 * alike
        # An undo of what was saved before the window was opened leaves no edit behind.
        return max(edits, 1) if self.document.unsaved else edits

    def note_saved(self) -> None:
        """What is done now is in the files."""
        self._saved = tuple(self.document.history.done)


@dataclass(eq=False, kw_only=True)
class Made:
    """What is known and made of a video; all empty at first, and while there is no video.

    Attributes
    ----------
    poses : PoseTable or None
        As the model gave them; row i is frame i. None: no prediction of the chosen model is known.
        What is shown of them is `predictions`.
    model : str
        Name of the model that the poses come from.
    variance : (T, K, 2) float32 or None
        Of x and y of the poses, in squared pixels, if their table has it.
    saved : Path or None
        The table on disk that the poses were read from or are written to.
    source : Path or None
        Another program's table that the poses shown were opened from; None: they are the model's.
    crop : (x, y, width, height) or None
        Part of the frame that models are to look at; None for all of it.
    white : int or None
        The white level that the user set; None: that of the data, `found_white`.
    white_of : Path or None
        Folder of the project that its white level agrees with.
    in_project : InProject or None
        Its labels; None while it is in no project, or is being opened.
    own : EditHistory
        Operations on its predictions, and their undo, as long as it is in no project.
    events : VideoEvents
        Its events; none while they are being opened.
    filtered : ShownPredictions or None
        What operations made of the poses, or of those before.
    suggestions : tuple of Suggestion
        Frames that were suggested for labelling, the best first.
    findings : list of LabelDoubted
        Of the last audit, less those that were kept as they are.
    traces : dict of str to list of MeasuredTrace
        What was measured of it, by panel of the trajectories.
    elsewhere : dict of int to str
        Frames in which a keypoint is tracked while the network looks elsewhere, and which
        keypoints these are.
    regions : dict of str to (x, y, width, height)
        Named parts of the frame in which traces are measured.
    triggers : Path or None
        Times of the camera's triggers, which are those of its frames when traces are measured.
    measured : Measured
        The table of traces that is shown of it.
    compared : CompareFramesResult or None
        Its frames beside each other, if somebody looked.
    """

    poses: PoseTable | None = None
    model: str = ""
    variance: NDArray[np.float32] | None = None
    saved: Path | None = None
    source: Path | None = None
    crop: Crop | None = None
    white: int | None = None
    found_white: int = 255
    white_of: Path | None = None
    in_project: InProject | None = None
    own: EditHistory = field(default_factory=lambda: EditHistory(FrameLabels(MOUSE_FACE)))
    events: VideoEvents = field(default_factory=VideoEvents)
    filtered: ShownPredictions | None = None
    suggestions: tuple[Suggestion, ...] = ()
    findings: list[LabelDoubted] = field(default_factory=list)
    traces: dict[str, list[MeasuredTrace]] = field(default_factory=dict)
    elsewhere: dict[int, str] = field(default_factory=dict)
    regions: dict[str, Crop] = field(default_factory=dict)
    triggers: Path | None = None
    measured: Measured = NOTHING
    compared: CompareFramesResult | None = None

    #: What is said in the ViT Face dock, and in others, by what needs a video; empty of a video.
    waiting: ClassVar[str] = "Waits for a video."
    waiting_elsewhere: ClassVar[str] = "Waits for a video: open one in the ViT Face dock."

    @property
    def path(self) -> Path:
        """Its file; that of no video is none."""
        return Path()

    @property
    def frame_count(self) -> int:
        """How many frames it has."""
        return 0

    @property
    @given("in_project")
    def document(self, place: InProject) -> LabelDocument:
        """Its labels as a document; None while it is in no project."""
        return place.document

    @property
    @given("in_project")
    def project(self, place: InProject) -> Project:
        """The project that it is in, if any."""
        return place.project

    @property
    @given("in_project")
    def project_folder(self, place: InProject) -> Path:
        """The folder of that."""
        return place.project.folder

    @property
    def labels(self) -> FrameLabels:
        """Its labels; none, of whichever keypoints, while it is in no project."""
        return self.history.labels

    @property
    def history(self) -> EditHistory:
        """What can be undone: the document's edits, else its own."""
        return self.document.history if self.document is not None else self.own

    @property
    def operations(self) -> Operations:
        """Operations that are done to the predictions, in order."""
        return [each.copy() for each in operations_for(self.history.operations, self.model)]

    @property
    def predictions(self) -> PoseTable | None:
        """Predictions as they are shown: with operations on them done."""
        shown = self.shown_filtered
        return self.poses if shown is None else shown.filtered.poses

    @property
    def shown_variance(self) -> NDArray[np.float32] | None:
        """That of `predictions`; None where it is not known."""
        shown = self.shown_filtered
        return self.variance if shown is None else shown.filtered.variance

    @property
    @given("filtered")
    def shown_filtered(self, shown: ShownPredictions) -> ShownPredictions | None:
        """`filtered`, unless it is of other poses."""
        return shown if shown.of is self.poses else None

    @property
    def keypoints(self) -> KeypointSet | None:
        """What is shown: the project's keypoints, else the model's, else None."""
        if self.document is not None:
            return self.document.keypoints
        return self.predicted_keypoints

    @property
    @given("poses")
    def predicted_keypoints(self, poses: PoseTable) -> KeypointSet:
        """Those of the predictions, if there are any."""
        return poses.keypoints

    @given("keypoints")
    def shown_pose(self, keypoints: KeypointSet, frame: int) -> ShownPose:
        """A frame as it is shown: labels win over predictions."""
        return shown_pose(keypoints, frame, self.labels, self.predictions)

    def take_traces(self, traces: Iterable[MeasuredTrace], elsewhere: Mapping[int, str]) -> None:
        """Keep traces in place of those of the same panels."""
        self.elsewhere = dict(elsewhere)
        panels: dict[str, list[MeasuredTrace]] = {}
        for trace in traces:
            panels.setdefault(trace.kind, []).append(trace)
        self.traces.update(panels)

    def traces_in(self, panel: str, keypoints: Sequence[str]) -> list[MeasuredTrace]:
        """The traces in a panel, for some keypoints, in their order."""
        traces = {trace.keypoints[0]: trace for trace in self.traces.get(panel, [])}
        return [traces[name] for name in keypoints if name in traces]


@dataclass(eq=False)
class OpenVideo(Made):
    """A video with its layer and all that is known and made of it.

    Attributes
    ----------
    label : str
        A short name that no other open video has.
    frame : int
        The frame that was on screen when the video was left.
    """

    video: Video
    layer: Image
    label: str = ""
    frame: int = 0

    waiting: ClassVar[str] = ""
    waiting_elsewhere: ClassVar[str] = ""

    @property
    def path(self) -> Path:
        return Path(self.video.path)

    @property
    def frame_count(self) -> int:
        return len(self.video)


def on_video(
    work: Callable[Concatenate[S, OpenVideo, P], T],
) -> Callable[Concatenate[S, P], T | None]:
    """A method that is given the video on screen; without one it is not called, and gives None."""
    return given("_session.current")(work)
