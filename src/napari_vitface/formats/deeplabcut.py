"""DeepLabCut projects: the labels that a person placed, and the images they were placed on.

A project folder holds ``labeled-data/<video>/CollectedData_<scorer>.csv`` and ``.h5`` beside the
labelled frames ``img<frame number>.png``, and usually a ``config.yaml``. Points that cannot be seen
are in ``visibility_<scorer>.csv``, or in the table itself where it has ``visible`` columns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import read_config
from napari_vitface.formats.dlc_table import DlcTable, read_dlc_table
from napari_vitface.formats.keypoint_settings import is_deeplabcut, keypoints_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable


@dataclass(frozen=True)
class Labels:
    """Labelled images, in the order of their tables.

    Attributes
    ----------
    keypoints : KeypointSet
        The K keypoints, with the skeleton, swap pairs and colours of the project.
    xy : (N, K, 2) array of float64
        x, y in image pixels, exactly as in the file; NaN where the person placed no point.
    images : tuple of Path
        The image of each row; all exist.
    videos : (N,) array of str
        Name of the video that each image was taken from (the folder's name).
    frames : (N,) array of int64
        Frame number in that video, from the image's name; -1 where the name holds none.
    scorer : str
        Who placed the labels.
    problems : tuple of str
        Sentences for the user about what is odd but did not keep the labels from being read.
    occluded : (N, K) array of bool
        Points that the person called hidden, all False unless given. They have no place in `xy`:
        where they are is a guess, not something to learn from.
    """

    keypoints: KeypointSet
    xy: NDArray[np.float64]
    images: tuple[Path, ...]
    videos: NDArray[np.str_]
    frames: NDArray[np.int64]
    scorer: str
    problems: tuple[str, ...] = field(default=())
    occluded: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))

    def __post_init__(self) -> None:
        if self.occluded.shape != self.xy.shape[:2]:
            if self.occluded.size:
                raise ValueError(f"occluded is {self.occluded.shape}, not {self.xy.shape[:2]}")
            object.__setattr__(self, "occluded", np.zeros(self.xy.shape[:2], dtype=bool))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def count(self) -> int:
        """Number of labelled points."""
        return int(np.isfinite(self.xy).all(axis=-1).sum())

    def take(self, rows: Any) -> Labels:
        """The labels of some rows: positions, a slice or a boolean mask of N."""
        chosen = np.arange(len(self))[rows]
        return Labels(
            self.keypoints,
            self.xy[chosen],
            tuple(self.images[i] for i in chosen),
            self.videos[chosen],
            self.frames[chosen],
            self.scorer,
            self.problems,
            self.occluded[chosen],
        )

    def table(self, video: str) -> PoseTable:
        """The labels of one video as a `PoseTable`, sorted by frame number."""
        rows = np.flatnonzero((self.videos == video) & (self.frames >= 0))
        rows = rows[np.argsort(self.frames[rows])]
        labelled = np.isfinite(self.xy[rows]).all(axis=-1)
        state = np.where(self.occluded[rows], PointState.OCCLUDED, PointState.ABSENT)
        state = np.where(labelled, PointState.LABELLED, state)
        return PoseTable(self.keypoints, self.xy[rows], None, state, self.frames[rows])


def read_labels(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Labels:
    """Read the labels of a DeepLabCut project or of a part of it.

    Parameters
    ----------
    path : path or sequence of paths
        A project folder, its ``labeled-data`` folder, a ``labeled-data/<video>`` folder, or a
        ``CollectedData_*.csv`` or ``.h5`` file. Three- and four-row headers (one animal), and row
        labels of one or three levels are read.

    Returns
    -------
    Labels
        In the order of the files (videos by name). Where a folder holds both CSV and HDF5, the
        HDF5 file counts, as it does for DeepLabCut; if the two disagree, `Labels.problems` says so.
        Frames in which points are only called hidden come after the others of their video.

    Raises
    ------
    LabelError
        If there are no labels, a table cannot be read, or an image that it names is not there.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise LabelError("No labels were named.")
    problems: list[str] = []
    tables: list[DlcTable] = []
    settings: list[dict[str, Any]] = []
    for source in map(Path, paths):
        config = _project_settings(source)
        settings.append(config)
        tables += [
            _read_one(files, problems) for files in _find_tables(source, config.get("scorer"))
        ]
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    return _join(tables, _keypoints(names, settings), problems)


# --- finding --------------------------------------------------------------------------------------


def _find_tables(path: Path, scorer: str | None) -> list[list[Path]]:
    """The files of each table: one path, or the HDF5 and CSV forms of the same table."""
    if path.is_file():
        return [[path]]
    if not path.is_dir():
        raise LabelError(f"There is no file or folder {path}.")
    folder = path / "labeled-data" if (path / "labeled-data").is_dir() else path
    found = _tables_in(folder, scorer)
    if found:
        return [found]
    found_below = [
        files
        for child in sorted(folder.iterdir())
        if child.is_dir() and (files := _tables_in(child, scorer))
    ]
    if not found_below:
        raise LabelError(
            f"{path} holds no labels: there is no CollectedData_<scorer>.csv or .h5 in it or in "
            "labeled-data/<video> below it."
        )
    return found_below


def _tables_in(folder: Path, scorer: str | None) -> list[Path]:
    """The CollectedData files of a folder, HDF5 first; an error if they are of several scorers."""
    files = sorted(
        file
        for suffix in (".h5", ".csv")
        for file in folder.glob(f"CollectedData_*{suffix}")
        if file.is_file()
    )
    stems = sorted({file.stem for file in files})
    if len(stems) > 1 and f"CollectedData_{scorer}" in stems:
        stems = [f"CollectedData_{scorer}"]
    if len(stems) > 1:
        raise LabelError(
            f"{folder} holds labels of several scorers ({', '.join(stems)}); name the file to use."
        )
    return [file for file in reversed(files) if file.stem in stems]


def _project_settings(path: Path) -> dict[str, Any]:
    """The settings of the project, found from any part of it; {} if there are none.

    They are in DeepLabCut's ``config.yaml``; where there is none, or it is another program's, what
    was said of keypoints in the window is in ``vitface/keypoints.yaml``.
    """
    folder = path if path.is_dir() else path.parent
    for candidate in (folder, *folder.parents[:2]):
        file, own = candidate / "config.yaml", candidate / "vitface" / "keypoints.yaml"
        data = read_config(file) if file.is_file() else {}
        if own.is_file() and not is_deeplabcut(data):
            return {**data, **read_config(own)}
        if file.is_file():
            return data
    return {}


def _keypoints(names: tuple[str, ...], settings: list[dict[str, Any]]) -> KeypointSet:
    """The keypoints with what the first project that says something says of them."""
    told = [keypoints_of(data, names) for data in settings]
    return KeypointSet(
        names,
        next((one.skeleton for one in told if one.skeleton), ()),
        next((one.swaps for one in told if one.swaps), ()),
        told[0].colours,
    )


# --- reading --------------------------------------------------------------------------------------


def _read_one(files: list[Path], problems: list[str]) -> DlcTable:
    """Read the HDF5 form if it can be read, else the CSV form; note where they disagree."""
    if len(files) == 1:
        return read_dlc_table(files[0])
    binary, text = files
    from_text: DlcTable | None = None
    try:
        from_text = read_dlc_table(text)
    except LabelError as error:
        problems.append(str(error))
    try:
        from_binary = read_dlc_table(binary)
    except LabelError as error:
        if from_text is None:
            raise
        problems.append(str(error))
        return from_text
    if from_text is not None and not _same(from_binary, from_text):
        problems.append(
            f"{binary} and {text.name} beside it do not hold the same labels; "
            f"{binary.name} was used."
        )
    return from_binary


def _same(one: DlcTable, other: DlcTable) -> bool:
    return (
        one.names == other.names
        and one.index[:, -1].tolist() == other.index[:, -1].tolist()
        and np.allclose(one.xy, other.xy, rtol=0, atol=1e-3, equal_nan=True)
    )


def _join(tables: list[DlcTable], keypoints: KeypointSet, problems: list[str]) -> Labels:
    rows: list[_Row] = []
    taken: set[Path] = set()
    for table in tables:
        found = _rows(table, keypoints)
        for row in found:
            if row.image in taken:
                raise LabelError(f"{table.path} labels the image {row.image.name} twice.")
            taken.add(row.image)
        rows += found
        rows += _hidden(table, found, keypoints, problems)
    size = len(keypoints)
    scorers = list(dict.fromkeys(table.scorer for table in tables))
    return Labels(
        keypoints,
        np.array([row.xy for row in rows]).reshape(-1, size, 2),
        tuple(row.image for row in rows),
        np.array([row.video for row in rows], dtype=np.str_),
        np.array([frame_number(row.image.name) for row in rows], dtype=np.int64),
        ", ".join(scorers),
        tuple(problems),
        np.array([row.occluded for row in rows], dtype=bool).reshape(-1, size),
    )


@dataclass
class _Row:
    """What is said about one image: places (K, 2), NaN where there is none, and hidden points."""

    image: Path
    video: str
    xy: NDArray[np.float64]
    occluded: NDArray[np.bool_]


def _rows(table: DlcTable, keypoints: KeypointSet) -> list[_Row]:
    columns = [keypoints.index(name) for name in table.names]
    count, size = len(table.index), len(keypoints)
    xy = np.full((count, size, 2), np.nan)
    occluded = np.zeros((count, size), dtype=bool)
    places = table.xy.copy()
    if table.visible is not None:
        places[(table.visible == 0) | (table.visible == 1)] = np.nan
        occluded[:, columns] = table.visible == 1
    xy[:, columns] = places
    images = [_find_image(table.path, label) for label in table.index]
    return [_Row(*image, xy[i], occluded[i]) for i, image in enumerate(images)]


def _hidden(
    table: DlcTable, rows: list[_Row], keypoints: KeypointSet, problems: list[str]
) -> list[_Row]:
    """Put what the visibility files say into the rows; returns those of further images.

    A point that is placed in the table is not hidden, whatever the file says.
    """
    named = re.fullmatch(r"CollectedData_(.+)", table.path.stem)
    scorer = named[1] if named else table.scorer
    row_of = {row.image: row for row in rows}
    more: list[_Row] = []
    for folder in dict.fromkeys((table.path.parent, *(row.image.parent for row in rows))):
        file = folder / f"visibility_{scorer}.csv"
        if not file.is_file():
            continue
        visibility = read_dlc_table(file)
        if visibility.visible is None:
            continue
        known = [k for k, name in enumerate(visibility.names) if name in keypoints.names]
        columns = [keypoints.index(visibility.names[k]) for k in known]
        for label, hidden in zip(visibility.index, visibility.visible[:, known] == 1, strict=True):
            if not hidden.any():
                continue
            image = folder / re.split(r"[\\/]", str(label[-1]))[-1]
            row = row_of.get(image)
            if row is None:
                if not image.is_file():
                    problems.append(
                        f"The image {image} is named in {file.name} but is not there, so its "
                        "hidden points are left out."
                    )
                    continue
                nowhere = np.full((len(keypoints), 2), np.nan)
                row = _Row(image, folder.name, nowhere, np.zeros(len(keypoints), dtype=bool))
                row_of[image] = row
                more.append(row)
            row.occluded[columns] |= hidden & np.isnan(row.xy[columns]).any(axis=-1)
    return more


def _find_image(table: Path, label: NDArray[Any]) -> tuple[Path, str]:
    """The image that a row names, and its video.

    DeepLabCut's tables stand beside their images; Lightning Pose keeps one table at the top of the
    project, with image paths from there. Projects made on Windows hold backslashes.
    """
    parts = [part for level in label for part in re.split(r"[\\/]", str(level)) if part]
    if not parts:
        raise LabelError(f"A row of {table} does not name its image.")
    beside = table.parent / parts[-1]
    candidates = [beside, table.parent.joinpath(*parts), table.parent.parent.joinpath(*parts[-2:])]
    for candidate in candidates:
        if candidate.is_file():
            return candidate, candidate.parent.name
    raise LabelError(
        f"The image {beside} is labelled in {table.name} but is not there; "
        "put it back or remove its row."
    )


def frame_number(image_name: str) -> int:
    """The frame of a video that an image shows, by its name; -1 where the name holds no number."""
    stem = Path(image_name).stem
    # DeepLabCut's own names first; then the last number, as other tools take it.
    found = re.search(r"img(\d+)", stem) or re.search(r"(\d+)\D*$", stem)
    return int(found[1]) if found else -1
