"""Labelled frames as model inputs, ready to be trained on or judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    pixel_size : (N, 2) float32
        Video pixels that one input pixel covers, along x and y: errors are judged in video pixels.
    """

    inputs: NDArray[np.uint8]
    xy: NDArray[np.float32]
    pixel_size: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def from_images(
        cls,
        images: Iterable[tuple[NDArray[Any], NDArray[np.float32]]],
        preprocessing: Preprocessing,
    ) -> TrainingFrames:
        """Turn pairs of a frame and its keypoints in video pixels into inputs, one at a time."""
        inputs, points, sizes = [], [], []
        for image, xy in images:
            view = preprocessing.view(image.shape[:2])
            inputs.append(view.pad(scale_image(image, view.scale)[None])[0])
            points.append(view.to_input(xy))
            sizes.append(1 / np.array(view.input_per_frame))
        return cls(
            np.stack(inputs),
            np.stack(points).astype(np.float32),
            np.stack(sizes).astype(np.float32),
        )

    def errors(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances in video pixels (N, K) of predictions in input pixels; NaN where unlabelled."""
        return np.linalg.norm((xy - self.xy) * self.pixel_size[:, None], axis=-1)

    def subset(self, indices: Sequence[int] | NDArray[np.intp]) -> TrainingFrames:
        """The frames at `indices`."""
        indices = np.asarray(indices, dtype=np.intp)
        return TrainingFrames(self.inputs[indices], self.xy[indices], self.pixel_size[indices])
