"""DeepLabCut's tables as HDF5: a pandas table under the key ``df_with_missing``.

Those of predictions also hold SLEAP's analysis arrays, for sleap-io.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.formats.dlc_table import PREDICTION_LEVELS, pose_columns, read_dlc_poses
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.header_table import HDF_KEY, HDF_SUFFIXES, PYTABLES
from napari_vitface.formats.predictions import Choice, Heading, Predictions
from napari_vitface.pose.keypoints import KeypointSet


def rows_of(path: Path) -> Content | None:
    """What a file with a table of pandas, or several, holds: rows are frames or labelled images."""
    if path.suffix.lower() not in HDF_SUFFIXES:
        return None
    import h5py

    def rows(_: str, item: Any) -> Content | None:
        if "pandas_type" not in item.attrs:
            return None
        # The kinds of labels are bytes or text, in both layouts of pandas.
        if "table" in item:
            kind = item["table"].attrs.get("index_kind", b"")
        else:
            kind = item["axis1"].attrs.get("kind", b"") if "axis1" in item else b"several levels"
        return "labels" if str(kind).strip("b'") in ("string", "several levels") else "predictions"

    with h5py.File(path, "r") as file:
        found: Content | None = file.visititems(rows)
        return found


def _read(path: Path, choice: Choice) -> Predictions:
    from napari_vitface.formats.sleap import read_skeleton_and_video

    found = read_dlc_poses(path, choice)
    # A file of ours holds SLEAP's arrays too, and with them what a table of pandas cannot say.
    skeleton, video = read_skeleton_and_video(path)
    names = found.poses.keypoints.names
    if skeleton and {*names}.issuperset(name for pair in skeleton for name in pair):
        found.poses.keypoints = KeypointSet(names, skeleton)
    return replace(found, video=video)


class HdfSink:
    """Predictions as a table that rows are appended to, in bounded memory."""

    def __init__(self, path: Path, heading: Heading) -> None:
        import pandas as pd

        self._path = path
        self._heading = heading
        self._windows: set[int] = set()
        require_room(path, 0)
        self._columns = pd.MultiIndex.from_tuples(pose_columns(heading), names=PREDICTION_LEVELS)
        with PYTABLES:
            self._store: Any = pd.HDFStore(path, mode="w")
        self._empty = True

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        from napari_vitface.formats.sleap import FRAMES_AT_ONCE

        rows = self._frame(frames, values)
        require_room(self._path, values.nbytes + frames.nbytes)
        with PYTABLES:
            # No search index over the row labels: readers take the whole table.
            self._store.append(HDF_KEY, rows, format="table", index=False)
        self._empty = False
        self._windows.update(np.unique(frames // FRAMES_AT_ONCE).tolist())

    def close(self) -> None:
        from napari_vitface.formats.sleap import FRAMES_AT_ONCE, add_analysis_arrays

        # Every frame of a window has x, y and a score for each keypoint, and three scores.
        frames = len(self._windows) * FRAMES_AT_ONCE
        require_room(self._path, frames * 4 * (3 * len(self._heading.keypoints) + 3))
        with PYTABLES:
            if self._empty:
                # Appending no rows writes nothing to pandas, but the columns should be there.
                rows = self._frame(np.empty(0, np.int64), np.empty(0))
                self._store.put(HDF_KEY, rows, track_times=False)
            # The version of the layout. pandas 3.1 leaves it out, and then pandas 1 and 2, which
            # DeepLabCut needs, cannot read the table.
            self._store.get_node(HDF_KEY)._v_attrs["pandas_version"] = "0.15.2"
            if self._heading.about is not None:
                self._store.root._v_attrs["vitface"] = json.dumps(self._heading.about)
            self._store.close()
        add_analysis_arrays(self._path, self._heading)

    def abort(self) -> None:
        with PYTABLES:
            self._store.close()

    def _frame(self, frames: NDArray[np.int64], values: NDArray[Any]) -> Any:
        import pandas as pd

        values = np.asarray(values, np.float32).reshape(len(frames), len(self._columns))
        return pd.DataFrame(values, index=frames, columns=self._columns)


DEEPLABCUT_HDF = Format(
    "deeplabcut-hdf5",
    "a DeepLabCut table in HDF5 (.h5)",
    HDF_SUFFIXES,
    lambda path: rows_of(path) == "predictions",
    read_poses=_read,
    pose_sink=HdfSink,
    holds=frozenset({"confidence", "gaps", "scorer", "skeleton", "video"}),
)
