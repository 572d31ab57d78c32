"""The pose table: where every keypoint is in every frame, how sure that is, and who says so."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.words import counted


class PointState(IntEnum):
    """What one point of a `PoseTable` is."""

    ABSENT = 0
    PREDICTED = 1
    LABELLED = 2
    OCCLUDED = 3


class PoseTable:
    """Keypoint positions of the frames of one video.

    Coordinates are x, y in video pixels; integer coordinates are pixel centres, (0, 0) is the
    centre of the top-left pixel, x grows right and y grows down.

    Parameters
    ----------
    keypoints : KeypointSet
        The K keypoints, in column order.
    xy : (T, K, 2) array of float
        Positions; NaN where there is no point.
    confidence : (T, K) array of float, optional
        In [0, 1]; default 1 where there is a point, 0 where not.
    state : (T, K) array of PointState, optional
        Default: predicted where there is a point, absent where not.
    frames : (T,) array of int, optional
        The video frame of each row, strictly increasing. Default: row i is frame i.

    Attributes
    ----------
    xy, confidence : float32 arrays
    state : uint8 array
    frames : int64 array
    """

    def __init__(
        self,
        keypoints: KeypointSet,
        xy: ArrayLike,
        confidence: ArrayLike | None = None,
        state: ArrayLike | None = None,
        frames: ArrayLike | None = None,
    ) -> None:
        self.keypoints = keypoints
        self.xy: NDArray[np.float32] = np.asarray(xy, dtype=np.float32)
        count = len(self.xy)
        if self.xy.shape != (count, len(keypoints), 2):
            raise ValueError(
                f"xy must have the shape (frames, {len(keypoints)}, 2), not {self.xy.shape}"
            )
        present = np.isfinite(self.xy).all(axis=-1)
        self.confidence: NDArray[np.float32] = np.asarray(
            present if confidence is None else confidence, dtype=np.float32
        )
        self.state: NDArray[np.uint8] = (
            np.where(present, PointState.PREDICTED, PointState.ABSENT).astype(np.uint8)
            if state is None
            else np.asarray(state, dtype=np.uint8)
        )
        self.frames: NDArray[np.int64] = (
            np.arange(count, dtype=np.int64)
            if frames is None
            else np.asarray(frames, dtype=np.int64)
        )
        for name, array in (("confidence", self.confidence), ("state", self.state)):
            if array.shape != present.shape:
                raise ValueError(f"{name} must have the shape {present.shape}, not {array.shape}")
        if self.frames.shape != (count,) or (count > 1 and (np.diff(self.frames) <= 0).any()):
            raise ValueError("frames must hold one strictly increasing number a row")

    def __len__(self) -> int:
        return len(self.xy)

    def __repr__(self) -> str:
        return (
            f"PoseTable({counted(len(self), 'frame')}, {counted(len(self.keypoints), 'keypoint')})"
        )

    @classmethod
    def empty(cls, keypoints: KeypointSet, count: int) -> PoseTable:
        """A table of `count` frames without any point."""
        return cls(keypoints, np.full((count, len(keypoints), 2), np.nan, dtype=np.float32))

    def row(self, frame: int) -> int | None:
        """Row of a video frame, or None if the table has none for it."""
        row = int(np.searchsorted(self.frames, frame))
        return row if row < len(self) and self.frames[row] == frame else None

    def dense(self, count: int) -> PoseTable:
        """The same poses as a table whose row i is frame i, for i below `count`."""
        table = PoseTable.empty(self.keypoints, count)
        kept = self.frames < count
        rows = self.frames[kept]
        table.xy[rows] = self.xy[kept]
        table.confidence[rows] = self.confidence[kept]
        table.state[rows] = self.state[kept]
        return table
