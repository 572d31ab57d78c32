"""The one way from video frames to model inputs, and from model outputs back to video pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.model.metadata import PreprocessingDescription
from napari_vitface.record import from_plain, plain_data

if TYPE_CHECKING:
    import torch

    from napari_vitface.video import Scale


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes a model input: crop, resize, pad, normalise. Saved in the checkpoint.

    The crop is resized by one factor (as far as whole pixels allow) until it touches the input on
    one axis, and padded evenly on the other.

    Parameters
    ----------
    input_size : (H, W)
        Size of the model's input in pixels.
    channels : 1 or 3
        Grey or RGB.
    mean, std : tuple of float
        One a channel, for pixel values scaled to 0..1.
    crop : (x, y, w, h), optional
        The part of the frame to use, in whole video pixels; None is the whole frame.
    pad_value : int
        Grey level, 0..255, around the resized crop.

    Notes
    -----
    Importing this module imports numpy only; `normalise` takes and gives torch tensors.
    """

    input_size: tuple[int, int]
    channels: int = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    crop: tuple[int, int, int, int] | None = None
    pad_value: int = 0

    def __post_init__(self) -> None:
        height, width = (int(side) for side in self.input_size)
        if height < 1 or width < 1:
            raise ValueError(f"input_size must be positive, got {self.input_size}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels}")
        object.__setattr__(self, "input_size", (height, width))
        for field in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, field))
            if len(values) != self.channels or not np.isfinite(values).all():
                raise ValueError(f"{field} must hold {self.channels} numbers, got {values}")
            object.__setattr__(self, field, values)
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        if not 0 <= int(self.pad_value) <= 255:
            raise ValueError(f"pad_value must be in 0..255, got {self.pad_value}")
        object.__setattr__(self, "pad_value", int(self.pad_value))
        if self.crop is not None:
            x, y, w, h = (int(value) for value in self.crop)
            object.__setattr__(self, "crop", (x, y, w, h))

    def with_crop(self, crop: tuple[int, int, int, int] | None) -> Preprocessing:
        """The same preprocessing of another part of the frame (x, y, w, h; None: the whole)."""
        return replace(self, crop=crop)

    def to_dict(self) -> PreprocessingDescription:
        """As plain lists and numbers, for JSON."""
        described: PreprocessingDescription = plain_data(self)
        return described

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """Inverse of `to_dict`.

        Raises
        ------
        LookupError, TypeError, ValueError
            The data are of something else, or lack what a network has to have been trained with.
        """
        needed = {name: data[name] for name in ("input_size", "channels", "mean", "std")}
        return from_plain(cls, {**data, **needed, "channels": int(needed["channels"])})

    def view(self, frame_size: tuple[int, int]) -> View:
        """The geometry for frames of `frame_size` (H, W).

        Raises
        ------
        VitFaceError
            The crop does not lie within the frame.
        """
        height, width = (int(side) for side in frame_size)
        x, y, w, h = self.crop or (0, 0, width, height)
        if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
            raise VitFaceError(
                f"The crop x={x}, y={y}, width={w}, height={h} does not lie within the frame of "
                f"{width} x {height} pixels; give a crop inside it, or none."
            )
        factor = min(self.input_size[0] / h, self.input_size[1] / w)
        size = tuple(
            min(side, max(1, round(length * factor)))
            for side, length in zip(self.input_size, (h, w), strict=True)
        )
        return View(self, (height, width), (x, y, w, h), (size[0], size[1]))

    def normalise(self, canvas: torch.Tensor) -> torch.Tensor:
        """Float32 (B, C, H, W) for the model, of a uint8 canvas on whatever device it is."""
        images = canvas.float()
        if len(set(self.mean)) == 1 and len(set(self.std)) == 1:
            return images.mul_(1 / (255 * self.std[0])).sub_(self.mean[0] / self.std[0])
        std = images.new_tensor(self.std).view(1, -1, 1, 1)
        mean = images.new_tensor(self.mean).view(1, -1, 1, 1)
        return images.div_(255 * std).sub_(mean / std)


@dataclass(frozen=True)
class View:
    """The geometry of a `Preprocessing` for one frame size; made by `Preprocessing.view`.

    Attributes
    ----------
    frame_size : (H, W)
        Size of the video frames.
    crop : (x, y, w, h)
        The part of the frame that is used.
    resized : (h, w)
        Size of that part in the model's input, before padding.
    """

    preprocessing: Preprocessing
    frame_size: tuple[int, int]
    crop: tuple[int, int, int, int]
    resized: tuple[int, int]

    @property
    def scale(self) -> Scale:
        """What the video reader is to do: crop, resize, grey or RGB."""
        from napari_vitface.video import Scale

        return Scale(
            crop=self.preprocessing.crop, size=self.resized, grey=self.preprocessing.channels == 1
        )

    @property
    def offset(self) -> tuple[int, int]:
        """Rows above and columns left of the resized crop in the input."""
        height, width = self.preprocessing.input_size
        return (height - self.resized[0]) // 2, (width - self.resized[1]) // 2

    @cached_property
    def _affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(factor, shift), each (x, y): input = frame * factor + shift."""
        x, y, w, h = self.crop
        factor = np.array([self.resized[1] / w, self.resized[0] / h])
        top, left = self.offset
        # Pixel centres are whole numbers, so a resize by s maps x to (x + 0.5) s - 0.5.
        shift = (0.5 - np.array([x, y])) * factor - 0.5 + np.array([left, top])
        return factor, shift

    @property
    def input_per_frame(self) -> tuple[float, float]:
        """Input pixels per video pixel along (x, y); equal up to rounding to whole pixels."""
        factor, _ = self._affine
        return float(factor[0]), float(factor[1])

    @property
    def magnification(self) -> float:
        """Input pixels per video pixel, the mean of both directions."""
        return sum(self.input_per_frame) / 2

    def to_input(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Video pixels (..., 2) to input pixels; NaN stays NaN."""
        factor, shift = self._affine
        return np.asarray(xy, dtype=np.float64) * factor + shift

    def to_frame(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Input pixels (..., 2) to video pixels, the inverse of `to_input`."""
        factor, shift = self._affine
        return (np.asarray(xy, dtype=np.float64) - shift) / factor

    def pad(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resized crops (B, h, w) or (B, h, w, 3) to the model's canvas (B, C, H, W)."""
        preprocessing = self.preprocessing
        if images.ndim == 3:
            images = images[..., None]
        expected = (*self.resized, preprocessing.channels)
        if images.shape[1:] != expected:
            raise ValueError(f"expected images of shape {expected}, got {images.shape[1:]}")
        shape = (len(images), preprocessing.channels, *preprocessing.input_size)
        canvas = np.full(shape, preprocessing.pad_value, dtype=np.uint8)
        top, left = self.offset
        height, width = self.resized
        canvas[:, :, top : top + height, left : left + width] = images.transpose(0, 3, 1, 2)
        return canvas

    def grid_placement(
        self, grid: tuple[int, int]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where a patch grid (gh, gw) over the whole input lies in the video.

        Returns
        -------
        scale, translate : (y, x) float
            Patch (i, j) is centred on (i * scale[0] + translate[0], j * scale[1] + translate[1])
            video pixels; napari's `scale` and `translate` of an image layer.
        """
        cell = [
            side / count for side, count in zip(self.preprocessing.input_size, grid, strict=True)
        ]
        factor, shift = self._affine
        scale = (cell[0] / factor[1], cell[1] / factor[0])
        translate = (
            (0.5 * cell[0] - 0.5 - shift[1]) / factor[1],
            (0.5 * cell[1] - 0.5 - shift[0]) / factor[0],
        )
        return (float(scale[0]), float(scale[1])), (float(translate[0]), float(translate[1]))
