"""The files that hold one scorer's labels of one video.

``CollectedData_<scorer>.h5`` and ``.csv`` hold the points that were placed, one row an image.
``visibility_<scorer>.csv`` holds all points of the frames in which one is occluded. In tables of
Lightning Pose with ``visible`` columns, occluded points stand in the table itself.

Files are changed cell by cell: rows of images that belong to no frame, columns of other keypoints,
animals and coordinates, and numbers that did not change stay as they are.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.dlc_table import NO_ANIMAL, point_columns
from napari_vitface.formats.header_table import HeaderTable, read_header_table, table_bytes
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Grid, Place, same

Kind = Literal["h5", "csv"]
KINDS: tuple[Kind, ...] = ("h5", "csv")

# Lightning Pose's `visible`, which is COCO's v, for each PointState, and back.
_VISIBLE = {PointState.ABSENT: 0, PointState.OCCLUDED: 1, PointState.LABELLED: 2}


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
    visibility : Path or None
        None where occluded points stand in the table.
    shared : bool
        Whether the tables hold other videos too, as Lightning Pose's do.
    animal : str or None
        The individual that new tables name, in projects of several animals.
    without_animal : frozenset of str
        Keypoints that are no animal's in such projects.
    """

    scorer: str
    images: Path
    tables: dict[Kind, Path]
    visibility: Path | None
    shared: bool = False
    animal: str | None = None
    without_animal: frozenset[str] = frozenset()

    def read(self, keypoints: KeypointSet, names: FrameNames) -> Reading:
        """What is on disk now."""
        tables: dict[Kind, TableReading] = {}
        for kind, path in self.tables.items():
            tables[kind] = self._read_table(path, keypoints, names)
        visibility = None
        if self.visibility is not None:
            visibility = self._read_table(self.visibility, keypoints, names)
        return Reading(len(keypoints), tables, visibility)

    def image_names(self) -> list[str]:
        """Every image that is there or named in a table, for numbering."""
        found = []
        if self.images.is_dir():
            found = [file.name for file in self.images.iterdir() if file.suffix.lower() == ".png"]
        for path in [*self.tables.values(), self.visibility]:
            if path is not None and path.is_file():
                try:
                    table = read_header_table(path)
                except LabelError:
                    continue
                found += [name for name in self._row_names(table) if name is not None]
        return [name for name in found if not name.startswith(".")]

    def _read_table(self, path: Path, keypoints: KeypointSet, names: FrameNames) -> TableReading:
        stamp = _stamp(path)
        if stamp is None:
            return TableReading(path, None)
        try:
            table = read_header_table(path)
            places = point_columns(table)
        except LabelError as error:
            return TableReading(path, stamp, error=str(error))
        row_names = self._row_names(table)
        frames = np.array(
            [-1 if name is None else _or(names.frame(name), -1) for name in row_names], np.int64
        )
        xy, states = _points(table, places, keypoints)
        problems = _row_problems(path, row_names, frames, xy, states)
        known, first = np.unique(frames, return_index=True)
        first = first[known >= 0]
        return TableReading(
            path,
            stamp,
            table,
            places,
            frames,
            Grid(known[known >= 0], xy[first], states[first]),
            problems=problems,
        )

    def _row_names(self, table: HeaderTable) -> list[str | None]:
        """The image that each row names; None for rows of other videos."""
        found: list[str | None] = []
        for label in table.index.tolist():
            parts = [part for level in label for part in re.split(r"[\\/]", str(level)) if part]
            other = self.shared and parts[-2:-1] != [self.images.name]
            found.append(None if other or not parts else parts[-1])
        return found

    # --- writing ----------------------------------------------------------------------------------

    def plan(
        self,
        reading: Reading,
        labels: Grid,
        exact: set[Place],
        keypoints: KeypointSet,
        names: FrameNames,
    ) -> dict[Path, bytes]:
        """The files that have to be written for the disk to say what `labels` say.

        Parameters
        ----------
        reading : Reading
            What is on disk.
        labels : Grid
        exact : set of (frame, keypoint)
            Points that are written to the last bit; others stay as they are if they differ by
            rounding alone.
        """
        files: dict[Path, bytes] = {}
        there = [reading.tables[kind] for kind in reading.readable]
        for table in reading.tables.values():
            if table.grid is None and there:
                # The missing form of a table is the other one, with all that is in it.
                copy = replace(there[0], path=table.path)
                made = self._changed_table(copy, labels, exact, keypoints, names) or copy.table
                assert made is not None
                files[table.path] = table_bytes(replace(made, path=table.path))
                continue
            made = self._changed_table(table, labels, exact, keypoints, names)
            if made is not None:
                files[table.path] = table_bytes(made)
        if self.visibility is not None and reading.visibility is not None:
            wanted = labels if not reading.occluded_in_tables else Grid.empty(len(keypoints))
            made = self._changed_visibility(reading.visibility, wanted, keypoints, names)
            if made is not None:
                files[self.visibility] = table_bytes(made)
        return files

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

    def _changed_table(
        self,
        reading: TableReading,
        labels: Grid,
        exact: set[Place],
        keypoints: KeypointSet,
        names: FrameNames,
    ) -> HeaderTable | None:
        """The table with what the labels say; None if it says so already."""
        table, frames = reading.table, reading.row_frames
        said = labels.frames[labels.states.any(axis=1)]
        new = np.setdiff1d(said, frames)
        if table is None:
            if not len(new):
                return None
            table = self._new_table(reading.path, keypoints)
            frames = np.empty(0, np.int64)
        places = point_columns(table)
        xy, states = _points(table, places, keypoints)
        wanted = _in_table(labels.at(frames), places)
        there = Grid(frames, xy, states)
        differs = ~same(there, wanted)
        if exact:
            rows, columns = _positions(exact, frames)
            bits = ~same(there, wanted, rounding=0.0)
            differs[rows, columns] |= bits[rows, columns]
        differs[frames < 0] = False
        if not differs.any() and not len(new):
            return None
        table = self._with_columns(table, places, keypoints)
        places = point_columns(table)
        values = np.concatenate(
            [table.values, np.full((len(new), table.values.shape[1]), np.nan)]
        ).astype(np.float64)
        frames = np.concatenate([frames, new])
        differs = np.concatenate([differs, np.ones((len(new), len(keypoints)), bool)])
        wanted = _in_table(labels.at(frames), places)
        for k, name in enumerate(keypoints.names):
            place, rows_k = places[name], differs[:, k]
            values[rows_k, place["x"]] = wanted.xy[rows_k, k, 0]
            values[rows_k, place["y"]] = wanted.xy[rows_k, k, 1]
            if "visible" in place:
                values[rows_k, place["visible"]] = _visible(wanted.states[rows_k, k])
            if "likelihood" in place:
                values[rows_k, place["likelihood"]] = np.nan
        index = self._with_rows(table, [names.name(frame) for frame in new.tolist()])
        order = _row_order(table.index, index)
        return replace(table, values=values[order], index=index[order])

    def _changed_visibility(
        self, reading: TableReading, labels: Grid, keypoints: KeypointSet, names: FrameNames
    ) -> HeaderTable | None:
        """The table of the frames with occluded points; None if it is right as it is."""
        occluded = (labels.states == PointState.OCCLUDED).any(axis=1)
        frames = labels.frames[occluded]
        table = reading.table
        if table is None:
            if not len(frames):
                return None
            table = self._new_table(reading.path, keypoints, ("x", "y", "visible"), levels=1)
            old_frames = np.empty(0, np.int64)
        else:
            old_frames = reading.row_frames
        kept = (old_frames < 0) | np.isin(old_frames, frames)
        places = point_columns(table)
        xy, states = _points(table, places, keypoints)
        right = same(Grid(old_frames, xy, states), labels.at(old_frames), rounding=0.0)
        new = np.setdiff1d(frames, old_frames)
        if kept.all() and right[old_frames >= 0].all() and not len(new):
            return None
        table = self._with_columns(table, places, keypoints, ("x", "y", "visible"))
        places = point_columns(table)
        values = np.concatenate(
            [table.values[kept], np.full((len(new), table.values.shape[1]), np.nan)]
        ).astype(np.float64)
        frames = np.concatenate([old_frames[kept], new])
        ours = frames >= 0
        wanted = labels.at(frames)
        for k, name in enumerate(keypoints.names):
            place = places[name]
            values[ours, place["x"]] = wanted.xy[ours, k, 0]
            values[ours, place["y"]] = wanted.xy[ours, k, 1]
            values[ours, place["visible"]] = _visible(wanted.states[ours, k])
        table = replace(table, index=table.index[kept])
        index = self._with_rows(table, [names.name(frame) for frame in new.tolist()])
        order = _row_order(table.index, index)
        return replace(table, values=values[order], index=index[order])

    def _new_table(
        self,
        path: Path,
        keypoints: KeypointSet,
        coords: tuple[str, ...] = ("x", "y"),
        levels: int = 3,
    ) -> HeaderTable:
        levels = 1 if self.shared else levels
        level_names: tuple[str, ...] = ("scorer", "bodyparts", "coords")
        if self.animal is not None:
            level_names = ("scorer", "individuals", "bodyparts", "coords")
        columns = [
            self._column(self.scorer, name, coord) for name in keypoints.names for coord in coords
        ]
        return HeaderTable(
            path,
            level_names,
            columns,
            np.empty((0, levels), object),
            (None,) * levels,
            np.empty((0, len(columns))),
        )

    def _column(self, scorer: str, name: str, coord: str) -> tuple[str, ...]:
        if self.animal is None:
            return (scorer, name, coord)
        return (scorer, NO_ANIMAL if name in self.without_animal else self.animal, name, coord)

    def _with_columns(
        self,
        table: HeaderTable,
        places: dict[str, dict[str, int]],
        keypoints: KeypointSet,
        coords: tuple[str, ...] = ("x", "y"),
    ) -> HeaderTable:
        """The table with columns for all keypoints, the new ones empty and at its end."""
        some = next(iter(places.values()), {})
        wanted = dict.fromkeys((*coords, *(coord for coord in some if coord == "visible")))
        present = set(table.columns)
        animals = [column[1] for column in table.columns if len(column) == 4]
        new = []
        for name in keypoints.names:
            for coord in wanted:
                if coord in places.get(name, {}):
                    continue
                column: tuple[str, ...] = (table.columns[0][0], name, coord)
                if animals:
                    own = self.animal if self.animal in animals else animals[0]
                    animal = NO_ANIMAL if name in self.without_animal else own
                    column = (column[0], str(animal), *column[1:])
                if column not in present:
                    new.append(column)
        values = np.full((len(table.values), len(new)), np.nan)
        return replace(
            table,
            columns=[*table.columns, *new],
            values=np.concatenate([table.values, values], axis=1),
        )

    def _with_rows(self, table: HeaderTable, new: list[str]) -> NDArray[Any]:
        """The row labels of a table with more images at its end, named as the others are."""
        if not new:
            return table.index
        levels = table.index.shape[1]
        own = [
            label
            for label, name in zip(table.index.tolist(), self._row_names(table), strict=True)
            if name is not None
        ]
        start = own[0] if own else None
        rows: list[list[str]] = []
        for name in new:
            if levels > 1:
                before = start[:-1] if start else ["labeled-data", self.images.name][-levels + 1 :]
                rows.append([*before, name])
            else:
                folder = re.sub(r"[^\\/]*$", "", str(start[0])) if start else None
                usual = f"labeled-data/{self.images.name}/"
                rows.append([f"{usual if folder is None else folder}{name}"])
        added = np.array(rows, dtype=object).reshape(len(new), levels)
        return np.concatenate([table.index.astype(object), added])


@dataclass(frozen=True)
class TableReading:
    """One table as it was found on disk.

    Attributes
    ----------
    path : Path
    stamp : tuple or None
        Changes when the file does; None if there is no file.
    table : HeaderTable or None
        None if there is no file or it cannot be read.
    places : dict
        Name of a keypoint -> coordinate -> column.
    row_frames : (rows,) array of int64
        The frame of each row, -1 for rows that are none of this video's frames.
    grid : Grid or None
        What it says about the project's keypoints.
    error : str
        Why it cannot be read.
    problems : tuple of str
    """

    path: Path
    stamp: tuple[int, ...] | None
    table: HeaderTable | None = None
    places: dict[str, dict[str, int]] | None = None
    row_frames: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    grid: Grid | None = None
    error: str = ""
    problems: tuple[str, ...] = ()

    @property
    def has_visible(self) -> bool:
        """Whether occluded points stand in this table."""
        places = self.places or {}
        return bool(places) and all("visible" in place for place in places.values())


@dataclass(frozen=True)
class Reading:
    """All files of one video's labels as they were found on disk."""

    size: int
    tables: dict[Kind, TableReading]
    visibility: TableReading | None

    def all_tables(self) -> list[TableReading]:
        return [*self.tables.values(), *([self.visibility] if self.visibility else [])]

    @property
    def readable(self) -> list[Kind]:
        """The tables that are there and can be read, HDF5 first."""
        return [kind for kind, table in self.tables.items() if table.grid is not None]

    @property
    def unreadable(self) -> list[Kind]:
        return [kind for kind, table in self.tables.items() if table.error]

    @property
    def occluded_in_tables(self) -> bool:
        """Whether every table that is there holds the occluded points itself."""
        there = [table for table in self.tables.values() if table.table is not None]
        return bool(there) and all(table.has_visible for table in there)

    def grid(self, kind: Kind) -> Grid:
        """What one table alone says; nothing if it is not there."""
        grid = self.tables[kind].grid if kind in self.tables else None
        return Grid.empty(self.size) if grid is None else grid

    def visibility_grid(self) -> Grid:
        """What the visibility file says of occluded points."""
        found = self.visibility.grid if self.visibility is not None else None
        return Grid.empty(self.size) if found is None else found.only(PointState.OCCLUDED)

    def says(self, kind: Kind, frames: NDArray[np.int64]) -> Grid:
        """What a table and the visibility file say together, at some frames.

        A point that was placed counts more than one that is occluded.
        """
        table, hidden = self.grid(kind).at(frames), self.visibility_grid().at(frames)
        placed = table.only(PointState.LABELLED)
        return placed.or_else(table.only(PointState.OCCLUDED)).or_else(hidden)

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


def _points(
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


def _in_table(grid: Grid, places: dict[str, dict[str, int]]) -> Grid:
    """The part of what is said that stands in a table with these columns."""
    if places and all("visible" in place for place in places.values()):
        return grid
    return grid.only(PointState.LABELLED)


def _visible(states: NDArray[np.uint8]) -> NDArray[np.float64]:
    codes = np.zeros(max(_VISIBLE) + 1)
    for state, code in _VISIBLE.items():
        codes[state] = code
    return codes[states]


def _positions(
    points: set[Place], frames: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and keypoints of points in a table with one frame a row."""
    rows_of: dict[int, list[int]] = {}
    for row, frame in enumerate(frames.tolist()):
        rows_of.setdefault(frame, []).append(row)
    found = [(row, k) for frame, k in points for row in rows_of.get(frame, ())]
    both = np.array(found, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _row_order(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.int64] | slice:
    """Where a table's rows go: sorted, as DeepLabCut does, if they were sorted before."""
    before = [tuple(map(str, label)) for label in old.tolist()]
    if before != sorted(before) or len(old) == len(new):
        return slice(None)
    after = [tuple(map(str, label)) for label in new.tolist()]
    return np.array(sorted(range(len(after)), key=after.__getitem__), np.int64)


def _row_problems(
    path: Path,
    names: list[str | None],
    frames: NDArray[np.int64],
    xy: NDArray[np.float64],
    states: NDArray[np.uint8],
) -> tuple[str, ...]:
    problems = []
    strangers = [name for name, frame in zip(names, frames, strict=True) if name and frame < 0]
    if strangers:
        problems.append(
            f"{len(strangers)} rows of {path} name images that are no frames of this video "
            f"({strangers[0]}); they are kept as they are and not shown."
        )
    own = frames[frames >= 0]
    for frame in np.unique(own)[np.unique(own, return_counts=True)[1] > 1].tolist():
        rows = np.flatnonzero(frames == frame)
        first, others = np.repeat(rows[:1], len(rows) - 1), rows[1:]
        alike = same(
            Grid(others, xy[first], states[first]), Grid(others, xy[others], states[others])
        )
        if not alike.all():
            problems.append(
                f"{path} labels frame {frame} twice, differently; the first row counts."
            )
    return tuple(problems)
