"""Labelled frames as model inputs, ready to be trained on or judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.video import scale_image


@dataclass(frozen=True)
class TrainingFrames:
    """Inputs of one model with the keypoints that belong to them.

    Attributes
    ----------
    inputs : (N, C, H, W) uint8
        Frames as `Preprocessing` makes them.
    xy : (N, K, 2) float32
        Keypoints in input pixels, NaN where unlabelled.
    occluded : (N, K) bool
        Keypoints that a person marked as not to be seen.
    pixel_size, origin : (N, 2) float32
        Video pixels that one input pixel covers, along x and y, and the place in the video of the
        centre of the first one: errors are judged in video pixels.
    frame_size : (N, 2) int64
        Height and width of each frame of the video.
    """

    inputs: NDArray[np.uint8]
    xy: NDArray[np.float32]
    occluded: NDArray[np.bool_]
    pixel_size: NDArray[np.float32]
    origin: NDArray[np.float32]
    frame_size: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def from_images(
        cls,
        images: Iterable[
            tuple[NDArray[Any], ArrayLike] | tuple[NDArray[Any], ArrayLike, ArrayLike]
        ],
        preprocessing: Preprocessing,
    ) -> TrainingFrames:
        """Turn frames with their keypoints into inputs, one at a time.

        Parameters
        ----------
        images : iterable of (frame, xy) or (frame, xy, occluded)
            Keypoints (K, 2) in video pixels; (K,) bool, by default none.
        preprocessing : Preprocessing

        Raises
        ------
        VitFaceError
            The crop does not lie within a frame.
        """
        return cls.joined([cls.from_image(*image, preprocessing=preprocessing) for image in images])

    @classmethod
    def from_image(
        cls,
        image: NDArray[Any],
        xy: ArrayLike,
        occluded: ArrayLike | None = None,
        *,
        preprocessing: Preprocessing,
    ) -> TrainingFrames:
        """One frame; see `from_images`."""
        view = preprocessing.view((image.shape[0], image.shape[1]))
        points = view.to_input(xy)[None].astype(np.float32)
        hidden = np.zeros(points.shape[:2], bool) if occluded is None else np.asarray(occluded)
        return cls(
            view.pad(scale_image(image, view.scale)[None]),
            points,
            hidden.reshape(points.shape[:2]).astype(bool),
            np.array([1 / np.array(view.input_per_frame)], dtype=np.float32),
            view.to_frame(np.zeros((1, 2))).astype(np.float32),
            np.array([image.shape[:2]], dtype=np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[TrainingFrames]) -> TrainingFrames:
        """The frames of several sets (at least one), in order."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    @property
    def magnification(self) -> NDArray[np.float64]:
        """Input pixels per video pixel of each frame, (N, 1); see `View.magnification`."""
        return (1 / self.pixel_size.astype(np.float64)).mean(axis=1, keepdims=True)

    def errors(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances in video pixels (N, K) of predictions in input pixels; NaN where unlabelled."""
        return np.linalg.norm((xy - self.xy) * self.pixel_size[:, None], axis=-1)

    def to_video(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Input pixels (N, K, 2) to video pixels."""
        return xy * self.pixel_size[:, None].astype(np.float64) + self.origin[:, None]

    def subset(self, indices: Sequence[int] | NDArray[np.intp]) -> TrainingFrames:
        """The frames at `indices`."""
        rows = np.asarray(indices, dtype=np.intp)
        return TrainingFrames(*(getattr(self, field.name)[rows] for field in fields(self)))
