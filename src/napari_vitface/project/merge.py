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

from napari_vitface.errors import LabelError
from napari_vitface.pose.labels import ABSENT, FrameLabels, Point
from napari_vitface.pose.table import PointState
from napari_vitface.project.grid import Grid, Place, all_frames, same, same_point
from napari_vitface.project.label_files import Kind, Reading


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
        without another program having changed it.
    settled : bool
        Whether the HDF5 and the CSV file are known to have held the same labels before. If not,
        every point in which they differ is one to be decided.
    """
    outcome = Merge()
    kinds = reading.readable
    if not kinds:
        return outcome
    ours = Grid.of(labels)
    hidden = reading.visibility_grid()
    frames = all_frames(ours, hidden, *(reading.grid(kind) for kind in kinds))
    ours = ours.at(frames)
    sides = [_theirs(reading, kind, ours) for kind in kinds]
    unlike = [~same(side, ours) for side in sides]
    apart = np.zeros_like(unlike[0])
    if len(sides) > 1 and not settled:
        apart = ~same(sides[0], sides[1])
    for row, k in np.argwhere(np.logical_or.reduce([apart, *unlike])).tolist():
        place = (int(frames[row]), k)
        if place in touched:
            continue
        if apart[row, k]:
            outcome.disagreeing.append(place)
            continue
        # Of two files, the one that differs from what was read is the one that was changed.
        points = [
            side.point(*place)
            for side, changed in zip(sides, unlike, strict=True)
            if changed[row, k]
        ]
        if len(points) > 1 and not same_point(points[0], points[1]):
            outcome.disagreeing.append(place)
        else:
            outcome.adopted[place] = points[0]
    for place, known in touched.items():
        _compare_touched(outcome, reading, labels, place, known, kinds, sides, settled)
    outcome.conflicts.sort(key=lambda conflict: (conflict.frame, conflict.keypoint))
    return outcome


def _theirs(reading: Reading, kind: Kind, ours: Grid) -> Grid:
    """What the disk says by one table, at the frames of `ours`."""
    said = reading.says(kind, ours.frames)
    missing = reading.visibility is not None and reading.visibility.table is None
    if missing and not reading.tables[kind].has_visible:
        # No visibility file: it says nothing, rather than that nothing is occluded.
        return said.or_else(ours.only(PointState.OCCLUDED))
    return said


def _compare_touched(
    outcome: Merge,
    reading: Reading,
    labels: FrameLabels,
    place: Place,
    known: Sequence[Point],
    kinds: Sequence[Kind],
    sides: Sequence[Grid],
    settled: bool,
) -> None:
    mine = labels.point(*place)
    if all(_is_known(reading, kind, place, [*known, mine]) for kind in kinds):
        return
    theirs = [
        side.point(*place)
        for kind, side in zip(kinds, sides, strict=True)
        if not _is_known(reading, kind, place, [*known, mine])
    ]
    if all(same_point(point, mine) for point in theirs):
        return
    apart = len(theirs) > 1 and not same_point(theirs[0], theirs[1])
    if apart or (len(theirs) < len(kinds) and not settled):
        outcome.disagreeing.append(place)
    elif len(known) == 1 and known[0] == mine:
        outcome.adopted[place] = theirs[0]
    else:
        name = labels.keypoints.names[place[1]]
        outcome.conflicts.append(Conflict(*place, name, mine, theirs[0]))


def _is_known(reading: Reading, kind: Kind, place: Place, known: Sequence[Point]) -> bool:
    """Whether a table and the visibility file each hold a part of a known point."""
    table = reading.tables[kind]
    found = reading.grid(kind).point(*place)
    in_table = [p if table.has_visible else _only(p, PointState.LABELLED) for p in known]
    if not any(same_point(found, point) for point in in_table):
        return False
    if reading.visibility is None or reading.visibility.table is None:
        return True
    hidden = reading.visibility_grid().point(*place)
    return any(same_point(hidden, _only(point, PointState.OCCLUDED)) for point in known) or (
        hidden == ABSENT and table.has_visible
    )


def _only(point: Point, state: PointState) -> Point:
    return point if point.state == state else ABSENT
