"""Labels of many frames as arrays, to compare and combine them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.labels import FrameLabels, Point
from napari_vitface.pose.table import PointState

#: Pixels that another program's rounding may move a point by.
ROUNDING = 1e-3

#: A frame and the position of a keypoint.
Place = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """What is said about K keypoints in N frames.

    Attributes
    ----------
    frames : (N,) array of int64
        Sorted, each once.
    xy : (N, K, 2) array of float64
        NaN where no place is named.
    states : (N, K) array of uint8
        `PointState`.
    """

    frames: NDArray[np.int64]
    xy: NDArray[np.float64]
    states: NDArray[np.uint8]

    @classmethod
    def empty(cls, size: int) -> Grid:
        """No frames of `size` keypoints."""
        return cls(np.empty(0, np.int64), np.empty((0, size, 2)), np.empty((0, size), np.uint8))

    @classmethod
    def of(cls, labels: FrameLabels) -> Grid:
        return cls(*labels.arrays())

    def at(self, frames: NDArray[np.int64]) -> Grid:
        """The same at other frames, with nothing said where this grid has none.

        `frames` need not be sorted, and negative ones are frames of nothing.
        """
        size = self.states.shape[1]
        xy = np.full((len(frames), size, 2), np.nan)
        states = np.zeros((len(frames), size), np.uint8)
        if len(self.frames):
            rows = np.searchsorted(self.frames, frames).clip(max=len(self.frames) - 1)
            known = self.frames[rows] == frames
            xy[known] = self.xy[rows[known]]
            states[known] = self.states[rows[known]]
        return Grid(frames, xy, states)

    def point(self, frame: int, keypoint: int) -> Point:
        """What it says about one point."""
        row = int(np.searchsorted(self.frames, frame))
        if row >= len(self.frames) or self.frames[row] != frame:
            return Point(np.nan, np.nan, PointState.ABSENT)
        x, y = self.xy[row, keypoint].tolist()
        return Point(x, y, PointState(int(self.states[row, keypoint])))

    def points(self, places: Sequence[Place]) -> Grid:
        """Some points as a grid with one of them in each row, whatever their frame."""
        frames, keypoints = np.array(places, np.int64).reshape(-1, 2).T
        here = self.at(frames)
        rows = np.arange(len(frames))
        return Grid(
            frames, here.xy[rows, keypoints][:, None], here.states[rows, keypoints][:, None]
        )

    def to_points(self) -> list[Point]:
        """The points of a grid of one keypoint."""
        return [
            Point(x, y, PointState(state))
            for (x, y), state in zip(
                self.xy[:, 0].tolist(), self.states[:, 0].tolist(), strict=True
            )
        ]

    @classmethod
    def from_points(cls, points: Sequence[Point]) -> Grid:
        """Inverse of `to_points`; all of one frame."""
        xy = np.array([point[:2] for point in points], np.float64).reshape(-1, 1, 2)
        states = np.array([point.state for point in points], np.uint8).reshape(-1, 1)
        return cls(np.zeros(len(points), np.int64), xy, states)

    def only(self, *states: PointState) -> Grid:
        """The points in some states; nothing is said about the others."""
        kept = np.isin(self.states, states)
        xy = np.where(kept[..., None], self.xy, np.nan)
        return Grid(self.frames, xy, np.where(kept, self.states, 0).astype(np.uint8))

    def or_else(self, other: Grid) -> Grid:
        """The points of this grid, and those of one with the same frames where it says nothing."""
        silent = self.states == PointState.ABSENT
        xy = np.where(silent[..., None], other.xy, self.xy)
        return Grid(self.frames, xy, np.where(silent, other.states, self.states))


def same(one: Grid, other: Grid, rounding: float = ROUNDING) -> NDArray[np.bool_]:
    """(N, K) whether two grids with the same frames say the same, apart from rounding."""
    apart = np.abs(one.xy - other.xy) > rounding
    gone = np.isnan(one.xy) != np.isnan(other.xy)
    return (one.states == other.states) & ~(apart | gone).any(axis=-1)


def same_point(one: Point, other: Point) -> bool:
    """Whether two points say the same, apart from rounding."""
    if one.state != other.state or one.placed != other.placed:
        return False
    near = abs(one.x - other.x) <= ROUNDING and abs(one.y - other.y) <= ROUNDING
    return not one.placed or near


def all_frames(*grids: Grid) -> NDArray[np.int64]:
    """The frames of any of the grids, sorted."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(grid.frames for grid in grids)]))
