"""Frames of a video as batches for a model, decoded and stacked ahead of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.video.read_ahead import decode_ahead

if TYPE_CHECKING:
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

#: Batches made ahead of the model, beside the frames that the video decodes ahead.
_DEPTH = 2


@dataclass(frozen=True)
class Batch:
    """Some frames in order.

    Attributes
    ----------
    frames : (N,) int64
    decoded : (N,) bool
        False for frames that could not be decoded.
    canvas : (B, C, H, W) uint8, an array or (pinned) tensor
        The decoded frames as the model's input, B = decoded.sum().
    """

    frames: NDArray[np.int64]
    decoded: NDArray[np.bool_]
    canvas: Any


def batches(
    video: Video, frames: range, view: View, size: int, *, first: int = 1, pinned: bool = False
) -> Iterator[Batch]:
    """Batches of up to `size` frames, made on threads of their own; the first one is a frame alone.

    Somebody waits for the first points, and for nothing as long as for them.

    Parameters
    ----------
    first : int
        Frames of the first batch.
    pinned : bool
        Put the canvas in page-locked memory, from where a GPU copies while it computes.
    """
    return decode_ahead(lambda: _assemble(video, frames, view, size, first, pinned), _DEPTH)


def _assemble(
    video: Video, frames: range, view: View, size: int, first: int, pinned: bool
) -> Iterator[Batch]:
    numbers: list[int] = []
    images: list[NDArray[np.uint8] | None] = []
    limit = first
    source = video.frames(frames, scale=view.scale, ahead=max(64, size))
    with closing(source):  # type: ignore[type-var]
        for number, image in source:
            numbers.append(number)
            images.append(image)
            if len(numbers) == limit:
                yield _batch(numbers, images, view, pinned)
                numbers, images, limit = [], [], size
        if numbers:
            yield _batch(numbers, images, view, pinned)


def _batch(
    numbers: list[int], images: list[NDArray[np.uint8] | None], view: View, pinned: bool
) -> Batch:
    decoded = [image for image in images if image is not None]
    canvas: Any = view.pad(np.stack(decoded)) if decoded else None
    if pinned and decoded:
        import torch

        canvas = torch.from_numpy(canvas).pin_memory()
    return Batch(
        np.array(numbers, dtype=np.int64),
        np.array([image is not None for image in images]),
        canvas,
    )
