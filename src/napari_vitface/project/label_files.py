"""The files that hold one scorer's labels of one video.

``CollectedData_<scorer>.h5`` and ``.csv`` hold the points that were placed, one row an image.
``visibility_<scorer>.csv`` holds all points of the frames in which one is occluded. In tables of
Lightning Pose with ``visible`` columns, occluded points stand in the table itself.

What is read here is changed by `table_changes`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.dlc_table import NO_ANIMAL, point_columns
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.inside import check_inside
from napari_vitface.formats.predictions import Choice
from napari_vitface.formats.table_files import read_header_table
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.labels import FrameLabels, Point
from napari_vitface.pose.table import PointState
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Grid, Place, same

Kind = Literal["h5", "csv"]
KINDS: tuple[Kind, ...] = ("h5", "csv")
#: Columns of each keypoint in the visibility file.
HIDDEN_COORDS = ("x", "y", "visible")


@dataclass(frozen=True)
class LabelFiles:
    """Where one scorer's labels of one video are.

    Attributes
    ----------
    scorer : str
    images : Path
        Folder of the labelled images: ``labeled-data/<video>``.
    tables : dict of Kind to Path
        Where the tables are or will be.
    visibility : Path
    shared : bool
        Whether the tables hold other videos too, as Lightning Pose's do.
    animal : str or None
        The individual that new tables name, in projects of several animals.
    without_animal : frozenset of str
        Keypoints that are no animal's in such projects.
    wanted : Choice or None
        Which animal is read, where a table has several.
    root : Path
        The project's folder, in which everything is written.
    """

    scorer: str
    images: Path
    tables: dict[Kind, Path]
    visibility: Path
    root: Path
    shared: bool = False
    animal: str | None = None
    without_animal: frozenset[str] = frozenset()
    wanted: Choice | None = None

    def check_inside(self) -> None:
        """Raise `LabelError` if something would be written outside of the project."""
        check_inside(self.root, self.images, *self.tables.values(), self.visibility)

    def read(self, keypoints: KeypointSet, names: FrameNames) -> Reading:
        """What is on disk now."""
        tables: dict[Kind, TableReading] = {}
        for kind, path in self.tables.items():
            tables[kind] = self._read_table(self._new_table(path, keypoints), keypoints, names)
        none = self._new_table(self.visibility, keypoints, HIDDEN_COORDS, levels=1)
        return Reading(len(keypoints), tables, self._read_table(none, keypoints, names))

    def image_names(self) -> list[str]:
        """Every image that is there or named in a table, for numbering."""
        found = []
        if self.images.is_dir():
            found = [file.name for file in self.images.iterdir() if file.suffix.lower() == ".png"]
        for path in [*self.tables.values(), self.visibility]:
            if path.is_file():
                try:
                    table = read_header_table(path)
                except LabelError:
                    continue
                found += [name for name in self.row_names(table) if name is not None]
        return [name for name in found if not name.startswith(".")]

    def _read_table(
        self, none: HeaderTable, keypoints: KeypointSet, names: FrameNames
    ) -> TableReading:
        """What a table says, or `none`, which is empty, where it is not there."""
        path = none.path
        stamp = _stamp(path)
        nothing = TableReading(path, stamp, none, Grid.empty(len(keypoints)))
        if stamp is None:
            return nothing
        try:
            table = read_header_table(path)
            places = places_of(table, keypoints, self.wanted)
        except LabelError as error:
            return replace(nothing, error=str(error))
        row_names = self.row_names(table)
        frames = np.array(
            [-1 if name is None else _or(names.frame(name), -1) for name in row_names], np.int64
        )
        xy, states = points_in(table, places, keypoints)
        grid, twice = _joined(frames, xy, states)
        problems = [*_stray_parts(table, places, keypoints), *_stray_rows(table, row_names, frames)]
        for frame in twice:
            name = row_names[int(np.flatnonzero(frames == frame)[0])]
            problems.append(
                f"{path} labels the image {name} twice, differently; the first row counts."
            )
        return TableReading(path, stamp, table, grid, places, frames, True, "", tuple(problems))

    def _new_table(
        self,
        path: Path,
        keypoints: KeypointSet,
        coords: tuple[str, ...] = ("x", "y"),
        levels: int = 3,
    ) -> HeaderTable:
        """A table without rows, as it is made where there is none."""
        levels = 1 if self.shared else levels
        level_names: tuple[str, ...] = ("scorer", "bodyparts", "coords")
        if self.animal is not None:
            level_names = ("scorer", "individuals", "bodyparts", "coords")
        columns = [self._column(name, coord) for name in keypoints.names for coord in coords]
        return HeaderTable(
            path,
            level_names,
            columns,
            np.empty((0, levels), object),
            (None,) * levels,
            np.empty((0, len(columns))),
        )

    def _column(self, name: str, coord: str) -> tuple[str, ...]:
        if self.animal is None:
            return (self.scorer, name, coord)
        animal = NO_ANIMAL if name in self.without_animal else self.animal
        return (self.scorer, animal, name, coord)

    def row_names(self, table: HeaderTable) -> list[str | None]:
        """The image that each row names; None for rows of other videos."""
        found: list[str | None] = []
        for label in table.index.tolist():
            parts = row_parts(label)
            other = self.shared and parts[-2:-1] != [self.images.name]
            found.append(None if other or not parts else parts[-1])
        return found

    def write(self, files: dict[Path, bytes], reading: Reading) -> bool:
        """Replace files, all of them or none; False if another program changed one meanwhile.

        Raises
        ------
        OSError
            If one cannot be written; then none is replaced.
        """
        with ExitStack() as stack:
            for path, content in files.items():
                temporary = stack.enter_context(atomic_write(path))
                with temporary.open("r+b") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            if any(_stamp(table.path) != table.stamp for table in reading.all_tables()):
                stack.pop_all().__exit__(_Outdated, _Outdated(), None)
                return False
        return True


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


class _Outdated(Exception):
    """Tells `atomic_write` to throw its temporary file away."""


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


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


def _joined(
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


def _stray_parts(
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


def _stray_rows(
    table: HeaderTable, names: list[str | None], frames: NDArray[np.int64]
) -> list[str]:
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
