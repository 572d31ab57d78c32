"""From labels on disk to frames that can be trained on, and sentences about those that cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, VideoError
from napari_vitface.jobs.events import Event, Notice, Progress
from napari_vitface.model.metadata import held_out_frames
from napari_vitface.pose.metrics import mean_pose
from napari_vitface.project.white import set_white
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.model.metadata import FramesOf, TrainingSummary
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.training.frame_inputs import TrainingFrames

#: Names listed in a sentence before it says "and more".
_LISTED = 5


@dataclass(frozen=True)
class Labelled:
    """Labels in which something is said of every frame.

    Attributes
    ----------
    labels : Labels
        Points outside of their image are NaN.
    """

    labels: Labels

    @property
    def occluded(self) -> NDArray[np.bool_]:
        """Points (N, K) that a person called hidden."""
        return self.labels.occluded

    def digest(self) -> str:
        """Changes when any label does, or a white level that a project sets for their images."""
        labels, keypoints = self.labels, self.labels.keypoints
        pairs = sorted(sorted(pair) for pair in keypoints.swaps)
        text = json.dumps([keypoints.names, pairs, labels.videos.tolist(), labels.frames.tolist()])
        content = hashlib.sha256(text.encode())
        content.update(np.ascontiguousarray(labels.xy).tobytes())
        content.update(np.ascontiguousarray(labels.occluded).tobytes())
        for folder in sorted({Path(image).parent for image in labels.images}):
            if (white := set_white(folder)) is not None:
                content.update(f"{folder.name} {white}".encode())
        return content.hexdigest()


def labelled(labels: Labels) -> Labelled:
    """The rows of `labels` in which something is said.

    Raises
    ------
    LabelError
        If no point is placed in any.
    """
    placed = np.isfinite(labels.xy).all(axis=-1)
    if not placed.any():
        raise LabelError("No point is labelled, so there is nothing to learn; place some points.")
    return Labelled(labels.take((placed | labels.occluded).any(axis=1)))


@dataclass
class Reading:
    """Reads the labelled images as inputs of a model.

    Attributes
    ----------
    data : Labelled
        After `run`: the rows whose images could be read, without points outside of them.
    frames : TrainingFrames
        After `run`: their inputs.
    white : int or None
        The white level of images of more than 8 bits; None: what their project sets, or the data.
    whites : dict of str to int
        After `run`: what it was for each video that has such images.
    """

    data: Labelled
    preprocessing: Preprocessing
    white: int | None = None

    def __post_init__(self) -> None:
        self.whites: dict[str, int] = {}
        self._frames: TrainingFrames | None = None

    @property
    def frames(self) -> TrainingFrames:
        assert self._frames is not None, "run() has not ended"
        return self._frames

    def run(self) -> Iterator[Event]:
        """Read one image after the other.

        Raises
        ------
        VitFaceError
            If no image can be read, or the crop does not lie within one.
        """
        from napari_vitface.project.white import labelled_images
        from napari_vitface.training.frame_inputs import TrainingFrames

        labels = self.data.labels
        xy = labels.xy.copy()
        kept, parts = [], []
        outside: list[str] = []
        broken: list[str] = []
        cut = 0
        read = labelled_images(self.white)
        for row, path in enumerate(labels.images):
            yield Progress(row, len(labels), None, "reading the frames")
            try:
                image = read(path)
            except VideoError as error:
                broken.append(str(error))
                continue
            height, width = image.shape[:2]
            beyond = (
                (xy[row] < -0.5) | (xy[row] > np.array([width, height]) - 0.5) | np.isinf(xy[row])
            ).any(axis=-1)
            outside += [f"{labels.keypoints.names[k]} in {path}" for k in np.flatnonzero(beyond)]
            xy[row, beyond] = np.nan
            part = TrainingFrames.from_image(
                image, xy[row], self.data.occluded[row], preprocessing=self.preprocessing
            )
            limit = np.array(self.preprocessing.input_size[::-1]) - 0.5
            lost = np.any((part.xy[0] < -0.5) | (part.xy[0] > limit), axis=-1)
            cut += int(lost.sum())
            xy[row, lost] = part.xy[0, lost] = np.nan
            kept.append(row)
            parts.append(part)
        self.whites = {folder.name: level for folder, level in read.levels.items()}
        yield from _about_images(broken, len(labels))
        yield from _about_outside(outside, cut)
        readable = replace(labels, xy=xy).take(kept)
        said = np.isfinite(readable.xy).all(axis=-1) | readable.occluded
        left = np.flatnonzero(said.any(axis=1))
        if not len(left):
            raise LabelError("No label lies within its image, so there is nothing to learn.")
        self.data = Labelled(readable.take(left))
        self._frames = TrainingFrames.joined([parts[row] for row in left])


def _about_images(broken: list[str], count: int) -> Iterator[Event]:
    if not broken:
        return
    if len(broken) == count:
        raise LabelError(
            f"None of the {counted(count, 'labelled image')} can be read; the first: {broken[0]}"
        )
    yield Notice(
        f"{len(broken)} of the {counted(count, 'labelled image')} cannot be read and "
        f"{_are(broken)} left out: "
        f"{' '.join(broken[:_LISTED])}{' …' if len(broken) > _LISTED else ''}"
    )


def _about_outside(outside: list[str], cut: int) -> Iterator[Event]:
    if outside:
        more = ", …" if len(outside) > _LISTED else ""
        yield Notice(
            f"{counted(len(outside), 'label lies', 'labels lie')} outside of "
            f"{'its' if len(outside) == 1 else 'their'} image and {_are(outside)} left out; move "
            f"or delete {'it' if len(outside) == 1 else 'them'}: "
            f"{', '.join(outside[:_LISTED])}{more}."
        )
    if cut:
        yield Notice(
            f"{counted(cut, 'label lies', 'labels lie')} outside of the crop that the "
            f"model looks at and {'is' if cut == 1 else 'are'} left out."
        )


def _are(things: list[str]) -> str:
    return "is" if len(things) == 1 else "are"


def scaled_mean_pose(
    xy: NDArray[np.float64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The mean pose (K, 2) of frames of several sizes, and the frame size (H, W) it is for.

    Parameters
    ----------
    xy : (N, K, 2) array
        Video pixels, NaN where unlabelled.
    sizes : (N, 2) array
        Height and width of each frame; the most common one is that of the result.
    """
    found, counts = np.unique(sizes, axis=0, return_counts=True)
    size = found[counts.argmax()]
    return mean_pose(rescaled(xy, sizes, size)), (int(size[0]), int(size[1]))


def rescaled(
    xy: NDArray[np.float64], sizes: NDArray[Any], size: NDArray[Any]
) -> NDArray[np.float64]:
    """Points (N, K, 2) or (K, 2) in frames of `sizes`, as points in frames of `size`.

    Each is (height, width), or (N, 2) array of these.
    """
    factor = (np.asarray(size, float) / np.asarray(sizes, float))[..., None, ::-1]
    return (xy + 0.5) * factor - 0.5


def seen_in_training(labels: Labels, training: TrainingSummary) -> NDArray[np.bool_]:
    """Which rows a model was trained on, as far as its checkpoint says, its ancestors included.

    ``training["trained_frames"]`` lists ``{"video": name, "frames": numbers}`` or ``{"video":
    name, "all_but": numbers}``. A checkpoint that names only frames that were held out was trained
    on the others of the same recording.
    """
    seen = np.zeros(len(labels), dtype=bool)
    for part in trained_frames(training):
        same = labels.videos == part["video"]
        if "frames" in part:
            seen |= same & np.isin(labels.frames, part["frames"])
        else:
            seen |= same & ~np.isin(labels.frames, part["all_but"])
    return seen


def trained_frames(training: TrainingSummary) -> list[FramesOf]:
    """The parts that `seen_in_training` goes by."""
    if training.get("trained_frames") is not None:
        return list(training["trained_frames"])
    return [
        {"video": part["video"], "all_but": part["frames"]} for part in held_out_frames(training)
    ]


def frames_by_video(labels: Labels, rows: NDArray[np.intp]) -> list[FramesOf]:
    """Rows as ``{"video": name, "frames": numbers}``, for JSON."""
    videos = sorted(set(labels.videos[rows].tolist()))
    return [
        {
            "video": video,
            "frames": sorted(int(f) for f in labels.frames[rows][labels.videos[rows] == video]),
        }
        for video in videos
    ]
