"""The files that hold one scorer's labels of one video.

``CollectedData_<scorer>.h5`` and ``.csv`` hold the points that were placed, one row an image.
``visibility_<scorer>.csv`` holds all points of the frames in which one is occluded. In tables of
Lightning Pose with ``visible`` columns, occluded points stand in the table itself.

What is read here is changed by `table_changes`.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.dlc_table import NO_ANIMAL
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.inside import check_inside
from napari_vitface.formats.predictions import Choice
from napari_vitface.formats.table_files import read_header_table
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Grid
from napari_vitface.project.label_snapshot import (
    Kind,
    Reading,
    TableReading,
    joined,
    places_of,
    points_in,
    row_parts,
    stray_parts,
    stray_rows,
)

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
        grid, twice = joined(frames, xy, states)
        problems = [*stray_parts(table, places, keypoints), *stray_rows(table, row_names, frames)]
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
