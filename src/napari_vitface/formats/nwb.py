"""NWB files with the poses of the extension ndx-pose; labels are in `nwb_labels`.

Each keypoint is a series with a place for every frame from 0 to the last, at the frame rate. Where
whole numbers lie is said in words in each series: here at the centres of pixels.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import LabelError, damage_told
from napari_vitface.formats.extra import needed
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.nwb_labels import labels_in, skeleton_of, training_of
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels

_REFERENCE = (
    "(0, 0) is the centre of the top left pixel of the video; x grows to the right, y downwards."
)
#: Bytes at most, seen with pynwb 3 and ndx-pose 0.4: of a file, with the descriptions of NWB and of
#: its extensions in it; of a series, a keypoint or a labelled image; and of its point.
_BYTES_A_FILE, _BYTES_A_GROUP, _BYTES_A_POINT = 1 << 18, 1 << 13, 64
#: Times further than this from a whole frame are no frames of that rate.
_OFF = 0.05


def _can_open(path: Path) -> bool:
    return path.suffix.lower() == ".nwb"


def _read(path: Path, choice: Choice) -> Predictions:
    with _opened(path) as found:
        estimates = {one.name: one for one in found("PoseEstimation")}
        if not estimates:
            raise LabelError(f"{path} holds no poses of ndx-pose.")
        return _read_estimate(estimates[choice.of_animals(list(estimates), path)], path, choice)


def _read_labels(path: Path, choice: Choice) -> Labels:
    with _opened(path) as found:
        return labels_in(found("PoseTraining"), path, choice)


def _contents(path: Path) -> list[Content]:
    with _opened(path) as found:
        labels: list[Content] = ["labels"] if found("PoseTraining") else []
        return ["predictions", *labels] if found("PoseEstimation") or not labels else labels


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[str], list[Any]]]:
    """What gives an open file's data of a kind of ndx-pose; `LabelError` if it is none."""
    pynwb, ndx_pose = needed("pynwb", "nwb"), needed("ndx_pose", "nwb")
    with (
        damage_told(path, "NWB"),
        pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as io,
    ):
        modules = io.read().processing.values()
        held = [one for module in modules for one in module.data_interfaces.values()]

        def found(kind: str) -> list[Any]:
            return [one for one in held if isinstance(one, getattr(ndx_pose, kind))]

        yield found


def _read_estimate(estimate: Any, path: Path, choice: Choice) -> Predictions:
    series = {one.name: one for one in estimate.pose_estimation_series.values()}
    skeleton = estimate.skeleton
    nodes = [str(name) for name in skeleton.nodes[:]] if skeleton is not None else []
    # HDF5 knows the series by their names alone; the skeleton knows their order.
    names = nodes if {*nodes} == {*series} else list(series)
    pairs: list[tuple[int, int]] = []
    if names is nodes and skeleton.edges is not None:
        pairs = np.reshape(skeleton.edges[:], (-1, 2)).tolist()
    keypoints = KeypointSet(tuple(names), tuple((names[a], names[b]) for a, b in pairs))
    times, rates = _times(series[names[0]], choice)
    parts = []
    for name in names:
        points = np.asarray(series[name].data[:], np.float32)
        if points.ndim != 2 or points.shape[1] != 2:
            raise LabelError(f"{path} holds points in three dimensions; a video has x and y.")
        if len(points) != len(times) or not np.array_equal(_times(series[name], choice)[0], times):
            raise LabelError(f"The keypoints of {path} have times of their own.")
        parts.append((points, np.asarray(series[name].confidence[:], np.float32)))
    rate = next((rate for rate in rates if _are_frames(times * rate)), None)
    if rate is None:
        raise LabelError(
            f"The times in {path} are not those of frames at {rates[0]:g} a second (give the frame "
            "rate of the video with --frame-rate)."
        )
    frames = np.rint(times * rate).astype(np.int64)
    xy = np.stack([points for points, _ in parts], axis=1)
    confidence = np.stack([sure for _, sure in parts], axis=1)
    confidence, problems = confidence_of(confidence, xy)
    videos = estimate.original_videos
    said = str(series[names[0]].reference_frame or "")
    return Predictions(
        PoseTable(keypoints, xy, confidence, frames=frames),
        str(estimate.scorer or ""),
        str(videos[0]) if videos is not None and len(videos) else "",
        rate,
        left_behind=() if said in ("", _REFERENCE) else (f"where (0, 0) is ({said!r})",),
        problems=problems,
    )


def _times(series: Any, choice: Choice) -> tuple[NDArray[np.float64], list[float]]:
    """The time of each row, and how many frames a second these may be of, the likeliest first."""
    if series.timestamps is None:
        rate = float(series.rate)
        times = np.arange(len(series.data)) / rate + float(series.starting_time or 0.0)
        return times, [rate]
    times = np.asarray(series.timestamps[:], np.float64)
    if choice.frame_rate:
        return times, [choice.frame_rate]
    steps = np.diff(times)
    rates = [1 / float(np.median(steps)) if len(steps) else None, choice.video_rate]
    return times, [rate for rate in rates if rate] or [1.0]


def _are_frames(places: NDArray[np.float64]) -> bool:
    """Whether times in units of frames are those of frames, one after the other."""
    frames = np.rint(places)
    return bool((np.abs(places - frames) <= _OFF).all() and (np.diff(frames) > 0).all())


def new_file(what: str) -> Any:
    """An NWB file in memory that says in a sentence what it holds, and no date as there is none."""
    return needed("pynwb", "nwb").NWBFile(
        session_description=f"{what} When it was recorded is not known.",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
    )


class _Sink:
    """A file that is written as a whole, for its arrays have a length from the beginning."""

    def __init__(self, path: Path, heading: Heading) -> None:
        needed("ndx_pose", "nwb")
        for name in heading.keypoints.names:
            # NWB has no way to write these in a name.
            if {*"/:"} & {*name} or not name.strip("."):
                raise LabelError(f"NWB cannot hold a keypoint named {name!r}.")
        self._path = path
        self._heading = heading
        self._pieces: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        self._pieces.append((frames, values))

    def close(self) -> None:
        pynwb, ndx_pose = needed("pynwb", "nwb"), needed("ndx_pose", "nwb")
        heading, keypoints = self._heading, self._heading.keypoints
        count = int(self._pieces[-1][0][-1]) + 1 if self._pieces else 0
        points = np.full((count, len(keypoints), 3), np.nan, np.float32)
        points[..., 2] = 0
        for frames, values in self._pieces:
            points[frames] = values.reshape(len(frames), len(keypoints), 3)
        skeleton = skeleton_of(keypoints)
        series = [
            ndx_pose.PoseEstimationSeries(
                name=name,
                description=f"Where {name} is in each frame.",
                data=points[:, k, :2],
                unit="pixels",
                reference_frame=_REFERENCE,
                confidence=points[:, k, 2],
                rate=heading.frame_rate,
                starting_time=0.0,
            )
            for k, name in enumerate(keypoints.names)
        ]
        estimate = ndx_pose.PoseEstimation(
            name="PoseEstimation",
            pose_estimation_series=series,
            description="Keypoints predicted in a video.",
            original_videos=[heading.video] if heading.video else None,
            scorer=heading.scorer or None,
            source_software="napari-vitface",
            skeleton=skeleton,
        )
        file = new_file("Keypoints of a video.")
        module = file.create_processing_module("behavior", "Keypoints of a video.")
        module.add(ndx_pose.Skeletons(skeletons=[skeleton]))
        module.add(estimate)
        size = _BYTES_A_FILE + len(keypoints) * _BYTES_A_GROUP
        require_room(self._path, size + points.nbytes)
        with pynwb.NWBHDF5IO(str(self._path), "w") as io:
            io.write(file)

    def abort(self) -> None:
        self._pieces = []


def _write_labels(path: Path, labels: Labels) -> None:
    pynwb = needed("pynwb", "nwb")
    file = new_file("Labelled images of a video.")
    module = file.create_processing_module("behavior", "Keypoints that a person placed.")
    for each in training_of(labels, path.parent):
        module.add(each)
    groups = len(labels) + len({*labels.videos.tolist()}) + len(labels.keypoints)
    names = sum(len(str(image)) for image in labels.images)
    size = _BYTES_A_FILE + groups * _BYTES_A_GROUP + labels.occluded.size * _BYTES_A_POINT
    require_room(path, size + 4 * names)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


NWB = Format(
    "nwb",
    "an NWB file with poses (.nwb)",
    (".nwb",),
    _can_open,
    read_poses=_read,
    read_labels=_read_labels,
    pose_sink=_Sink,
    write_labels=_write_labels,
    holds=frozenset({"confidence", "hidden places", "skeleton", "frame rate", "video", "scorer"}),
    needs=frozenset({"frame rate"}),
    contents=_contents,
)
