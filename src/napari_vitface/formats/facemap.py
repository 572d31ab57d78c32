"""Keypoints of Facemap: arrays ``Facemap/<keypoint>/x``, ``y`` and ``likelihood`` in HDF5.

Older versions wrote a table of pandas, which is read as DeepLabCut's. Facemap scales what it finds
in its input by one factor and adds the corner of its box, so whole numbers are indices of pixels.
The arrays have a place for every frame, counted from 0.

Syeda et al., "Facemap", Nature Neuroscience 27 (2024).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import LabelError, damage_told
from napari_vitface.formats.dlc_table import POSE_COORDS
from napari_vitface.formats.format import Format
from napari_vitface.formats.header_table import HDF_SUFFIXES
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    import h5py

_GROUP = "Facemap"
_FRAMES_AT_ONCE = 4096


def _can_open(path: Path) -> bool:
    import h5py

    with h5py.File(path, "r") as file:
        first = next(iter(file[_GROUP].values()))
        return set(POSE_COORDS).issubset(first)


def _read(path: Path, choice: Choice) -> Predictions:
    import h5py

    with damage_told(path, "Facemap's keypoints"):
        with h5py.File(path, "r") as file:
            points = {name: _read_points(file[_GROUP][name]) for name in file[_GROUP]}
        keypoints = KeypointSet(tuple(points))
    lengths = {len(values) for values in points.values()}
    if len(lengths) != 1:
        raise LabelError(f"The keypoints of {path} have different numbers of frames.")
    values = np.stack(list(points.values()), axis=1)
    xy = values[..., :2]
    xy[~np.isfinite(xy).all(axis=-1)] = np.nan
    confidence, problems = confidence_of(values[..., 2], xy)
    return Predictions(PoseTable(keypoints, xy, confidence), problems=problems)


def _read_points(group: h5py.Group) -> NDArray[np.float32]:
    from napari_vitface.formats.plain_hdf import content

    return np.stack([content(group, coord).astype(np.float32) for coord in POSE_COORDS], axis=1)


class _Sink:
    """Arrays that grow with the frames; frames that are not written are NaN."""

    def __init__(self, path: Path, heading: Heading) -> None:
        import h5py

        for name in heading.keypoints.names:
            # HDF5 has no way to write these in a name.
            if "/" in name or not name.strip("."):
                raise LabelError(f"Facemap's files cannot hold a keypoint named {name!r}.")
        require_room(path, 0)
        self._path = path
        self._file = h5py.File(path, "w")
        group = self._file.create_group(_GROUP, track_order=True)
        self._arrays = [
            group.create_dataset(
                f"{name}/{coord}",
                (0,),
                np.float32,
                maxshape=(None,),
                chunks=(_FRAMES_AT_ONCE,),
                fillvalue=0 if coord == "likelihood" else np.nan,
            )
            for name in heading.keypoints.names
            for coord in POSE_COORDS
        ]

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        windows = len(np.unique(frames // _FRAMES_AT_ONCE))
        require_room(self._path, windows * _FRAMES_AT_ONCE * 4 * len(self._arrays))
        for array, column in zip(self._arrays, values.T, strict=True):
            array.resize(int(frames[-1]) + 1, axis=0)
            array[frames] = column

    def close(self) -> None:
        self._file.close()

    abort = close


FACEMAP_POSE = Format(
    "facemap-pose",
    "keypoints of Facemap (_FacemapPose.h5)",
    HDF_SUFFIXES,
    _can_open,
    read_poses=_read,
    pose_sink=_Sink,
    holds=frozenset({"confidence"}),
)
