"""Labels of one video: what a person said about single points of single frames.

Three things can be said of a keypoint in a frame: it lies here, it cannot be seen (with or without
a guess at where it is), or nothing. "It cannot be seen" is kept apart from "nothing", because a
point that was deleted must not come back with the next prediction.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.words import counted


class Point(NamedTuple):
    """What is said about one keypoint in one frame.

    Attributes
    ----------
    x, y : float
        Pixels of the video; both NaN where no place is named.
    state : PointState
        LABELLED has a place, OCCLUDED may have one, ABSENT has none.

    Two points are equal if they say the same; unlike bare NaN, two unnamed places are the same.
    """

    x: float
    y: float
    state: PointState

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and _plain(self) == _plain(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_plain(self))

    @property
    def placed(self) -> bool:
        """Whether it names a place."""
        return math.isfinite(self.x) and math.isfinite(self.y)

    def to_json(self) -> Any:
        """As plain JSON data: None, ``[x, y]``, ``["occluded"]`` or ``[x, y, "occluded"]``."""
        if self.state == PointState.ABSENT:
            return None
        place = [self.x, self.y] if self.placed else []
        return [*place, "occluded"] if self.state == PointState.OCCLUDED else place

    @classmethod
    def from_json(cls, data: Any) -> Point:
        """Inverse of `to_json`; `ValueError` if `data` is nothing of the kind."""
        match data:
            case None:
                return ABSENT
            case ["occluded"]:
                return NOT_VISIBLE
            case [int() | float() as x, int() | float() as y]:
                return labelled(x, y)
            case [int() | float() as x, int() | float() as y, "occluded"]:
                return occluded(x, y)
        raise ValueError(f"{data!r} is no point")


def _plain(point: Point) -> tuple[Any, ...]:
    return (*(None if math.isnan(value) else value for value in point[:2]), int(point.state))


#: Nobody said anything.
ABSENT = Point(math.nan, math.nan, PointState.ABSENT)
#: A person said that the point cannot be seen and did not say where it is.
NOT_VISIBLE = Point(math.nan, math.nan, PointState.OCCLUDED)


def labelled(x: float, y: float) -> Point:
    """A point that a person placed."""
    return checked(Point(float(x), float(y), PointState.LABELLED))


def occluded(x: float, y: float) -> Point:
    """A point that cannot be seen, at the place where the person thinks it is."""
    return checked(Point(float(x), float(y), PointState.OCCLUDED))


def checked(point: Point) -> Point:
    """The point itself with plain numbers; `ValueError` if it says something that cannot be."""
    point = Point(float(point.x), float(point.y), PointState(point.state))
    named = point.placed
    if not named and not (math.isnan(point.x) and math.isnan(point.y)):
        raise ValueError(f"a point has both coordinates or none, not {point.x}, {point.y}")
    allowed = {
        PointState.ABSENT: not named,
        PointState.LABELLED: named,
        PointState.OCCLUDED: True,
    }
    if not allowed.get(point.state, False):
        raise ValueError(f"{point} is no label")
    return point


class FrameLabels:
    """The labels of one video.

    Only frames in which something is said take memory, and no operation on one frame depends on
    the length of the video.

    Parameters
    ----------
    keypoints : KeypointSet
        The K keypoints; labels address them by position.
    """

    def __init__(self, keypoints: KeypointSet) -> None:
        self.keypoints = keypoints
        self._rows: dict[int, tuple[NDArray[np.float64], NDArray[np.uint8]]] = {}
        self._order: list[int] = []
        self._frames: NDArray[np.int64] | None = None

    def frames(self) -> NDArray[np.int64]:
        """The frames in which anything is said, sorted; not to be written to."""
        if self._frames is None:
            self._frames = np.array(self._order, dtype=np.int64)
            self._frames.flags.writeable = False
        return self._frames

    def __contains__(self, frame: int) -> bool:
        return frame in self._rows

    def __len__(self) -> int:
        """Number of frames in which anything is said."""
        return len(self._rows)

    def __repr__(self) -> str:
        size = f"{counted(len(self), 'frame')}, {counted(len(self.keypoints), 'keypoint')}"
        return f"FrameLabels({size})"

    def point(self, frame: int, keypoint: int) -> Point:
        """What is said about a keypoint, by position, in a frame."""
        row = self._rows.get(frame)
        if row is None:
            if not 0 <= keypoint < len(self.keypoints):
                raise IndexError(f"there is no keypoint {keypoint}")
            return ABSENT
        xy, states = row
        x, y = xy[keypoint].tolist()
        return Point(x, y, PointState(int(states[keypoint])))

    def xy(self, frame: int) -> NDArray[np.float64]:
        """(K, 2) copy of the places named in a frame, NaN elsewhere."""
        if frame in self._rows:
            return self._rows[frame][0].copy()
        return np.full((len(self.keypoints), 2), np.nan)

    def states(self, frame: int) -> NDArray[np.uint8]:
        """(K,) copy of the `PointState` of each keypoint in a frame."""
        if frame in self._rows:
            return self._rows[frame][1].copy()
        return np.zeros(len(self.keypoints), dtype=np.uint8)

    def set(self, frame: int, keypoint: int, point: Point) -> None:
        """Say something else about one point; `ABSENT` takes back what was said.

        Raises
        ------
        ValueError
            If the point is half a point, a prediction, or in a negative frame.
        """
        point = checked(point)
        if frame < 0:
            raise ValueError(f"there is no frame {frame}")
        if not 0 <= keypoint < len(self.keypoints):
            raise IndexError(f"there is no keypoint {keypoint}")
        frame = int(frame)
        row = self._rows.get(frame)
        if row is None:
            if point.state == PointState.ABSENT:
                return
            row = (self.xy(frame), self.states(frame))
            self._rows[frame] = row
            insort(self._order, frame)
            self._frames = None
        xy, states = row
        xy[keypoint] = point.x, point.y
        states[keypoint] = point.state
        if point.state == PointState.ABSENT and not states.any():
            del self._rows[frame]
            del self._order[bisect_left(self._order, frame)]
            self._frames = None

    def following(self, frame: int) -> int | None:
        """The nearest frame after `frame` in which anything is said."""
        place = bisect_right(self._order, frame)
        return self._order[place] if place < len(self._order) else None

    def preceding(self, frame: int) -> int | None:
        """The nearest frame before `frame` in which anything is said."""
        place = bisect_left(self._order, frame)
        return self._order[place - 1] if place else None

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """Everything that is said: frames (N,), places (N, K, 2) and states (N, K), as copies."""
        rows = [self._rows[frame] for frame in self._order]
        size = len(self.keypoints)
        xy = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, size, 2)
        states = np.array([row[1] for row in rows], dtype=np.uint8).reshape(-1, size)
        return self.frames().copy(), xy, states

    @classmethod
    def from_arrays(
        cls,
        keypoints: KeypointSet,
        frames: NDArray[np.int64],
        xy: NDArray[np.float64],
        states: NDArray[np.uint8],
    ) -> FrameLabels:
        """Inverse of `arrays`; frames in any order, each once, rows without a point left out."""
        labels = cls(keypoints)
        for frame, places, said in zip(frames.tolist(), xy, states, strict=True):
            if said.any():
                labels._rows[frame] = (places.astype(np.float64), said.astype(np.uint8))
        labels._order = sorted(labels._rows)
        return labels

    def table(self) -> PoseTable:
        """As a `PoseTable` with one row for each frame in which anything is said."""
        frames, xy, states = self.arrays()
        return PoseTable(self.keypoints, xy, None, states, frames)

    def rename_and_append(self, keypoints: KeypointSet) -> None:
        """Take a set whose first keypoints are the present ones, whatever their names.

        Raises
        ------
        ValueError
            If the new set is shorter.
        """
        more = len(keypoints) - len(self.keypoints)
        if more < 0:
            raise ValueError("keypoints are renamed and appended, never taken away")
        self.keypoints = keypoints
        if more:
            for frame, (xy, states) in self._rows.items():
                self._rows[frame] = (
                    np.concatenate([xy, np.full((more, 2), np.nan)]),
                    np.concatenate([states, np.zeros(more, dtype=np.uint8)]),
                )
