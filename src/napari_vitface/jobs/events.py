"""What a job says while it runs.

A job is a generator of these events. Its last event is `Finished`; an error that is the user's to
mend is raised as `VitFaceError` and reaches remote listeners as `Failed`. Closing the generator
cancels the job.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Started(Event):
    """A job begins. `total` counts what `Progress.done` counts (frames for predict)."""

    job: str
    total: int
    message: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


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


@dataclass(frozen=True)
class PosesPredicted(Event):
    """Poses of some frames: frames (N,) int64, xy (N, K, 2) video pixels, confidence (N, K)."""

    frames: NDArray[np.int64]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class EpochFinished(Event):
    """One pass of training: the loss and the held-out median and mean error in video pixels."""

    step: int
    steps: int
    loss: float
    median_error: float | None = None
    mean_error: float | None = None


@dataclass(frozen=True)
class AttentionComputed(Event):
    """Attention maps of one frame.

    Attributes
    ----------
    frame : int
    names : tuple of str
        What each map explains: a keypoint's name or ``"global"``.
    maps : (M, gh, gw) float32
        Attention on the patch grid; with its prefix and own share each rollout map sums to 1.
    prefix_share : (M,) float32
        Share of attention taken by prefix tokens (class token, registers), not in `maps`.
    scale, translate : (y, x) float
        Place of the grid in the video: patch (i, j) is centred on
        ``(i * scale[0] + translate[0], j * scale[1] + translate[1])`` video pixels.
    xy, confidence : (K, 2), (K,) float32
        The pose predicted in the same forward pass.
    settings : dict
        Exactly what was computed (method, layers, head fusion, discard, model).
    own_share : (M,) float32 or None
        Share of the keypoint's own patches that "hide self" took out of `maps`.
    """

    frame: int
    names: tuple[str, ...]
    maps: NDArray[np.float32]
    prefix_share: NDArray[np.float32]
    scale: tuple[float, float]
    translate: tuple[float, float]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    settings: dict[str, Any] = field(default_factory=dict)
    own_share: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Finished(Event):
    """The job is done; `result` is plain data that `--json` prints as the last line."""

    job: str
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error: one sentence for the user, and the traceback for `--debug`."""

    job: str
    message: str
    detail: str = ""


@dataclass(frozen=True)
class Cancelled(Event):
    """A request to the engine was cancelled, or replaced by a newer one, before it was done.

    Jobs do not yield it (they are closed); the engine sends it as the last event of the request.
    """

    job: str
    message: str = ""
