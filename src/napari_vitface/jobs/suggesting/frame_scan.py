"""Showing frames and labelled images to a model: where it finds points, and what they look like.

Every function is a generator of `Progress` that returns what was found.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.jobs.events import Event
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.suggesting.test_time_augmentation import CHANGES

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import Preprocessing, View
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.video import Video

#: Images that are shown together at most.
_AT_ONCE = 16
#: The patch tokens are averaged in about so many parts of the image, along height and width.
_PARTS = (3, 4)


@dataclass(frozen=True)
class Seen:
    """What a close look at frames found.

    Attributes
    ----------
    rows : (n,) array of int
        Positions among the frames asked for of those that could be decoded.
    moved : (V, n, K) array of float64
        How far each of `CHANGES` moves each point, in pixels of the video.
    features : (n, D) array of float32
    """

    rows: NDArray[np.intp]
    moved: NDArray[np.float64]
    features: NDArray[np.float32]


def predict_frames(
    video: Video, frames: range, view: View, model: KeypointModel
) -> Generator[Event, None, PoseTable]:
    """Poses of frames of a video; a frame that cannot be decoded has no points."""
    from napari_vitface.jobs.frame_batches import batches
    from napari_vitface.pose.table import PoseTable

    count = len(model.keypoints)
    xy = np.full((len(frames), count, 2), np.nan, dtype=np.float32)
    confidence = np.zeros((len(frames), count), dtype=np.float32)
    counter, done = Counter(len(frames), "Predicting frames"), 0
    source = batches(video, frames, view, min(model.batch_size, _AT_ONCE))
    with closing(source):  # type: ignore[type-var]
        for batch in source:
            if batch.canvas is not None:
                rows = done + np.flatnonzero(batch.decoded)
                found, confidence[rows] = model.predict(batch.canvas)
                xy[rows] = view.to_frame(found)
            done += len(batch.frames)
            yield counter.at(done)
    return PoseTable(model.keypoints, xy, confidence, frames=np.array(frames))


def look_closely(
    video: Video, frames: NDArray[np.int64], view: View, model: KeypointModel
) -> Generator[Event, None, Seen]:
    """Whether the points of frames stay where they are when the image changes a little."""
    rows, moved, features = [], [], []
    counter = Counter(len(frames), "Looking closely at doubtful frames")
    size = view.preprocessing.input_size
    for start in range(0, len(frames), _AT_ONCE):
        part = frames[start : start + _AT_ONCE].tolist()
        canvas, decoded = _canvas(video, part, view)
        if canvas is not None:
            found, tokens = _see(model, canvas)
            here = view.to_frame(found)
            there = [
                view.to_frame(change.back(model.predict(change.apply(canvas))[0], size))
                for change in CHANGES
            ]
            moved.append(np.linalg.norm(np.stack(there) - here, axis=-1))
            features.append(tokens)
            rows.append(start + np.array(decoded))
        yield counter.at(start + len(part))
    if not rows:
        nothing = np.empty((0, 1), dtype=np.float32)
        return Seen(np.empty(0, np.intp), np.empty((len(CHANGES), 0, 0)), nothing)
    return Seen(np.concatenate(rows), np.concatenate(moved, axis=1), np.concatenate(features))


def image_features(
    images: Iterator[NDArray[Any]],
    total: int,
    preprocessing: Preprocessing,
    model: KeypointModel,
    white: int | None = None,
) -> Generator[Event, None, NDArray[np.float32]]:
    """Features (N, D) of single images of any size."""
    from napari_vitface.video import scale_image

    features: list[NDArray[np.float32]] = []
    counter = Counter(total, "Comparing with labelled frames")
    for done, image in enumerate(images, 1):
        view = preprocessing.view((image.shape[0], image.shape[1]))
        canvas = view.pad(scale_image(image, view.scale, white=white)[None])
        features.append(_see(model, canvas)[1])
        if done % _AT_ONCE == 0 or done == total:
            yield counter.at(done)
    return np.concatenate(features) if features else np.empty((0, 1), dtype=np.float32)


def read_frames(video: Video, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Frames that can be decoded."""
    for frame in frames:
        image = _frame(video, frame)
        if image is not None:
            yield image


def read_images(paths: Sequence[Path]) -> Iterator[NDArray[Any]]:
    """Images of files, in 8 bits."""
    from napari_vitface.project.white import labelled_images

    return map(labelled_images(), paths)


def _frame(video: Video, frame: int) -> NDArray[Any] | None:
    try:
        return video[frame]
    except VideoError:
        return None


def _canvas(
    video: Video, frames: Sequence[int], view: View
) -> tuple[NDArray[np.uint8] | None, list[int]]:
    """Model inputs of frames that can be decoded, and their positions among `frames`."""
    from napari_vitface.video import scale_image

    scaled, decoded = [], []
    for position, frame in enumerate(frames):
        image = _frame(video, frame)
        if image is not None:
            scaled.append(scale_image(image, view.scale, white=video.white))
            decoded.append(position)
    return (view.pad(np.stack(scaled)) if scaled else None), decoded


def _see(
    model: KeypointModel, canvas: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (B, K, 2) in input pixels and features (B, D): patch tokens, averaged over parts."""
    from torch.nn.functional import adaptive_avg_pool2d

    tokens: list[Any] = []

    def keep(module: object, inputs: object, output: Any) -> None:
        parts = tuple(min(a, b) for a, b in zip(_PARTS, output[1].shape[2:], strict=True))
        tokens.extend(adaptive_avg_pool2d(output[1].float(), parts).flatten(1).cpu().numpy())

    handle = model.network.backbone.register_forward_hook(keep)
    try:
        found, _ = model.predict(canvas)
    finally:
        handle.remove()
    # A batch that did not fit into memory was seen twice: the last ones are those that count.
    return found, np.stack(tokens[-len(canvas) :]).astype(np.float32)
