"""What the network finds when parts of its input are blanked with an even grey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.model.predictor import KeypointModel

#: (top, left, height, width) in input pixels: the part of the input that shows the frame.
Area = tuple[int, int, int, int]


@dataclass(frozen=True)
class Blanker:
    """One image of a model's, to be blanked in parts.

    Parameters
    ----------
    model : KeypointModel
    image : (C, H, W) uint8 tensor
        A model input.
    area : (top, left, height, width), optional
        The part that shows the frame; what is around it is padding and is left as it is.
    grey : int, optional
        0 to 255; default the mean of the frame, channel by channel.
    """

    model: KeypointModel
    image: Tensor
    area: Area | None = None
    grey: int | None = None

    @property
    def frame(self) -> tuple[slice, slice]:
        """Rows and columns of the part that shows the frame."""
        top, left, height, width = self.area or (0, 0, *self.image.shape[1:])
        return slice(top, top + height), slice(left, left + width)

    @property
    def fill(self) -> Tensor:
        """The grey, (C,) uint8."""
        if self.grey is not None:
            return torch.full((len(self.image),), self.grey, dtype=torch.uint8)
        rows, columns = self.frame
        return self.image[:, rows, columns].float().mean(dim=(1, 2)).round().byte()

    def blanked(self, masks: NDArray[np.bool_]) -> Tensor:
        """Copies of the image (n, C, H, W), grey where `masks` (n, H, W) are True."""
        inside = np.zeros(self.image.shape[1:], dtype=bool)
        inside[self.frame] = True
        where = torch.from_numpy(masks & inside)[:, None]
        return torch.where(where, self.fill[:, None, None], self.image)

    def find(
        self, masks: Iterable[NDArray[np.bool_]]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Keypoints with each mask (H, W) blanked, a batch at a time.

        Yields
        ------
        xy : (n, K, 2) float32
            Input pixels.
        confidence : (n, K) float32
        """
        waiting: list[NDArray[np.bool_]] = []
        for mask in masks:
            waiting.append(mask)
            if len(waiting) >= self.model.batch_size:
                yield self.model.predict(self.blanked(np.stack(waiting)))
                waiting = []
        if waiting:
            yield self.model.predict(self.blanked(np.stack(waiting)))


def patches_in(
    area: Area | None, grid: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which patches (gh, gw) of an input of `size` (H, W) have their centre in the frame's part."""
    top, left, height, width = area or (0, 0, *size)
    rows = (np.arange(grid[0]) + 0.5) * size[0] / grid[0]
    columns = (np.arange(grid[1]) + 0.5) * size[1] / grid[1]
    inside_rows = (rows >= top) & (rows < top + height)
    inside_columns = (columns >= left) & (columns < left + width)
    return inside_rows[:, None] & inside_columns[None, :]


def patches_to_pixels(patches: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of patches (gh, gw) as a mask of the input's pixels `size` (H, W)."""
    return patches.repeat(size[0] // patches.shape[0], axis=0).repeat(
        size[1] // patches.shape[1], axis=1
    )
