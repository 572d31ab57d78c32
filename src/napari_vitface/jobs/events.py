"""What a job says while it runs.

A job is a generator of these events. Its last event is `Finished`; an error that is the user's to
mend is raised as `VitFaceError` and reaches remote listeners as `Failed`. Closing the generator
cancels the job.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import one_line
from napari_vitface.record import Record, optional
from napari_vitface.settings.attention_method import MapSettings


@dataclass(frozen=True)
class Event(Record):
    """Base of all events."""


@dataclass(frozen=True, kw_only=True)
class Settings(Record):
    """What a job begins with; one that has more to tell has a subclass in `jobs.results`.

    Attributes
    ----------
    unit : str, optional
        What the job counts, in the plural; frames if it does not say.
    model : str, optional
        The model's name.
    why : str, optional
        Why it computes where and in which numbers it does.
    fresh_from : int, optional
        Frames that an earlier run had done.
    kept_in : str, optional
        The file or folder that a cancelled run leaves.
    """

    unit: str | None = optional()
    model: str | None = optional()
    why: str | None = optional()
    fresh_from: int | None = optional()
    kept_in: str | None = optional()


@dataclass(frozen=True)
class Result(Record):
    """Base of what jobs end with, each in `napari_vitface.jobs.results`; of itself nothing."""


@dataclass(frozen=True)
class Preparing(Event):
    """What is being done before the work itself can be counted: "Loading the model mouse-face"."""

    message: str


@dataclass(frozen=True)
class Started(Event):
    """A job begins. `total` counts what `Progress.done` counts (frames for predict)."""

    job: str
    total: int
    message: str = ""
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Progress(Event):
    """`done` of `total` are finished; `seconds_left` is an estimate, None while unknown."""

    done: int
    total: int
    seconds_left: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Notice(Event):
    """Something the user should know although the job goes on (a broken frame, a halved batch)."""

    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))


@dataclass(frozen=True)
class PosesPredicted(Event):
    """Poses of some frames: frames (N,) int64, xy (N, K, 2) video pixels, confidence (N, K)."""

    frames: NDArray[np.int64]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class LossMeasured(Event):
    """Where training stands between two judgements: the mean loss of the last few steps."""

    step: int
    steps: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class EpochFinished(Event):
    """A judgement on held-out frames, errors in video pixels.

    Attributes
    ----------
    step, steps : int
        Steps done, and how many there are to be; 0 is the judgement before the first.
    loss : float
        Mean since the last judgement; NaN at step 0.
    median_error, mean_error : float or None
        Of the model in training.
    mean_pose_median, mean_pose_mean : float or None
        Of the mean pose of the training labels on the same frames: the line to be under.
    best : bool
        No earlier judgement was as good.
    """

    step: int
    steps: int
    loss: float
    median_error: float | None = None
    mean_error: float | None = None
    mean_pose_median: float | None = None
    mean_pose_mean: float | None = None
    best: bool = True


@dataclass(frozen=True)
class HeldOutShown(Event):
    """A few held-out frames as the model in training sees them now.

    Attributes
    ----------
    step : int
    names : tuple of str
        The K keypoints.
    videos : tuple of str
    frames : (n,) int64
        Frame numbers, -1 where unknown.
    images : (n, H, W) or (n, H, W, 3) uint8
        Inputs of the model.
    labels, xy : (n, K, 2) float32
        Where a person placed the points and where the model does, in pixels of `images`; NaN where
        there is no label.
    confidence : (n, K) float32
        Raw.
    """

    step: int
    names: tuple[str, ...]
    videos: tuple[str, ...]
    frames: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.float32]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class AttentionComputed(Event):
    """Attention maps of one frame, or the mean over several.

    Attributes
    ----------
    frame : int
        Of a mean, the frame in the middle.
    names : tuple of str
        What each map explains: a keypoint's name, ``"global"``, or a point.
    maps : (M, gh, gw) float32
        On the patch grid: attention, or what ``settings["unit"]`` says (video pixels, confidence).
        With its prefix and own share each map of rollout, gradient rollout and relevance sums to 1.
    prefix_share : (M,) float32
        Share of attention taken by prefix tokens (class token, registers), not in `maps`.
    scale, translate : (y, x) float
        Place of the grid in the video: patch (i, j) is centred on
        ``(i * scale[0] + translate[0], j * scale[1] + translate[1])`` video pixels.
    xy, confidence : (K, 2), (K,) float32
        The pose predicted in the same forward pass.
    own_share : (M,) float32
        Share of the keypoint's own patches that "hide self" took out of `maps`.
    total : (M,) float32
        What attention was divided by to sum to 1; not 1 for relevance only.
    settings : MapSettings
        Exactly what was computed.
    """

    frame: int
    names: tuple[str, ...]
    maps: NDArray[np.float32]
    prefix_share: NDArray[np.float32]
    scale: tuple[float, float]
    translate: tuple[float, float]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    own_share: NDArray[np.float32]
    total: NDArray[np.float32]
    settings: MapSettings = field(default_factory=MapSettings)


@dataclass(frozen=True)
class AttentionMeasured(Event):
    """Attention of some frames in numbers, (N, M) each.

    Attributes
    ----------
    frames : (N,) int64
    names : tuple of str
        The M keypoints.
    entropy, near, near_even, prefix : (N, M) float32
        How spread each map is (0: one patch, 1: evenly), its share within the radius of the
        keypoint, the share that an even spread would have there, and the share of attention that
        prefix tokens took. See `napari_vitface.attention.measures`.
    verdict : (N, M) uint8
        Position in ``("near", "elsewhere", "even", "unsure")``.
    xy, confidence : (N, M, 2), (N, M) float32
        The keypoints, video pixels.
    """

    frames: NDArray[np.int64]
    names: tuple[str, ...]
    entropy: NDArray[np.float32]
    near: NDArray[np.float32]
    near_even: NDArray[np.float32]
    prefix: NDArray[np.float32]
    verdict: NDArray[np.uint8]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class FaithfulnessMeasured(Event):
    """How far keypoints move when what maps point at is blanked; the mean over the frames so far.

    Attributes
    ----------
    names : tuple of str
        What each of the M maps explains.
    frames : tuple of int
    shares : tuple of float
        The S shares of the frame's patches that were blanked.
    attended, nearest : (M, S) float32
        Moves in video pixels with the most attended patches blanked, and with those nearest to the
        keypoint blanked.
    random : (M, D, S) float32
        Moves with random patches blanked, D times.
    score, nearest_score : (M,) float32
        (attended - random) / (attended + random): 0 is chance, towards 1 better. NaN where nothing
        moved.
    explains : (M,) bool
        The map is clearly better than chance.
    """

    names: tuple[str, ...]
    frames: tuple[int, ...]
    shares: tuple[float, ...]
    attended: NDArray[np.float32]
    nearest: NDArray[np.float32]
    random: NDArray[np.float32]
    score: NDArray[np.float32]
    nearest_score: NDArray[np.float32]
    explains: NDArray[np.bool_]


@dataclass(frozen=True)
class Suggestion(Record):
    """A frame worth labelling: `score` in [0, 1], higher is more worth; `why` in words."""

    frame: int
    score: float
    why: str


@dataclass(frozen=True)
class FrameSuggested(Event, Suggestion):
    """A frame worth labelling was found."""


@dataclass(frozen=True)
class Doubt(Record):
    """Labels of one frame that are probably wrong.

    Attributes
    ----------
    video : str
    frame : int
        -1 where unknown.
    image : str
        File that the labels belong to; empty if they were audited on the video itself.
    kind : str
        "swapped", "shifted", "mixed up", "elsewhere" or "far".
    keypoints : tuple of str
        Whose labels look wrong.
    score : float
        1 is where a label begins to be odd.
    why : str
        In words.
    moves : tuple of (str, str or None)
        The fix: each of these keypoints gets the label that the second one has now, and none with
        None. Empty if there is no fix.
    """

    video: str
    frame: int
    image: str
    kind: str
    keypoints: tuple[str, ...]
    score: float
    why: str
    moves: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class LabelDoubted(Event, Doubt):
    """Labels of one frame are probably wrong.

    Attributes
    ----------
    xy, predicted : (K, 2) float64
        The labels of the frame as they were audited, NaN where there is none, and where a model
        that was not trained on them puts the points; in pixels of the video.
    """

    xy: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True)
class Finished(Event):
    """The job is done; `--json` prints the fields of `result` in the last line."""

    job: str
    result: Result = field(default_factory=Result)


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error: one sentence for the user, and the traceback for `--debug`.

    `error` is the name of its class; `unexpected` is one that is not the user's to mend, and worth
    reporting to the developers.
    """

    job: str
    message: str
    detail: str = ""
    error: str = ""
    unexpected: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))


@dataclass(frozen=True)
class Cancelled(Event):
    """A request to the engine was cancelled, or replaced by a newer one, before it was done.

    Jobs do not yield it (they are closed); the engine sends it as the last event of the request.
    """

    job: str
    message: str = ""
