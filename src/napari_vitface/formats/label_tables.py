"""Labels written as tables with DeepLabCut's header rows: its own, and Lightning Pose's.

A row is named by the place of its image below the top of a project, as
``labeled-data/<video>/<image>``: DeepLabCut has that in three levels, Lightning Pose in one, and a
column that says what can be seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.format import Format
from napari_vitface.formats.header_table import LEVELS, HeaderTable
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.table_files import table_bytes

_TOP = "labeled-data"


def top_of(path: Path) -> Path:
    """The folder below which a table of labels names its images: that of its project."""
    return path.parents[2] if path.parent.parent.name == _TOP else path.parent


def images_at(path: Path, labels: Labels) -> list[Path]:
    """Where a table of labels at a path says that its images are."""
    top = top_of(path.absolute()) / _TOP
    return [top / str(video) / image.name for video, image in _images(labels)]


def write_deeplabcut_labels(path: Path, labels: Labels) -> None:
    """Write ``CollectedData_<scorer>.csv`` or ``.h5``, as `path` ends."""
    rows = [(_TOP, str(video), image.name) for video, image in _images(labels)]
    index = np.array(rows, dtype=object).reshape(len(rows), 3)
    _write(path, labels, ("x", "y"), labels.xy, index)


def _write_lightning_pose(path: Path, labels: Labels) -> None:
    rows = [f"{_TOP}/{video}/{image.name}" for video, image in _images(labels)]
    index = np.array(rows, dtype=object).reshape(len(rows), 1)
    visible = np.where(labels.occluded, 1.0, 0.0)
    visible = np.where(np.isfinite(labels.xy).all(axis=-1), 2.0, visible)
    values = np.concatenate([labels.xy, visible[..., None]], axis=-1)
    _write(path, labels, ("x", "y", "visible"), values, index)


def _images(labels: Labels) -> list[tuple[Any, Path]]:
    return list(zip(labels.videos.tolist(), labels.images, strict=True))


def _write(
    path: Path,
    labels: Labels,
    coords: tuple[str, ...],
    values: NDArray[np.float64],
    index: NDArray[Any],
) -> None:
    scorer = labels.scorer or "unknown"
    columns = [(scorer, name, coord) for name in labels.keypoints.names for coord in coords]
    flat = values.reshape(len(labels), len(columns))
    names = (None,) * index.shape[1]
    table = HeaderTable(path, (LEVELS[0], *LEVELS[2:]), list(columns), index, names, flat)
    path.write_bytes(table_bytes(table))


LIGHTNING_POSE = Format(
    "lightning-pose",
    "labels of Lightning Pose (.csv)",
    (".csv",),
    # Its tables are opened with the images and settings around them, as those of DeepLabCut are.
    lambda path: False,
    write_labels=_write_lightning_pose,
    holds=frozenset({"occlusion", "scorer", "video"}),
    images_at=images_at,
)
