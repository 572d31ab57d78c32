"""SLEAP's *analysis* HDF5: arrays of one place for every frame from 0 to the last.

Neither SLEAP nor sleap-io reads DeepLabCut's predictions, but these arrays live under names of
their own, so that one HDF5 file can hold both: DeepLabCut, movement and pandas find the table,
sleap-io the arrays. Alone they are a format of their own.

Coordinates are those of SLEAP since 1.1: (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import damage_told
from napari_vitface.formats.format import Format
from napari_vitface.formats.header_table import HDF_KEY, HDF_SUFFIXES
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    import h5py

#: Frames of a window: held in memory together, and one chunk along the time axis.
FRAMES_AT_ONCE = 4096

#: Type and dimensions of each array, in the order that SLEAP itself writes.
_ARRAYS: dict[str, tuple[type[np.generic], tuple[str, ...]]] = {
    "tracks": (np.float32, ("track", "xy", "node", "frame")),
    "point_scores": (np.float32, ("track", "node", "frame")),
    "instance_scores": (np.float32, ("track", "frame")),
    "tracking_scores": (np.float32, ("track", "frame")),
    "track_occupancy": (np.uint8, ("frame", "track")),
}


class _Arrays:
    """The arrays in a file, which grow with the frames that are written.

    Frames that are not written are NaN and take no room in the file.
    """

    def __init__(self, file: h5py.File, heading: Heading, frames: int = 0) -> None:
        keypoints = heading.keypoints
        self._file = file
        lengths = {"track": 1, "xy": 2, "node": len(keypoints), "frame": frames}
        for name, (dtype, dims) in _ARRAYS.items():
            chunk = {**lengths, "frame": min(frames, FRAMES_AT_ONCE) or FRAMES_AT_ONCE}
            array = file.create_dataset(
                name,
                shape=tuple(lengths[dim] for dim in dims),
                maxshape=tuple(None if dim == "frame" else lengths[dim] for dim in dims),
                dtype=dtype,
                # Of an array in chunks, those never written take no room.
                chunks=tuple(chunk[dim] for dim in dims),
                fillvalue=np.nan if dtype is np.float32 else 0,
            )
            array.attrs["dims"] = json.dumps(dims)
        file.attrs["preset"] = "matlab"
        file.attrs["format"] = "analysis"
        file.create_dataset("track_names", shape=(0,), dtype="S1")
        file["node_names"] = [name.encode() for name in keypoints.names]
        if keypoints.skeleton:
            file["edge_names"] = [[a.encode(), b.encode()] for a, b in keypoints.skeleton]
            file["edge_inds"] = keypoints.edges()
        if heading.video:
            file["video_path"] = heading.video

    def write(self, frames: NDArray[np.int64], points: NDArray[np.float32]) -> None:
        """Write points (N, K, 3) of frames (N,), window by window."""
        for first in np.unique(frames // FRAMES_AT_ONCE) * FRAMES_AT_ONCE:
            rows = (frames >= first) & (frames < first + FRAMES_AT_ONCE)
            self._write_window(frames[rows], points[rows])

    def _write_window(self, frames: NDArray[np.int64], points: NDArray[np.float32]) -> None:
        start, stop = int(frames[0]), int(frames[-1]) + 1
        for name, (_, dims) in _ARRAYS.items():
            axis, array = dims.index("frame"), self._file[name]
            if array.shape[axis] < stop:
                array.resize(stop, axis=axis)
        values = np.full((stop - start, *points.shape[1:]), np.nan, dtype=np.float32)
        values[frames - start] = points
        found = np.isfinite(values[..., 0])
        scores = np.where(found, values[..., 2], 0.0).sum(axis=1)
        self._file["tracks"][0, :, :, start:stop] = values[..., :2].transpose(2, 1, 0)
        self._file["point_scores"][0, :, start:stop] = values[..., 2].T
        means = scores / np.maximum(found.sum(axis=1), 1)
        self._file["instance_scores"][0, start:stop] = means
        self._file["track_occupancy"][start:stop, 0] = found.any(axis=1)


def add_analysis_arrays(path: Path, heading: Heading) -> None:
    """Add SLEAP's arrays to an HDF5 file that holds a table of `PoseWriter`.

    Parameters
    ----------
    path : Path
        Changed in place.
    heading : Heading
    """
    import h5py

    with h5py.File(path, "r+") as file:
        # A compound dataset with frame numbers and K (x, y, likelihood) a row.
        rows = file.get(f"{HDF_KEY}/table")
        frames = np.empty(0, np.int64) if rows is None else _frame_numbers(rows)
        arrays = _Arrays(file, heading, int(frames[-1]) + 1 if len(frames) else 0)
        if not len(frames):
            return
        # One window of frames after the other, and only those that hold any.
        starts = np.unique(frames // FRAMES_AT_ONCE, return_index=True)[1].tolist()
        for start, stop in zip(starts, [*starts[1:], len(frames)], strict=True):
            points = rows.fields("values_block_0")[start:stop]
            points = points.reshape(-1, len(heading.keypoints), 3)
            arrays.write(frames[start:stop], points)


def _frame_numbers(rows: h5py.Dataset) -> NDArray[np.int64]:
    """The frame of each row, read in pieces: h5py reads whole rows to give one of their fields."""
    column = rows.fields("index")
    frames = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), FRAMES_AT_ONCE):
        frames[start : start + FRAMES_AT_ONCE] = column[start : start + FRAMES_AT_ONCE]
    return frames


class _Sink:
    """The arrays alone."""

    def __init__(self, path: Path, heading: Heading) -> None:
        import h5py

        require_room(path, 0)
        self._path = path
        self._size = len(heading.keypoints)
        self._file = h5py.File(path, "w")
        self._arrays = _Arrays(self._file, heading)

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        windows = len(np.unique(frames // FRAMES_AT_ONCE))
        require_room(self._path, windows * FRAMES_AT_ONCE * 4 * (3 * self._size + 3))
        self._arrays.write(frames, values.reshape(len(frames), self._size, 3))

    def close(self) -> None:
        self._file.close()

    abort = close


def read_skeleton_and_video(path: Path) -> tuple[tuple[tuple[str, str], ...], str]:
    """Edges of the skeleton by name, and the video; empty where the file does not say."""
    import h5py

    from napari_vitface.formats.plain_hdf import names_in, text

    with h5py.File(path, "r") as file:
        edges: tuple[tuple[str, str], ...] = ()
        if "edge_names" in file and file["edge_names"].ndim == 2:
            edges = tuple((a, b) for a, b in np.reshape(names_in(file, "edge_names"), (-1, 2)))
        if "video_path" not in file or not file["video_path"].size:
            return edges, ""
        if file["video_path"].shape:
            # Images, one a frame.
            return edges, str(Path(names_in(file, "video_path")[0]).parent)
        return edges, text(file["video_path"][()])


def _can_open(path: Path) -> bool:
    import h5py

    with h5py.File(path, "r") as file:
        # What is ours is read as a table, which says which frames were left out.
        return "tracks" in file and "node_names" in file and "df_with_missing" not in file


def _read(path: Path, choice: Choice) -> Predictions:
    import h5py

    with damage_told(path, "SLEAP's analysis arrays"), h5py.File(path, "r") as file:
        return _read_arrays(file, path, choice)


def _read_arrays(file: h5py.File, path: Path, choice: Choice) -> Predictions:
    from napari_vitface.formats.plain_hdf import names_in

    names = names_in(file, "node_names")
    tracks = _in_order(file, "tracks", ("track", "frame", "node", "xy"))
    count = len(tracks)
    animals = names_in(file, "track_names") if len(file["track_names"]) else []
    if len(animals) != count:
        animals = [f"track_{i}" for i in range(count)]
    there = [i for i in range(count) if np.isfinite(tracks[i]).any()] or [0]
    if choice.animal is not None:
        there = list(range(count))
    chosen = animals.index(choice.of_animals([animals[i] for i in there], path))
    xy = tracks[chosen]
    confidence = None
    problems: tuple[str, ...] = ()
    if "point_scores" in file:
        scores = _in_order(file, "point_scores", ("track", "frame", "node"))[chosen]
        # Of points that a person placed SLEAP writes no score.
        confidence, problems = confidence_of(np.where(np.isnan(scores), 1.0, scores), xy)
    edges, video = read_skeleton_and_video(path)
    poses = PoseTable(KeypointSet(tuple(names), edges), xy, confidence)
    return Predictions(poses, video=video, problems=problems)


def _in_order(file: h5py.File, name: str, dims: tuple[str, ...]) -> NDArray[Any]:
    """An array with its dimensions in an order; without a note of them they are as in MATLAB."""
    from napari_vitface.formats.plain_hdf import content, text

    array, said = content(file, name), file[name].attrs.get("dims")
    stored = list(_ARRAYS[name][1]) if said is None else json.loads(text(said))
    if sorted(stored) != sorted(dims) or array.ndim != len(dims):
        raise ValueError(f"{name} has the dimensions {stored}")
    return array.transpose([stored.index(dim) for dim in dims])


SLEAP_ANALYSIS = Format(
    "sleap-analysis",
    "SLEAP's analysis arrays (.h5)",
    HDF_SUFFIXES,
    _can_open,
    read_poses=_read,
    pose_sink=_Sink,
    holds=frozenset({"confidence", "skeleton", "video"}),
)
