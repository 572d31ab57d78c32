"""Labels of DeepLabCut and Lightning Pose: what the window shows, with the images.

Finding the tables, naming the keypoints and reading the points are those of `Project` and
`LabelDocument`, so that a project means the same in the window and on the command line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_vitface.errors import LabelError
from napari_vitface.formats import deeplabcut_csv, deeplabcut_hdf
from napari_vitface.formats.format import Format
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.label_tables import images_at, write_deeplabcut_labels
from napari_vitface.formats.labelled_images import Labels, frame_number, joined
from napari_vitface.formats.predictions import Choice
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState
from napari_vitface.project.disagreement import disagreement_cause, unreadable_cause
from napari_vitface.project.frame_names import NamedFrames
from napari_vitface.project.grid import all_frames, same
from napari_vitface.project.label_files import LabelFiles
from napari_vitface.project.label_snapshot import KINDS, Reading
from napari_vitface.project.project_search import (
    OPENED,
    Place,
    VideoEntry,
    find_place,
    looks_like_place,
)


def _read(path: Path, choice: Choice) -> Labels:
    place = replace(find_place(path), wanted=choice)
    said = place.describe()
    entries = [
        entry
        for entry in place.videos(())
        if place.video is None or (place.single or entry.folder).name == place.video
    ]
    if place.single is not None:
        entries = [VideoEntry(place.single.name, None, place.single)]
    parts: list[Labels] = []
    columns: set[str] = set()
    for entry in entries:
        files = place.files(entry, said.scorer, said.settings.config)
        if is_file(path) and path.name != "config.yaml":
            # This file and not the other form of it.
            files = replace(files, tables={k: t for k, t in files.tables.items() if t == path})
        found = _read_video(files, said.keypoints, columns)
        if found is not None:
            parts.append(found)
    if not parts:
        raise LabelError(_nothing(place, path, said.scorer))
    parts[0] = replace(parts[0], problems=(*said.settings.problems, *parts[0].problems))
    # Of a body part that no table knows nothing can be learned.
    names = [name for name in said.keypoints.names if name in columns]
    if 0 < len(names) < len(said.keypoints):
        kept = [said.keypoints.index(name) for name in names]
        keypoints = said.settings.keypoints(names)
        parts = [part.of_keypoints(kept, keypoints) for part in parts]
    return joined(parts)


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


def _read_video(files: LabelFiles, keypoints: KeypointSet, columns: set[str]) -> Labels | None:
    """The labels of one video, None if it has none; adds the keypoints that tables know."""
    names = NamedFrames()
    reading = files.read(keypoints, names)
    if not reading.readable and reading.unreadable:
        raise LabelError(reading.tables[reading.unreadable[0]].error)
    for table in reading.all_tables():
        columns.update(table.places)
    if not any(table.there for table in reading.all_tables()):
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
        if not in_table[row]:
            problems.append(
                f"The image {image} is named in {reading.visibility.path.name} but is not there, "
                "so its hidden points are left out."
            )
    if not len(frames) and files.shared:
        return None
    labelled, hidden = said.states == PointState.LABELLED, said.states == PointState.OCCLUDED
    shown = [image for image, keep in zip(images, kept, strict=True) if keep]
    return Labels(
        keypoints,
        np.where(labelled[..., None], said.xy, np.nan)[kept],
        tuple(shown),
        np.full(len(shown), files.images.name),
        np.array([frame_number(image.name) for image in shown], np.int64),
        files.scorer,
        tuple(problems),
        hidden[kept],
        np.where(hidden[..., None], said.xy, np.nan)[kept],
    )


def _problems(reading: Reading) -> list[str]:
    problems = reading.problems
    problems += [unreadable_cause(reading, kind) for kind in reading.unreadable]
    if reading.visibility.error:
        problems.append(reading.visibility.error)
    if len(reading.readable) > 1:
        frames = all_frames(*(reading.grid(kind) for kind in reading.readable))
        one, other = (reading.says(kind, frames) for kind in reading.readable)
        apart = int((~same(one, other)).sum())
        if apart:
            problems.append(disagreement_cause(reading, apart))
    return problems


def _can_open(path: Path) -> bool:
    if path.is_dir():
        return looks_like_place(path)
    return path.name == "config.yaml" or any(
        rows_of(path) == "labels" for rows_of in (deeplabcut_hdf.rows_of, deeplabcut_csv.rows_of)
    )


DEEPLABCUT_LABELS = Format(
    "deeplabcut-labels",
    OPENED,
    ("", ".yaml", *(f".{kind}" for kind in KINDS)),
    _can_open,
    read_labels=_read,
    write_labels=write_deeplabcut_labels,
    holds=frozenset({"scorer", "video"}),
    written_suffixes=(".csv", ".h5"),
    images_at=images_at,
)
