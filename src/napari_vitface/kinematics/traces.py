"""Traces: one number a frame, taken from the positions of one or several keypoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.pose.table import PoseTable

Kind = Literal["x", "y", "speed", "confidence", "distance", "angle", "direction"]

#: Keypoints that each kind is made of.
KEYPOINTS_OF: dict[Kind, int] = {
    "x": 1,
    "y": 1,
    "speed": 1,
    "confidence": 1,
    "distance": 2,
    "angle": 3,
    "direction": 2,
}

#: What each kind is, in a sentence.
MEANING: dict[Kind, str] = {
    "x": "Position across, in pixels from the left",
    "y": "Position down, in pixels from the top",
    "speed": "Distance to the position in the frame before, by the time between the two",
    "confidence": "Confidence of the prediction, from 0 to 1",
    "distance": "Distance between two keypoints",
    "angle": "Angle at the second keypoint between the lines to the first and the third, 0 to 180°",
    "direction": "Direction from the first keypoint to the second: 0° is to the right, 90° up",
}


@dataclass(frozen=True)
class Trace:
    """What is plotted as one line.

    Attributes
    ----------
    kind : str
        "x", "y", "speed" or "confidence" of one keypoint; "distance" or "direction" of two;
        "angle" at the second of three.
    keypoints : tuple of str
        Names of the keypoints.
    name : str, optional
        What the user calls it.
    """

    kind: Kind
    keypoints: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no kind of trace {self.kind!r}; there are: {', '.join(MEANING)}")
        needed = KEYPOINTS_OF[self.kind]
        if len(self.keypoints) != needed or len(set(self.keypoints)) != needed:
            raise ValueError(
                f"{self.kind} is made of {needed} different keypoints, not {self.keypoints}"
            )

    @property
    def derived(self) -> bool:
        """Whether it is made of several keypoints."""
        return len(self.keypoints) > 1

    @property
    def label(self) -> str:
        """Its name, or what it is made of."""
        if self.name:
            return self.name
        if not self.derived:
            return f"{self.keypoints[0]} {self.kind}"
        joint = {"distance": " – ", "angle": " – ", "direction": " → "}[self.kind]
        return f"{self.kind} {joint.join(self.keypoints)}"

    def unit(self, timed: bool = True) -> str:
        """Unit of its values; see `unit_of`."""
        return unit_of(self.kind, timed)

    def renamed(self, renames: dict[str, str]) -> Trace:
        """The same of keypoints that have other names now."""
        return replace(self, keypoints=tuple(renames.get(name, name) for name in self.keypoints))

    def fits(self, table: PoseTable) -> bool:
        """Whether the table has its keypoints."""
        return all(name in table.keypoints.names for name in self.keypoints)

    def values(
        self,
        table: PoseTable,
        start: int = 0,
        stop: int | None = None,
        times: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float32]:
        """Its values in rows `start` to `stop` of a table that has a row for every frame.

        Parameters
        ----------
        times : (T,) array of float, optional
            Seconds of each row, for the speed; without them speed is in pixels a frame.

        Returns
        -------
        (stop - start,) array of float32
            NaN where a keypoint is missing, and for the speed in the first row.
        """
        stop = len(table) if stop is None else stop
        columns = [table.keypoints.index(name) for name in self.keypoints]
        if self.kind == "confidence":
            return np.ascontiguousarray(table.confidence[start:stop, columns[0]])
        if self.kind in ("x", "y"):
            return np.ascontiguousarray(table.xy[start:stop, columns[0], int(self.kind == "y")])
        if self.kind == "speed":
            before = max(0, start - 1)
            speeds = _speed(
                table.xy[before:stop, columns[0]], None if times is None else times[before:stop]
            )
            return speeds[start - before :]
        return self.measure(table.xy[start:stop, columns])

    def measure(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Its value for positions of its keypoints, frame by frame: not for speed and confidence.

        Parameters
        ----------
        xy : (N, keypoints, 2) array of float

        Returns
        -------
        (N,) array of float32
            NaN where a keypoint is missing, and for angles where two keypoints coincide.
        """
        xy = np.asarray(xy, dtype=np.float64)
        if self.kind in ("x", "y"):
            result = xy[:, 0, int(self.kind == "y")]
        elif self.kind == "distance":
            result = np.hypot(*(xy[:, 1] - xy[:, 0]).T)
        elif self.kind == "direction":
            across, down = (xy[:, 1] - xy[:, 0]).T
            # y grows downwards; people turn angles the other way. (0 - 0 is 0, but -0 is not.)
            result = np.degrees(np.arctan2(0.0 - down, across))
            result[(across == 0) & (down == 0)] = np.nan
        elif self.kind == "angle":
            one, other = xy[:, 0] - xy[:, 1], xy[:, 2] - xy[:, 1]
            cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
            result = np.degrees(np.arctan2(np.abs(cross), (one * other).sum(axis=1)))
            result[~one.any(axis=1) | ~other.any(axis=1)] = np.nan
        else:
            raise ValueError(f"{self.kind} is not known from positions of one frame")
        return result.astype(np.float32)


def unit_of(kind: Kind, timed: bool = True) -> str:
    """Unit of a kind of trace; `timed` says whether the times of the frames are known."""
    if kind == "speed":
        return "px/s" if timed else "px/frame"
    if kind == "confidence":
        return ""
    return "°" if kind in ("angle", "direction") else "px"


def _speed(xy: NDArray[np.float32], times: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Speed in each row of (N, 2) positions from the row before; NaN in the first."""
    speeds = np.full(len(xy), np.nan, dtype=np.float32)
    if len(xy) < 2:
        return speeds
    steps = np.hypot(*np.diff(xy.astype(np.float64), axis=0).T)
    if times is not None:
        between = np.diff(times)
        steps = np.divide(steps, between, out=np.full(len(steps), np.nan), where=between > 0)
    speeds[1:] = steps
    return speeds
