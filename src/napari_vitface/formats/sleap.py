"""SLEAP's *analysis* arrays, which sleap-io and SLEAP read.

Neither reads DeepLabCut's predictions, but their arrays live under names of their own, so that one
HDF5 file can hold both: DeepLabCut, movement and pandas find the table, sleap-io the arrays.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import KeypointSet

#: Frames of a window: held in memory together, and one chunk along the time axis.
FRAMES_AT_ONCE = 4096


def add_analysis_arrays(path: Path, keypoints: KeypointSet, key: str) -> None:
    """Add SLEAP's arrays to an HDF5 file that holds a table of `PoseWriter`.

    The arrays have one place for every frame from 0 to the last; frames that the table does not
    have are NaN there and take no room in the file.

    Parameters
    ----------
    path : Path
        Changed in place.
    keypoints : KeypointSet
    key : str
        Key of the table: a compound dataset with frame numbers and K (x, y, likelihood) a row.
    """
    size = len(keypoints)
    with h5py.File(path, "r+") as file:
        rows = file.get(f"{key}/table")
        frames = np.empty(0, np.int64) if rows is None else _frame_numbers(rows)
        count = int(frames[-1]) + 1 if len(frames) else 0
        arrays = {}
        for name, (dtype, dims) in _ARRAYS.items():
            lengths = {"track": 1, "xy": 2, "node": size, "frame": count}
            at_once = {**lengths, "frame": min(count, FRAMES_AT_ONCE)}
            arrays[name] = file.create_dataset(
                name,
                shape=tuple(lengths[dim] for dim in dims),
                dtype=dtype,
                # Of an array in chunks, those never written take no room.
                chunks=tuple(at_once[dim] for dim in dims) if count else None,
                fillvalue=np.nan if dtype is np.float32 else 0,
            )
            arrays[name].attrs["dims"] = json.dumps(dims)
        file.attrs["preset"] = "matlab"
        file.attrs["format"] = "analysis"
        file.create_dataset("track_names", shape=(0,), dtype="S1")
        file["node_names"] = [name.encode() for name in keypoints.names]
        if keypoints.skeleton:
            file["edge_names"] = [[a.encode(), b.encode()] for a, b in keypoints.skeleton]
            file["edge_inds"] = keypoints.edges()
        if rows is None:
            return
        # One window of frames after the other, and only those that hold any.
        windows, starts = np.unique(frames // FRAMES_AT_ONCE, return_index=True)
        for window, start, stop in zip(
            windows.tolist(), starts.tolist(), [*starts[1:].tolist(), len(frames)], strict=True
        ):
            first = window * FRAMES_AT_ONCE
            last = min(first + FRAMES_AT_ONCE, count)
            values = np.full((last - first, size, 3), np.nan, dtype=np.float32)
            places = frames[start:stop] - first
            values[places] = rows.fields("values_block_0")[start:stop].reshape(-1, size, 3)
            found = np.isfinite(values[..., 0])
            scores = np.where(found, values[..., 2], 0.0).sum(axis=1)
            arrays["tracks"][0, :, :, first:last] = values[..., :2].transpose(2, 1, 0)
            arrays["point_scores"][0, :, first:last] = values[..., 2].T
            arrays["instance_scores"][0, first:last] = scores / np.maximum(found.sum(axis=1), 1)
            arrays["track_occupancy"][first:last, 0] = found.any(axis=1)


def _frame_numbers(rows: h5py.Dataset) -> NDArray[np.int64]:
    """The frame of each row, read in pieces: h5py reads whole rows to give one of their fields."""
    column = rows.fields("index")
    frames = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), FRAMES_AT_ONCE):
        frames[start : start + FRAMES_AT_ONCE] = column[start : start + FRAMES_AT_ONCE]
    return frames


#: Type and dimensions of each array, in the order that SLEAP itself writes.
_ARRAYS: dict[str, tuple[type[np.generic], tuple[str, ...]]] = {
    "tracks": (np.float32, ("track", "xy", "node", "frame")),
    "point_scores": (np.float32, ("track", "node", "frame")),
    "instance_scores": (np.float32, ("track", "frame")),
    "tracking_scores": (np.float32, ("track", "frame")),
    "track_occupancy": (np.uint8, ("frame", "track")),
}
