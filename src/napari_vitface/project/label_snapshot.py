"""What the files of one video's labels say, as they were found on disk.

A `Reading` has a `TableReading` of each file; rows and columns that mean nothing to the project are
told in sentences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.dlc_table import point_columns
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.predictions import Choice
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.labels import FrameLabels, Point
from napari_vitface.pose.table import PointState
from napari_vitface.project.grid import Grid, Place, same

Kind = Literal["h5", "csv"]
KINDS: tuple[Kind, ...] = ("h5", "csv")


@dataclass(frozen=True)
class TableReading:
    """One table as it was found on disk.

    Attributes
    ----------
    path : Path
    stamp : tuple or None
        Changes when the file does; None if there is no file.
    table : HeaderTable
        Without rows if there is no file or it cannot be read.
    grid : Grid
        What it says about the project's keypoints.
    places : dict
        Name of a keypoint -> coordinate -> column.
    row_frames : (rows,) array of int64
        The frame of each row, -1 for rows that are none of this video's frames.
    there : bool
        Whether it was read.
    error : str
        Why it cannot be read.
    problems : tuple of str
    """

    path: Path
    stamp: tuple[int, ...] | None
    table: HeaderTable
    grid: Grid
    places: dict[str, dict[str, int]] = field(default_factory=dict)
    row_frames: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    there: bool = False
    error: str = ""
    problems: tuple[str, ...] = ()

    @property
    def has_visible(self) -> bool:
        """Whether occluded points stand in this table."""
        return bool(self.places) and all("visible" in place for place in self.places.values())


@dataclass(frozen=True)
class Reading:
    """All files of one video's labels as they were found on disk."""

    size: int
    tables: dict[Kind, TableReading]
    visibility: TableReading

    def all_tables(self) -> list[TableReading]:
        return [*self.tables.values(), self.visibility]

    @property
    def readable(self) -> list[Kind]:
        """The tables that are there and can be read, HDF5 first."""
        return [kind for kind, table in self.tables.items() if table.there]

    @property
    def unreadable(self) -> list[Kind]:
        return [kind for kind, table in self.tables.items() if table.error]

    @property
    def occluded_in_tables(self) -> bool:
        """Whether every table that is there holds the occluded points itself."""
        there = [table for table in self.tables.values() if table.there]
        return bool(there) and all(table.has_visible for table in there)

    def grid(self, kind: Kind) -> Grid:
        """What one table alone says; nothing if it is not there."""
        return self.tables[kind].grid if kind in self.tables else Grid.empty(self.size)

    def visibility_grid(self) -> Grid:
        """What the visibility file says of occluded points."""
        return self.visibility.grid.only(PointState.OCCLUDED)

    def says(self, kind: Kind, frames: NDArray[np.int64]) -> Grid:
        """What a table and the visibility file say together, at some frames.

        A point that was placed counts more than one that is occluded.
        """
        table, hidden = self.grid(kind).at(frames), self.visibility_grid().at(frames)
        placed = table.only(PointState.LABELLED)
        return placed.or_else(table.only(PointState.OCCLUDED)).or_else(hidden)

    def said(self, kind: Kind, places: Sequence[Place]) -> list[Point]:
        """What a table and the visibility file say together about some points."""
        frames = np.unique(np.array([frame for frame, _ in places], np.int64))
        return self.says(kind, frames).points(places).to_points()

    def labels(self, keypoints: KeypointSet) -> FrameLabels:
        """The labels that the files hold; where two tables differ, those of the HDF5 file."""
        kind: Kind = self.readable[0] if self.readable else "h5"
        hidden = self.visibility_grid()
        frames = sorted({*self.grid(kind).frames.tolist(), *hidden.frames.tolist()})
        said = self.says(kind, np.array(frames, np.int64))
        return FrameLabels.from_arrays(keypoints, said.frames, said.xy, said.states)

    @property
    def problems(self) -> list[str]:
        return [sentence for table in self.all_tables() for sentence in table.problems]


def points_in(
    table: HeaderTable, places: dict[str, dict[str, int]], keypoints: KeypointSet
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Places (rows, K, 2) and states (rows, K) that a table holds."""
    count, size = len(table.values), len(keypoints)
    xy = np.full((count, size, 2), np.nan)
    states = np.zeros((count, size), np.uint8)
    for k, name in enumerate(keypoints.names):
        place = places.get(name)
        if place is None:
            continue
        found = np.stack([table.values[:, place["x"]], table.values[:, place["y"]]], axis=-1)
        # Half a point is no point.
        placed = np.isfinite(found).all(axis=-1)
        state = np.where(placed, PointState.LABELLED, PointState.ABSENT)
        if "visible" in place:
            visible = table.values[:, place["visible"]]
            state = np.where(visible == 1, PointState.OCCLUDED, state)
            state = np.where(visible == 0, PointState.ABSENT, state)
        states[:, k] = state
        shown = placed & (state != PointState.ABSENT)
        xy[shown, k] = found[shown]
    return xy, states


def places_of(
    table: HeaderTable, keypoints: KeypointSet, wanted: Choice | None = None
) -> dict[str, dict[str, int]]:
    """`point_columns`, by the names of the keypoints that the columns mean."""
    places = point_columns(table, wanted)
    meant = match_names(places, keypoints.names)
    return {meant.get(name, name): place for name, place in places.items()}


def joined(
    frames: NDArray[np.int64], xy: NDArray[np.float64], states: NDArray[np.uint8]
) -> tuple[Grid, list[int]]:
    """Rows as a grid, and the frames that several rows label differently.

    Of several rows of a frame, the first that says something about a point counts.
    """
    known, first = np.unique(frames, return_index=True)
    first = first[known >= 0]
    known = known[known >= 0]
    grid = Grid(known, xy[first], states[first])
    twice: list[int] = []
    for row in np.setdiff1d(np.flatnonzero(frames >= 0), first).tolist():
        here = int(np.searchsorted(known, frames[row]))
        mine = Grid(known[[here]], grid.xy[[here]], grid.states[[here]])
        other = Grid(known[[here]], xy[[row]], states[[row]])
        both = (mine.states != PointState.ABSENT) & (other.states != PointState.ABSENT)
        if (both & ~same(mine, other)).any():
            twice.append(int(frames[row]))
        joined = mine.or_else(other)
        grid.xy[here], grid.states[here] = joined.xy[0], joined.states[0]
    return grid, list(dict.fromkeys(twice))


def stray_parts(
    table: HeaderTable, places: dict[str, dict[str, int]], keypoints: KeypointSet
) -> list[str]:
    """About columns with points of something that is no keypoint of the project."""
    stray = [
        name
        for name, place in places.items()
        if name not in keypoints.names
        and np.isfinite(table.values[:, [place["x"], place["y"]]]).all(axis=1).any()
    ]
    if not stray:
        return []
    one = len(stray) == 1
    return [
        f"{table.path} labels {', '.join(stray)}, which {'is no keypoint' if one else 'are none'} "
        f"of the project: {'it is' if one else 'they are'} kept there and not used; add "
        f"{'it' if one else 'them'} to the keypoints to use {'it' if one else 'them'}."
    ]


def stray_rows(table: HeaderTable, names: list[str | None], frames: NDArray[np.int64]) -> list[str]:
    """About rows that are no frames of the video."""
    problems = []
    strangers = [name for name, frame in zip(names, frames, strict=True) if name and frame < 0]
    if strangers:
        shown = strangers[0] if len(strangers[0]) <= 60 else f"{strangers[0][:60]}…"
        problems.append(
            f"Rows of {table.path} that name images which are no frames of this video are kept as "
            f"they are and not used: {len(strangers)}, {shown!r} the first."
        )
    nameless = [row for row, label in enumerate(table.index.tolist()) if not row_parts(label)]
    if nameless:
        problems.append(
            f"Row {nameless[0] + 1} of {table.path} does not name its image; it is kept as it is "
            "and not used."
        )
    return problems


def row_parts(label: list[Any]) -> list[str]:
    """The folders and the file that a row names. Projects made on Windows hold backslashes."""
    return [part for level in label for part in re.split(r"[\\/]", str(level).strip()) if part]
