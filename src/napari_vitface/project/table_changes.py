"""Changing label tables cell by cell, so that everything else in them stays as it is.

What stays: rows of images that are no frames of the video, columns of other keypoints, animals and
coordinates, and numbers that did not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.dlc_table import NO_ANIMAL, point_columns
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.table_files import table_bytes
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Grid, Place, same
from napari_vitface.project.label_files import HIDDEN_COORDS, LabelFiles
from napari_vitface.project.label_snapshot import Reading, TableReading, places_of, points_in

# Lightning Pose's `visible`, which is COCO's v, for each PointState.
_VISIBLE = {PointState.ABSENT: 0, PointState.OCCLUDED: 1, PointState.LABELLED: 2}

Places = dict[str, dict[str, int]]


@dataclass(frozen=True)
class TableChanges:
    """Makes the content of label files from labels and from what is in the files now.

    Attributes
    ----------
    files : LabelFiles
    keypoints : KeypointSet
    names : FrameNames
    """

    files: LabelFiles
    keypoints: KeypointSet
    names: FrameNames

    def plan(self, reading: Reading, labels: Grid, exact: set[Place]) -> dict[Path, bytes]:
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
        visible = self._needs_visible(reading, labels)
        for table in reading.tables.values():
            if not table.there and there:
                # The missing form of a table is the other one, with all that is in it.
                copy = replace(there[0], path=table.path)
                whole = self._changed_table(copy, labels, exact, visible) or copy.table
                files[table.path] = table_bytes(replace(whole, path=table.path))
                continue
            made = self._changed_table(table, labels, exact, visible)
            if made is not None:
                files[table.path] = table_bytes(made)
        in_tables = reading.occluded_in_tables or visible
        wanted = Grid.empty(len(self.keypoints)) if in_tables else labels
        made = self._changed_visibility(reading.visibility, wanted)
        if made is not None:
            files[self.files.visibility] = table_bytes(made)
        return files

    def _changed_table(
        self,
        reading: TableReading,
        labels: Grid,
        exact: set[Place],
        visible: bool,
    ) -> HeaderTable | None:
        """The table with what the labels say; None if it says so already."""
        table, frames = reading.table, reading.row_frames
        said = labels.frames[labels.states.any(axis=1)]
        new = np.setdiff1d(said, frames)
        if not reading.there and not len(new):
            return None
        if visible:
            table = _with_visible(table)
        places = places_of(table, self.keypoints)
        xy, states = points_in(table, places, self.keypoints)
        wanted = _in_table(labels.at(frames), places)
        there = Grid(frames, xy, states)
        # Several rows of a frame say together what it is; only what was edited changes in them.
        differs = ~same(_in_table(reading.grid.at(frames), places), wanted)
        differs[_again(frames)] = False
        rows, columns = _positions(exact, frames)
        bits = ~same(there, wanted, rounding=0.0)
        differs[rows, columns] |= bits[rows, columns]
        differs[frames < 0] = False
        if not differs.any() and not len(new):
            return None
        table = self._with_columns(table, places)
        places = places_of(table, self.keypoints)
        values = np.concatenate(
            [table.values, np.full((len(new), table.values.shape[1]), np.nan)]
        ).astype(np.float64)
        frames = np.concatenate([frames, new])
        differs = np.concatenate([differs, np.ones((len(new), len(self.keypoints)), bool)])
        wanted = _in_table(labels.at(frames), places)
        for k, name in enumerate(self.keypoints.names):
            place, rows_k = places[name], differs[:, k]
            values[rows_k, place["x"]] = wanted.xy[rows_k, k, 0]
            values[rows_k, place["y"]] = wanted.xy[rows_k, k, 1]
            if "visible" in place:
                values[rows_k, place["visible"]] = _visible(wanted.states[rows_k, k])
            if "likelihood" in place:
                values[rows_k, place["likelihood"]] = np.nan
        index = self._with_rows(table, [self.names.name(frame) for frame in new.tolist()])
        order = _row_order(table.index, index)
        return replace(table, values=values[order], index=index[order])

    def _needs_visible(self, reading: Reading, labels: Grid) -> bool:
        """Whether tables get ``visible`` columns, in which Lightning Pose reads occluded points."""
        tables = [table.table for table in reading.tables.values() if table.there]
        usual = all(len(table.level_names) == 3 for table in tables)
        return self.files.shared and usual and bool((labels.states == PointState.OCCLUDED).any())

    def _changed_visibility(self, reading: TableReading, labels: Grid) -> HeaderTable | None:
        """The table of the frames with occluded points; None if it is right as it is."""
        occluded = (labels.states == PointState.OCCLUDED).any(axis=1)
        frames = labels.frames[occluded]
        if not reading.there and not len(frames):
            return None
        table, old_frames = reading.table, reading.row_frames
        kept = (old_frames < 0) | np.isin(old_frames, frames)
        places = places_of(table, self.keypoints)
        xy, states = points_in(table, places, self.keypoints)
        right = same(Grid(old_frames, xy, states), labels.at(old_frames), rounding=0.0)
        new = np.setdiff1d(frames, old_frames)
        if kept.all() and right[old_frames >= 0].all() and not len(new):
            return None
        table = self._with_columns(table, places, HIDDEN_COORDS)
        places = places_of(table, self.keypoints)
        values = np.concatenate(
            [table.values[kept], np.full((len(new), table.values.shape[1]), np.nan)]
        ).astype(np.float64)
        frames = np.concatenate([old_frames[kept], new])
        ours = frames >= 0
        wanted = labels.at(frames)
        for k, name in enumerate(self.keypoints.names):
            place = places[name]
            values[ours, place["x"]] = wanted.xy[ours, k, 0]
            values[ours, place["y"]] = wanted.xy[ours, k, 1]
            values[ours, place["visible"]] = _visible(wanted.states[ours, k])
        table = replace(table, index=table.index[kept])
        index = self._with_rows(table, [self.names.name(frame) for frame in new.tolist()])
        order = _row_order(table.index, index)
        return replace(table, values=values[order], index=index[order])

    def _with_columns(
        self,
        table: HeaderTable,
        places: Places,
        coords: tuple[str, ...] = ("x", "y"),
    ) -> HeaderTable:
        """The table with columns for all keypoints, the new ones empty and at its end."""
        some = next(iter(places.values()), {})
        wanted = dict.fromkeys((*coords, *(coord for coord in some if coord == "visible")))
        present = set(table.columns)
        animals = [column[1] for column in table.columns if len(column) == 4]
        new = []
        for name in self.keypoints.names:
            for coord in wanted:
                if coord in places.get(name, {}):
                    continue
                column: tuple[str, ...] = (table.columns[0][0], name, coord)
                if animals:
                    own = self.files.animal if self.files.animal in animals else animals[0]
                    animal = NO_ANIMAL if name in self.files.without_animal else own
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
            for label, name in zip(table.index.tolist(), self.files.row_names(table), strict=True)
            if name is not None
        ]
        start = own[0] if own else None
        rows: list[list[str]] = []
        for name in new:
            if levels > 1:
                before = (
                    start[:-1] if start else ["labeled-data", self.files.images.name][-levels + 1 :]
                )
                rows.append([*before, name])
            else:
                folder = re.sub(r"[^\\/]*$", "", str(start[0])) if start else None
                usual = f"labeled-data/{self.files.images.name}/"
                rows.append([f"{usual if folder is None else folder}{name}"])
        added = np.array(rows, dtype=object).reshape(len(new), levels)
        return np.concatenate([table.index.astype(object), added])


def _again(frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(rows,) whether a row before it is of the same frame."""
    again = np.ones(len(frames), bool)
    again[np.unique(frames, return_index=True)[1]] = False
    return again


def _in_table(grid: Grid, places: Places) -> Grid:
    """The part of what is said that stands in a table with these columns."""
    if places and all("visible" in place for place in places.values()):
        return grid
    return grid.only(PointState.LABELLED)


def _with_visible(table: HeaderTable) -> HeaderTable:
    """The table with a ``visible`` column after x and y of each body part."""
    columns: list[tuple[str, ...]] = []
    values: list[NDArray[Any]] = []
    for part, place in point_columns(table).items():
        points = table.values[:, [place["x"], place["y"]]]
        seen = np.where(np.isfinite(points).all(axis=1), 2.0, 0.0)
        first = table.columns[place["x"]]
        for coord in dict.fromkeys(("x", "y", "visible", *place)):
            columns.append((*first[:-2], part, coord))
            values.append(table.values[:, place[coord]] if coord in place else seen)
    return replace(table, columns=columns, values=np.stack(values, axis=1))


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
