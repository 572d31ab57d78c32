"""Tidy tables as Parquet, with a row for each keypoint of each frame; see `long_table`.

What is said once stands as JSON in the metadata of the schema, under ``vitface``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.extra import needed
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.predictions import PARTS, Choice, Heading, Predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels

_KEY = b"vitface"
_ROWS_AT_ONCE = 1 << 20


class _Sink:
    """Rows in groups, as they come."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self._parquet = needed("pyarrow.parquet", "parquet")
        self._path = path
        self._heading = heading
        self._writer: Any = None

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        from napari_vitface.formats.long_table import rows_of_points

        heading = self._heading
        once = _once(heading.keypoints, heading.scorer, heading.frame_rate)
        rows = _table(rows_of_points(heading, frames, values), once)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._path, rows.schema)
        self._writer.write_table(rows)

    def close(self) -> None:
        if self._writer is None:
            size = len(self._heading.keypoints) * self._heading.width
            self.write(np.empty(0, np.int64), np.empty((0, size), np.float32))
        self.abort()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _once(keypoints: KeypointSet, scorer: str, frame_rate: float | None) -> dict[str, object]:
    return {
        "keypoints": list(keypoints.names),
        "skeleton": [list(pair) for pair in keypoints.skeleton],
        "scorer": scorer,
        "frame_rate": frame_rate,
    }


def _table(rows: Any, once: dict[str, object]) -> Any:
    pyarrow = needed("pyarrow", "parquet")
    table = pyarrow.Table.from_pandas(rows, preserve_index=False)
    return table.replace_schema_metadata({_KEY: json.dumps(once)})


def _can_open(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _pieces(path: Path) -> Iterator[Any]:
    from napari_vitface.formats.long_table import is_long, meaning

    with _opened(path) as file:
        if not is_long(file.schema_arrow.names):
            raise LabelError(f"{path} has no columns frame, keypoint, x and y.")
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield batch.to_pandas().rename(columns=meaning)


def _opened(path: Path) -> Any:
    parquet, pyarrow = needed("pyarrow.parquet", "parquet"), needed("pyarrow", "parquet")
    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise LabelError(f"{path} cannot be read as Parquet ({reason(error)}).") from error


def _said_once(path: Path) -> tuple[KeypointSet | None, str, float | None]:
    with _opened(path) as file:
        content = (file.schema_arrow.metadata or {}).get(_KEY)
    try:
        said = json.loads(content or b"{}")
        names = tuple(said["keypoints"]) if "keypoints" in said else ()
        pairs = tuple((a, b) for a, b in said.get("skeleton", ()))
        rate = said.get("frame_rate")
        keypoints = KeypointSet(names, pairs) if names else None
        return keypoints, str(said.get("scorer", "")), None if rate is None else float(rate)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise LabelError(f"What {path} says of its keypoints cannot be read ({error}).") from error


def _contents(path: Path) -> list[Content]:
    from napari_vitface.formats.long_table import contents

    return contents(_pieces(path), path)


def _read_poses(path: Path, choice: Choice) -> Predictions:
    from dataclasses import replace

    from napari_vitface.formats.long_table import read_predictions

    found = read_predictions(_pieces(path), path, choice)
    keypoints, scorer, rate = _said_once(path)
    poses = found.poses
    if keypoints is not None and keypoints.names == poses.keypoints.names:
        poses = PoseTable(keypoints, poses.xy, poses.confidence, poses.state, poses.frames)
    return replace(found, poses=poses, scorer=scorer, frame_rate=rate)


def _read_labels(path: Path, choice: Choice) -> Labels:
    from dataclasses import replace

    from napari_vitface.formats.long_table import read_labels

    keypoints, scorer, _ = _said_once(path)
    labels = read_labels(_pieces(path), path, choice, scorer)
    if keypoints is not None and keypoints.names == labels.keypoints.names:
        labels = replace(labels, keypoints=keypoints)
    return labels


def _write_labels(path: Path, labels: Labels) -> None:
    from napari_vitface.formats.long_table import rows_of_labels

    rows = rows_of_labels(labels, path.parent)
    table = _table(rows, _once(labels.keypoints, labels.scorer, None))
    needed("pyarrow.parquet", "parquet").write_table(table, path)


PARQUET = Format(
    "parquet",
    "a tidy table with a row for each keypoint (.parquet)",
    (".parquet",),
    _can_open,
    read_poses=_read_poses,
    read_labels=_read_labels,
    pose_sink=_Sink,
    write_labels=_write_labels,
    holds=frozenset(PARTS),
    contents=_contents,
)
