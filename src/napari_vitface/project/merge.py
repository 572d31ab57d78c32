"""What to do about labels that another program changed since they were read.

Three things are compared for each point: what the disk held when it was last read (the base), what
the labels in memory say (ours), and what the disk holds now (theirs). What only one side changed is
taken from that side. What both changed, differently, is a conflict, and a person decides.

Points that were not edited since are the base themselves, so they are compared all at once. For
points that were, the base is a list: besides what was read, everything that this program itself may
have written since, because it may have been stopped between two files of a save. Each *file* may
hold any of these without anybody else having changed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.pose.labels import FrameLabels, Point
from napari_vitface.pose.table import PointState
from napari_vitface.project.grid import Grid, Place, all_frames, same, same_point
from napari_vitface.project.label_snapshot import Kind, Reading


@dataclass(frozen=True)
class Conflict:
    """One point that was changed here and by another program, differently.

    Attributes
    ----------
    frame, keypoint : int
    name : str
        Of the keypoint.
    ours, theirs : Point
        In memory, and on disk.
    """

    frame: int
    keypoint: int
    name: str
    ours: Point
    theirs: Point


class SaveConflict(LabelError):
    """Nothing was saved, because another program changed the same points.

    Attributes
    ----------
    conflicts : tuple of Conflict
        By frame and keypoint.
    """

    def __init__(self, message: str, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__(message)
        self.conflicts = conflicts

    @classmethod
    def of(cls, name: str, conflicts: Sequence[Conflict]) -> SaveConflict:
        """That of the labels of a video, named."""
        first = conflicts[0]
        more = f" and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
        return cls(
            f"Another program changed labels of {name} that were changed here too: "
            f"{first.name} in frame {first.frame}{more}. Nothing was saved; choose which to keep.",
            tuple(conflicts),
        )


@dataclass
class Merge:
    """The outcome of comparing.

    Attributes
    ----------
    adopted : dict of (frame, keypoint) to Point
        Points that another program changed and nobody here did.
    conflicts : list of Conflict
    disagreeing : list of (frame, keypoint)
        Points of which the HDF5 and the CSV file say different things, neither of them known.
    """

    adopted: dict[Place, Point] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    disagreeing: list[Place] = field(default_factory=list)


def merge(
    reading: Reading,
    labels: FrameLabels,
    touched: Mapping[Place, Sequence[Point]],
    *,
    settled: bool = True,
) -> Merge:
    """Compare labels in memory with those on disk.

    Parameters
    ----------
    reading : Reading
        What is on disk now. With no readable table there is nothing to compare with: files that
        are gone do not mean that labels were deleted.
    labels : FrameLabels
    touched : mapping of (frame, keypoint) to sequence of Point
        Points that were edited since the disk was read, each with what the disk may hold of it
        without another program having changed it; the first is what was read.
    settled : bool
        Whether the HDF5 and the CSV file are known to have held the same labels before. If not,
        every point in which they differ is one to be decided.
    """
    outcome = Merge()
    if not reading.readable:
        return outcome
    ours = Grid.of(labels)
    hidden = reading.visibility_grid()
    frames = all_frames(ours, hidden, *(reading.grid(kind) for kind in reading.readable))
    ours = ours.at(frames)
    sides = [_theirs(reading, kind, ours) for kind in reading.readable]
    _compare_untouched(outcome, ours, sides, touched, settled)
    if touched:
        _compare_touched(outcome, reading, labels, ours, sides, touched, settled)
    outcome.conflicts.sort(key=lambda conflict: (conflict.frame, conflict.keypoint))
    return outcome


def _theirs(reading: Reading, kind: Kind, ours: Grid) -> Grid:
    """What the disk says by one table, at the frames of `ours`."""
    said = reading.says(kind, ours.frames)
    if not reading.visibility.there and not reading.tables[kind].has_visible:
        # No visibility file: it says nothing, rather than that nothing is occluded.
        return said.or_else(ours.only(PointState.OCCLUDED))
    return said


def _compare_untouched(
    outcome: Merge,
    ours: Grid,
    sides: Sequence[Grid],
    touched: Mapping[Place, Sequence[Point]],
    settled: bool,
) -> None:
    unlike = [~same(side, ours) for side in sides]
    apart = np.zeros_like(unlike[0])
    if len(sides) > 1 and not settled:
        apart = ~same(sides[0], sides[1])
    for row, k in np.argwhere(np.logical_or.reduce([apart, *unlike])).tolist():
        place = (int(ours.frames[row]), k)
        if place in touched:
            continue
        # Of two files, the one that differs from what was read is the one that was changed.
        points = [
            side.point(*place)
            for side, changed in zip(sides, unlike, strict=True)
            if changed[row, k]
        ]
        if apart[row, k] or (len(points) > 1 and not same_point(points[0], points[1])):
            outcome.disagreeing.append(place)
        else:
            outcome.adopted[place] = points[0]


def _compare_touched(
    outcome: Merge,
    reading: Reading,
    labels: FrameLabels,
    ours: Grid,
    sides: Sequence[Grid],
    touched: Mapping[Place, Sequence[Point]],
    settled: bool,
) -> None:
    places = list(touched)
    most = max(len(known) for known in touched.values())
    candidates = [ours.points(places)]
    for i in range(most):
        candidates.append(
            Grid.from_points([known[min(i, len(known) - 1)] for known in touched.values()])
        )
    fine = [_is_known(reading, kind, places, candidates) for kind in reading.readable]
    for i in np.flatnonzero(~np.logical_and.reduce(fine)).tolist():
        place = places[i]
        mine, known = labels.point(*place), touched[place]
        theirs = [
            side.point(*place) for side, right in zip(sides, fine, strict=True) if not right[i]
        ]
        if all(same_point(point, mine) for point in theirs):
            continue
        apart = len(theirs) > 1 and not same_point(theirs[0], theirs[1])
        if apart or (len(theirs) < len(sides) and not settled):
            outcome.disagreeing.append(place)
        elif len(known) == 1 and known[0] == mine:
            # Edited and taken back: as if it had not been edited.
            outcome.adopted[place] = theirs[0]
        else:
            name = labels.keypoints.names[place[1]]
            outcome.conflicts.append(Conflict(*place, name, mine, theirs[0]))


def _is_known(
    reading: Reading, kind: Kind, places: Sequence[Place], candidates: Sequence[Grid]
) -> NDArray[np.bool_]:
    """Of each place, whether a table and the visibility file each hold a part of a candidate."""
    has_visible = reading.tables[kind].has_visible
    in_table = reading.grid(kind).points(places)
    parts = [c if has_visible else c.only(PointState.LABELLED) for c in candidates]
    known = np.logical_or.reduce([same(in_table, part)[:, 0] for part in parts])
    if not reading.visibility.there:
        return known
    hidden = reading.visibility_grid().points(places)
    parts = [candidate.only(PointState.OCCLUDED) for candidate in candidates]
    visibility = np.logical_or.reduce([same(hidden, part)[:, 0] for part in parts])
    if has_visible:
        visibility |= hidden.states[:, 0] == PointState.ABSENT
    return known & visibility
