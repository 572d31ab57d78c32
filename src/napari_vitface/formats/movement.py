"""Datasets of poses that movement writes: netCDF, which is HDF5 with named axes.

Each axis is a *dimension scale* of HDF5, so h5py reads and writes what xarray makes of it.
movement gives coordinates as its sources do, with whole numbers at the centres of pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import LabelError, damage_told
from napari_vitface.formats.format import Format
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    import h5py

_POSITION = ("time", "space", "keypoints", "individuals")
_CONFIDENCE = ("time", "keypoints", "individuals")
#: Frames of a piece of the arrays.
_FRAMES_AT_ONCE = 4096
#: Times further than this from a whole frame are no frames of that rate.
_OFF = 0.01


def _can_open(path: Path) -> bool:
    import h5py

    with h5py.File(path, "r") as file:
        return {"position", *_POSITION}.issubset(file)


def _read(path: Path, choice: Choice) -> Predictions:
    import h5py

    with damage_told(path, "movement's netCDF"), h5py.File(path, "r") as file:
        return _read_dataset(file, path, choice)


def _read_dataset(file: h5py.File, path: Path, choice: Choice) -> Predictions:
    from napari_vitface.formats.plain_hdf import content, names_in, text

    space = names_in(file, "space")
    if space != ["x", "y"]:
        raise LabelError(
            f"{path} holds points in {len(space)} dimensions ({', '.join(space)}); a video has x "
            "and y."
        )
    animals = names_in(file, "individuals")
    animal = animals.index(choice.of_animals(animals, path))
    names = names_in(file, "keypoints")
    xy = content(file, "position")[..., animal].transpose(0, 2, 1)
    confidence = None
    problems: tuple[str, ...] = ()
    if "confidence" in file:
        # movement writes NaN where the source says nothing about confidence.
        sure = content(file, "confidence")[..., animal]
        confidence, problems = confidence_of(np.where(np.isnan(sure), 1.0, sure), xy)
    rate = _number(file.attrs.get("fps")) or choice.frame_rate or choice.video_rate
    time = content(file, "time").astype(np.float64)
    frames = _frames(time, text(file.attrs.get("time_unit", "")), rate, path)
    order = np.argsort(frames, kind="stable")
    poses = PoseTable(
        KeypointSet(tuple(names)),
        xy[order],
        None if confidence is None else confidence[order],
        frames=frames[order],
    )
    others = sorted(set(file) - {"position", "confidence", *_POSITION})
    return Predictions(
        poses,
        text(file.attrs.get("source_software", "")),
        frame_rate=rate,
        left_behind=tuple(f"the variable {name}" for name in others),
        problems=problems,
    )


def _number(value: Any) -> float | None:
    try:
        number = float(np.ravel(value)[0])
    except (TypeError, ValueError, IndexError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _frames(
    time: NDArray[np.float64], unit: str, rate: float | None, path: Path
) -> NDArray[np.int64]:
    """The frame of each time."""
    if unit == "seconds":
        if rate is None:
            raise LabelError(
                f"{path} gives times in seconds and no frame rate (give it with --frame-rate)."
            )
        time = time * rate
    frames = np.rint(time)
    if not np.isfinite(time).all() or (np.abs(time - frames) > _OFF).any():
        raise LabelError(f"The times in {path} are not those of frames at {rate:g} a second.")
    if (frames < 0).any() or len(np.unique(frames)) < len(frames):
        raise LabelError(f"{path} names a frame twice or has a negative time.")
    return frames.astype(np.int64)


class _Sink:
    """A dataset that grows along its time axis."""

    def __init__(self, path: Path, heading: Heading) -> None:
        import h5py

        require_room(path, 0)
        self._path = path
        self._heading = heading
        # netCDF keeps the order in which things were made.
        self._file = h5py.File(path, "w", track_order=True)
        labels = {
            "space": ["x", "y"],
            "keypoints": list(heading.keypoints.names),
            "individuals": ["id_0"],
        }
        kind = np.float64 if heading.frame_rate else np.int64
        self._file.create_dataset(
            "time", (0,), kind, maxshape=(None,), chunks=(_FRAMES_AT_ONCE,)
        ).make_scale("time")
        for name, values in labels.items():
            text = h5py.string_dtype()
            self._file.create_dataset(name, data=values, dtype=text).make_scale(name)
        for name, dims in (("position", _POSITION), ("confidence", _CONFIDENCE)):
            lengths = [len(labels[dim]) for dim in dims[1:]]
            array = self._file.create_dataset(
                name,
                (0, *lengths),
                np.float32,
                maxshape=(None, *lengths),
                chunks=(_FRAMES_AT_ONCE, *lengths),
            )
            for axis, dim in enumerate(dims):
                array.dims[axis].attach_scale(self._file[dim])
        attributes: dict[str, object] = {
            "source_software": heading.scorer,
            "ds_type": "poses",
            "fps": heading.frame_rate,
            "time_unit": "seconds" if heading.frame_rate else "frames",
        }
        for name, value in attributes.items():
            if value:
                self._file.attrs[name] = value

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        require_room(self._path, values.nbytes + frames.nbytes)
        file, rate = self._file, self._heading.frame_rate
        points = values.reshape(len(frames), len(self._heading.keypoints), 3)
        start, stop = len(file["time"]), len(file["time"]) + len(frames)
        for name in ("time", "position", "confidence"):
            file[name].resize(stop, axis=0)
        file["time"][start:] = frames / rate if rate else frames
        file["position"][start:, :, :, 0] = points[..., :2].transpose(0, 2, 1)
        file["confidence"][start:, :, 0] = points[..., 2]

    def close(self) -> None:
        self._file.close()

    abort = close


MOVEMENT = Format(
    "movement",
    "a dataset of movement (.nc)",
    (".nc",),
    _can_open,
    read_poses=_read,
    pose_sink=_Sink,
    holds=frozenset({"confidence", "gaps", "frame rate", "scorer"}),
)
