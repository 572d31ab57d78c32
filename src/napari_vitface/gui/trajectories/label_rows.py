"""Labels of a video as arrays, one row a labelled frame, kept up to date frame by frame."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from napari_vitface.kinematics import Trace
from napari_vitface.pose.labels import FrameLabels
from napari_vitface.pose.table import PointState


class LabelRows:
    """What a person said, for drawing: positions and states in the frames that hold labels.

    Attributes
    ----------
    keypoints : KeypointSet
    frames : (L,) int64
        Sorted.
    xy : (L, K, 2) float64
    states : (L, K) uint8
        `PointState`.
    """

    def __init__(self, labels: FrameLabels) -> None:
        self.keypoints = labels.keypoints
        self.frames: NDArray[np.int64] = labels.frames().copy()
        size = len(labels.keypoints)
        rows = [(labels.xy(int(f)), labels.states(int(f))) for f in self.frames]
        self.xy: NDArray[np.float64] = np.array([xy for xy, _ in rows]).reshape(-1, size, 2)
        states = np.array([s for _, s in rows], dtype=np.uint8)
        self.states: NDArray[np.uint8] = states.reshape(-1, size)

    def update(self, labels: FrameLabels, frame: int) -> None:
        """Take in the labels of one frame."""
        row = int(np.searchsorted(self.frames, frame))
        known = row < len(self.frames) and self.frames[row] == frame
        if frame not in labels:
            if known:
                self.frames = np.delete(self.frames, row)
                self.xy = np.delete(self.xy, row, axis=0)
                self.states = np.delete(self.states, row, axis=0)
            return
        if not known:
            self.frames = np.insert(self.frames, row, frame)
            self.xy = np.insert(self.xy, row, np.nan, axis=0)
            self.states = np.insert(self.states, row, 0, axis=0)
        self.xy[row] = labels.xy(frame)
        self.states[row] = labels.states(frame)

    def copy(self) -> LabelRows:
        """The same, not to be changed by later updates."""
        other = copy.copy(self)
        other.xy, other.states = self.xy.copy(), self.states.copy()
        return other

    def between(self, start: int, stop: int) -> slice:
        """Rows of the frames from `start` to `stop` (exclusive)."""
        first, last = np.searchsorted(self.frames, [start, stop])
        return slice(int(first), int(last))

    def middle(self, trace: Trace) -> float:
        """Median of a trace over all labelled frames; 0 if none has it."""
        frames = self.frames
        _, values, _ = self.values(trace, 0, int(frames[-1]) + 1 if len(frames) else 0)
        return float(np.median(values)) if values.size else 0.0

    def values(
        self, trace: Trace, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
        """Values of a trace where all its keypoints were placed by a person.

        Returns
        -------
        frames : (N,) int64
        values : (N,) float32
        seen : (N,) bool
            False where one of the keypoints is called occluded.

        Empty for speed and confidence, which labels do not have.
        """
        nothing = np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, bool)
        keypoints = self.keypoints
        if trace.kind in ("speed", "confidence"):
            return nothing
        if not set(trace.keypoints) <= set(keypoints.names):
            return nothing
        rows = self.between(start, stop)
        columns = [keypoints.index(name) for name in trace.keypoints]
        values = trace.measure(self.xy[rows][:, columns])
        placed = np.isfinite(values)
        seen = (self.states[rows][:, columns] == PointState.LABELLED).all(axis=1)
        return self.frames[rows][placed], values[placed], seen[placed]
