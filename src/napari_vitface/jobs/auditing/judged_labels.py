"""The labels that an audit judges, with their images, wherever they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.formats.labelled_images import Labels, frame_number
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.label_reading import read_labels
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.training.frame_inputs import TrainingFrames
    from napari_vitface.video import Video

#: Labelled frames below which nothing is said: the usual could not be told from the odd.
FEWEST_FRAMES = 12
#: The part of the frames that networks look at: where labels are, and so much of its size around.
_MARGIN = 0.35
#: If that is a larger share of the frame than this, they look at all of it.
_MOST_OF_IT = 0.6


@dataclass(frozen=True)
class AuditedLabels:
    """Labelled frames, at least `FEWEST_FRAMES`.

    Attributes
    ----------
    labels : Labels
        Rows with a label. `frames` are the numbers that checkpoints know these frames by.
    shown : (N,) array of int
        The frame numbers to report: of a folder of images, positions in it.
    read : callable
        The image of a row.
    white : int or None
        The brightest value of the images; None: that of their type.
    """

    labels: Labels
    shown: NDArray[np.int64]
    read: Callable[[int], NDArray[Any]]
    white: int | None = None

    def __post_init__(self) -> None:
        if len(self) < FEWEST_FRAMES:
            count = len(self)
            raise LabelError(
                f"Only {counted(count, 'frame is', 'frames are')} labelled; labels are "
                f"compared with each other, which takes at least {FEWEST_FRAMES} frames."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def blocks(self, folds: int) -> list[NDArray[np.intp]]:
        """Rows in `folds` parts, each a block of time of every recording."""
        if not 2 <= folds <= len(self):
            raise LabelError(
                f"The labels cannot be cut into {folds} blocks; choose 2 to {len(self)}."
            )
        parts: list[list[NDArray[np.intp]]] = [[] for _ in range(folds)]
        videos = self.labels.videos
        for turn, video in enumerate(sorted(set(videos.tolist()))):
            rows = np.flatnonzero(videos == video)
            rows = rows[np.argsort(self.shown[rows], kind="stable")]
            # Recordings of few frames do not all begin with the first part.
            for number, block in enumerate(np.array_split(rows, folds)):
                parts[(number + turn) % folds].append(block)
        return [np.sort(np.concatenate(part)) for part in parts if sum(map(len, part))]

    def frame(self, row: int, preprocessing: Preprocessing) -> TrainingFrames:
        """One frame as input of a network; labels outside of the image are left out."""
        from napari_vitface.training.frame_inputs import TrainingFrames
        from napari_vitface.video.scale import as_uint8

        image = as_uint8(self.read(row), self.white)
        size = (image.shape[0], image.shape[1])
        preprocessing = preprocessing.with_crop(self.crop(row, size))
        xy = self.labels.xy[row]
        view = preprocessing.view(size)
        inside = view.to_input(xy)
        limit = np.array(preprocessing.input_size[::-1]) - 0.5
        beyond = (inside < -0.5) | (inside > limit)
        kept = np.where(beyond.any(axis=-1, keepdims=True), np.nan, xy)
        return TrainingFrames.from_image(image, kept, preprocessing=preprocessing)

    def crop(self, row: int, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Where the labels of a row's recording are, if that is a small part of its (H, W)."""
        videos = self.labels.videos
        points = self.labels.xy[videos == videos[row]].reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=-1)]
        # Not led astray by single wild labels.
        low, high = np.percentile(points, [2, 98], axis=0)
        around = _MARGIN * (high - low).max()
        end = np.array([size[1], size[0]])
        first = np.clip(np.floor(low - around), 0, end - 1).astype(int)
        last = np.clip(np.ceil(high + around), first + 1, end).astype(int)
        width, height = (int(side) for side in last - first)
        if width * height > _MOST_OF_IT * size[0] * size[1]:
            return None
        return int(first[0]), int(first[1]), width, height


def labels_of_files(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    white: int | None = None,
) -> AuditedLabels:
    """What `read_labels` takes."""
    from napari_vitface.project.white import labelled_images

    table = labels if isinstance(labels, Labels) else read_labels(labels)
    table = table.take(_placed(table.xy))
    read = labelled_images(white)
    return AuditedLabels(table, table.frames, lambda row: read(table.images[row]))


def labels_of_video(
    video: Video, keypoints: KeypointSet, frames: NDArray[Any], xy: NDArray[Any]
) -> AuditedLabels:
    """Labels (N, K, 2) of frames (N,) of an open video."""
    shown = np.asarray(frames, dtype=np.int64)
    xy = np.asarray(xy, dtype=np.float64)
    rows = _placed(xy)
    shown, xy = shown[rows], xy[rows]
    known = shown
    images: tuple[Path, ...] = (Path(),) * len(shown)
    if video.path.is_dir():
        from napari_vitface.video.images import image_files

        files = image_files(video.path)
        images = tuple(files[frame] for frame in shown)
        known = np.array([frame_number(image.name) for image in images], dtype=np.int64)
    table = Labels(keypoints, xy, images, np.full(len(shown), video.name), known, "")
    return AuditedLabels(table, shown, lambda row: video[int(shown[row])], video.white)


def _placed(xy: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows with a label."""
    return np.asarray(np.isfinite(xy).all(axis=-1).any(axis=-1))
