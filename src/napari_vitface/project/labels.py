"""Reading labels for training and evaluation: what the window shows, with the images.

Finding the tables, naming the keypoints and reading the points are those of `Project` and
`LabelDocument`, so that a project means the same in the window and on the command line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.formats.deeplabcut import Labels, frame_number
from napari_vitface.formats.header_table import is_file
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.table import PointState
from napari_vitface.project.disagreement import disagreement_cause, unreadable_cause
from napari_vitface.project.frame_names import NamedFrames
from napari_vitface.project.grid import Grid, all_frames, same
from napari_vitface.project.label_files import LabelFiles, Reading
from napari_vitface.project.place import Place, VideoEntry, find_place


def read_labels(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Labels:
    """Read the labels of a project or of a part of it.

    Parameters
    ----------
    path : path or sequence of paths
        What `Project.open` takes: a project folder, its ``labeled-data`` folder, a
        ``labeled-data/<video>`` folder, or a table: ``CollectedData_<scorer>.csv`` or ``.h5``, or
        Lightning Pose's one for all videos.

    Returns
    -------
    Labels
        In the order of the files (videos by name). Where a folder holds both CSV and HDF5, the
        HDF5 file counts, as it does for DeepLabCut; if the two disagree, or one cannot be read,
        `Labels.problems` says so. Frames in which points are only called hidden come after the
        others of their video. Keypoints are those of the project that a table has columns for.

    Raises
    ------
    LabelError
        If there are no labels, a table cannot be read, or the image of a label is not there.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise LabelError("No labels were named.")
    parts = [part for source in paths for part in _read(Path(source).expanduser().absolute())]
    return _join(parts)


@dataclass(frozen=True)
class _Part:
    """The labels of one video: `Labels` without the order of another part's keypoints."""

    keypoints: KeypointSet
    scorer: str
    video: str
    images: list[Path]
    grid: Grid
    problems: list[str]


def _read(path: Path) -> list[_Part]:
    place = find_place(path)
    said = place.describe()
    entries = [
        entry
        for entry in place.videos(())
        if place.video is None or (place.single or entry.folder).name == place.video
    ]
    if place.single is not None:
        entries = [VideoEntry(place.single.name, None, place.single)]
    parts = []
    problems = list(said.settings.problems)
    columns: set[str] = set()
    for entry in entries:
        files = place.files(entry, said.scorer, said.settings.config)
        if is_file(path):
            # This file and not the other form of it.
            files = replace(files, tables={k: t for k, t in files.tables.items() if t == path})
        found = _read_video(files, said.keypoints, columns)
        if found is not None:
            parts.append(found)
    if not parts:
        raise LabelError(_nothing(place, path, said.scorer))
    parts[0].problems[:0] = problems
    # Of a body part that no table knows nothing can be learned.
    names = [name for name in said.keypoints.names if name in columns]
    kept = [said.keypoints.index(name) for name in names]
    keypoints = said.settings.keypoints(names) if names else said.keypoints
    if not names:
        kept = list(range(len(keypoints)))
    if len(keypoints) == len(said.keypoints):
        keypoints = said.keypoints
    return [
        replace(
            part,
            keypoints=keypoints,
            grid=Grid(part.grid.frames, part.grid.xy[:, kept], part.grid.states[:, kept]),
        )
        for part in parts
    ]


def _nothing(place: Place, path: Path, scorer: str) -> str:
    others = place.scorers()
    if scorer and others:
        return (
            f"{path} holds labels of {', '.join(others)} and none of {scorer}, whose labels the "
            "project's are: name the table to use."
        )
    return (
        f"{path} holds no labels: there is no CollectedData table in it or in labeled-data/<video> "
        "below it."
    )


def _read_video(files: LabelFiles, keypoints: KeypointSet, columns: set[str]) -> _Part | None:
    """The labels of one video, None if it has none; adds the keypoints that tables know."""
    names = NamedFrames()
    reading = files.read(keypoints, names)
    if not reading.readable and reading.unreadable:
        raise LabelError(reading.tables[reading.unreadable[0]].error)
    for table in reading.all_tables():
        columns.update(table.places or {})
    if not any(table.table is not None for table in reading.all_tables()):
        return None
    problems = _problems(reading)
    kind = reading.readable[0] if reading.readable else "h5"
    frames = all_frames(reading.grid(kind), reading.visibility_grid())
    said = reading.says(kind, frames)
    in_table = np.isin(frames, reading.grid(kind).frames)
    images, kept = [], np.ones(len(frames), bool)
    for row, frame in enumerate(frames.tolist()):
        image = files.images / names.name(frame)
        images.append(image)
        if is_file(image):
            continue
        kept[row] = False
        if (said.states[row] == PointState.LABELLED).any():
            raise LabelError(
                f"The image {image} is labelled in {reading.tables[kind].path.name} but is not "
                "there; put it back or remove its row."
            )
        if not in_table[row] and reading.visibility is not None:
            problems.append(
                f"The image {image} is named in {reading.visibility.path.name} but is not there, "
                "so its hidden points are left out."
            )
    if not len(frames) and files.shared:
        return None
    return _Part(
        keypoints,
        files.scorer,
        files.images.name,
        [image for image, keep in zip(images, kept, strict=True) if keep],
        Grid(frames[kept], said.xy[kept], said.states[kept]),
        problems,
    )


def _problems(reading: Reading) -> list[str]:
    problems = reading.problems
    problems += [unreadable_cause(reading, kind) for kind in reading.unreadable]
    if reading.visibility is not None and reading.visibility.error:
        problems.append(reading.visibility.error)
    if len(reading.readable) > 1:
        frames = all_frames(*(reading.grid(kind) for kind in reading.readable))
        one, other = (reading.says(kind, frames) for kind in reading.readable)
        apart = int((~same(one, other)).sum())
        if apart:
            problems.append(disagreement_cause(reading, apart))
    return problems


def _join(parts: list[_Part]) -> Labels:
    names: list[str] = []
    for part in parts:
        meant = match_names(part.keypoints.names, names)
        names += [name for name in part.keypoints.names if name not in meant]
    count = sum(len(part.images) for part in parts)
    xy = np.full((count, len(names), 2), np.nan)
    occluded = np.zeros((count, len(names)), bool)
    videos: list[str] = []
    images: list[Path] = []
    problems: list[str] = []
    for part in parts:
        rows = slice(len(images), len(images) + len(part.images))
        meant = match_names(part.keypoints.names, names)
        columns = [names.index(meant[name]) for name in part.keypoints.names]
        labelled = (part.grid.states == PointState.LABELLED)[..., None]
        xy[rows, columns] = np.where(labelled, part.grid.xy, np.nan)
        occluded[rows, columns] = part.grid.states == PointState.OCCLUDED
        videos += [part.video] * len(part.images)
        images += part.images
        problems += part.problems
    return Labels(
        _keypoints(names, parts),
        xy,
        tuple(images),
        np.array(videos, dtype=np.str_),
        _frames(images),
        ", ".join(dict.fromkeys(part.scorer for part in parts)),
        tuple(dict.fromkeys(problems)),
        occluded,
    )


def _frames(images: list[Path]) -> NDArray[np.int64]:
    return np.array([frame_number(image.name) for image in images], dtype=np.int64)


def _keypoints(names: list[str], parts: list[_Part]) -> KeypointSet:
    """The keypoints with what the first part that says something says of them."""
    told = [part.keypoints for part in parts]
    if all(one.names == tuple(names) for one in told):
        return told[0]
    return KeypointSet(
        tuple(names),
        next((one.skeleton for one in told if one.skeleton), ()),
        next((one.swaps for one in told if one.swaps), ()),
    )
