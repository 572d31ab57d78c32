"""DeepLabCut projects: the labels that a person placed, and the images they were placed on.

A project folder holds ``labeled-data/<video>/CollectedData_<scorer>.csv`` and ``.h5`` beside the
labelled frames ``img<frame number>.png``, and usually a ``config.yaml``.
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
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PointState, PoseTable


@dataclass(frozen=True)
class Labels:
    """Labelled images, in the order of their tables.

    Attributes
    ----------
    keypoints : KeypointSet
        The K keypoints.
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
    """

    keypoints: KeypointSet
    xy: NDArray[np.float64]
    images: tuple[Path, ...]
    videos: NDArray[np.str_]
    frames: NDArray[np.int64]
    scorer: str
    problems: tuple[str, ...] = field(default=())

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
        )

    def table(self, video: str) -> PoseTable:
        """The labels of one video as a `PoseTable`, sorted by frame number."""
        rows = np.flatnonzero((self.videos == video) & (self.frames >= 0))
        rows = rows[np.argsort(self.frames[rows])]
        labelled = np.isfinite(self.xy[rows]).all(axis=-1)
        state = np.where(labelled, PointState.LABELLED, PointState.ABSENT)
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
    skeleton: tuple[tuple[str, str], ...] = ()
    for source in map(Path, paths):
        config = _project_config(source)
        skeleton = skeleton or _skeleton(config)
        tables += [
            _read_one(files, problems) for files in _find_tables(source, config.get("scorer"))
        ]
    return _join(tables, skeleton, problems)


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


def _project_config(path: Path) -> dict[str, Any]:
    """The project's ``config.yaml``, found from any part of the project; {} if there is none."""
    folder = path if path.is_dir() else path.parent
    candidates = [folder, *folder.parents[:2]]
    for candidate in candidates:
        file = candidate / "config.yaml"
        if file.is_file():
            return read_config(file)
    return {}


def _skeleton(config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    edges = config.get("skeleton") or []
    return tuple(
        (str(edge[0]), str(edge[1])) for edge in edges if isinstance(edge, list) and len(edge) == 2
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


def _join(
    tables: list[DlcTable], skeleton: tuple[tuple[str, str], ...], problems: list[str]
) -> Labels:
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    if names == MOUSE_FACE.names and not skeleton:
        keypoints = MOUSE_FACE
    else:
        known = set(names)
        keypoints = KeypointSet(names, tuple(edge for edge in skeleton if known.issuperset(edge)))
    images: list[Path] = []
    videos: list[str] = []
    blocks = []
    seen: set[Path] = set()
    for table in tables:
        xy = np.full((len(table.index), len(names), 2), np.nan)
        seen_at = table.xy.copy()
        if table.visible is not None:
            # The place of an occluded point is a guess, not something to learn from.
            seen_at[table.visible != 2] = np.nan
        xy[:, [names.index(name) for name in table.names]] = seen_at
        blocks.append(xy)
        for label in table.index:
            image, video = _find_image(table.path, label)
            if image in seen:
                raise LabelError(f"{table.path} labels the image {image.name} twice.")
            seen.add(image)
            images.append(image)
            videos.append(video)
    scorers = list(dict.fromkeys(table.scorer for table in tables))
    return Labels(
        keypoints,
        np.concatenate(blocks) if blocks else np.empty((0, len(names), 2)),
        tuple(images),
        np.array(videos, dtype=np.str_),
        np.array([frame_number(image.name) for image in images], dtype=np.int64),
        ", ".join(scorers),
        tuple(problems),
    )


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
