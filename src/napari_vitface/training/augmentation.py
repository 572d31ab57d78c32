"""Random changes of training inputs: geometry moves the keypoints along, light leaves them alone.

Made of torchvision's transforms (v2), which move its `KeyPoints` with the image. The defaults suit
a fixed camera (no mirroring): what changes between recordings is where the face sits in the frame,
how large it is, and how it is lit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F


@dataclass(frozen=True)
class Augmentation:
    """How strongly training inputs are varied; every range is symmetric about no change.

    Parameters
    ----------
    rotation : float
        Degrees.
    scale : float
        Log-range of the magnification: 0.15 is from 0.86 to 1.16.
    translation : float
        Fraction of the input's height and width.
    flip : float
        Probability that an input is mirrored left to right; paired keypoints then change places.
        Off by default: cameras that film one side of a face never see the other. Set it to 0.5 if
        recordings of both sides are to be read by one model.
    brightness, contrast, gamma : float
        Offset of values in 0..1, log-range of the gain, and log-range of the exponent.
    noise : float
        Largest standard deviation of Gaussian pixel noise, values in 0..1.
    blur, erase : float
        Probability that an input is blurred, or loses a rectangle of up to a quarter of each side.
    """

    rotation: float = 12.0
    scale: float = 0.15
    translation: float = 0.06
    flip: float = 0.0
    brightness: float = 0.08
    contrast: float = 0.35
    gamma: float = 0.4
    noise: float = 0.04
    blur: float = 0.3
    erase: float = 0.4

    @classmethod
    def none(cls) -> Augmentation:
        """No change at all."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def __call__(
        self,
        images: Tensor,
        xy: Tensor,
        seed: int,
        swaps: Sequence[tuple[int, int]] = (),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Vary a batch, each image on its own.

        Parameters
        ----------
        images : (B, C, H, W) uint8 tensor
            Model inputs before normalisation.
        xy : (B, K, 2) float tensor
            Keypoints in input pixels; NaN where unlabelled.
        seed : int
            Of all that is random; it means the same on every device.
        swaps : sequence of (int, int)
            Left/right pairs, by position.

        Returns
        -------
        images : (B, C, H, W) uint8 tensor
        xy : (B, K, 2) float tensor
            Points that left the image are NaN.
        order : (B, K) int64 tensor
            The keypoint that each one was before: what else is known of keypoints goes along by it.
        """
        partner = list(range(xy.shape[1]))
        for one, other in swaps:
            partner[one], partner[other] = other, one
        order = torch.arange(xy.shape[1]).expand(len(xy), -1).clone()
        draw = _Draw(seed)
        values, points = [], []
        with _one_thread():
            for i in range(len(images)):
                image, moved = self._move(images[i].float() / 255, xy[i], draw)
                if self.flip and draw.chance(self.flip):
                    image, moved = F.horizontal_flip(image), F.horizontal_flip(moved)
                    moved, order[i] = moved.as_subclass(Tensor)[partner], torch.tensor(partner)
                values.append(self._rough(self._relight(image, draw), draw))
                points.append(moved.as_subclass(Tensor))
        size = torch.tensor((images.shape[3], images.shape[2]), device=xy.device)
        found = torch.stack(points).to(xy.dtype)
        inside = ((found >= 0) & (found <= size - 1)).all(dim=-1, keepdim=True)
        varied = (torch.stack(values).clamp(0, 1) * 255).round().to(torch.uint8)
        return varied, torch.where(inside, found, torch.nan), order

    def _move(self, image: Tensor, xy: Tensor, draw: _Draw) -> tuple[Tensor, tv_tensors.KeyPoints]:
        height, width = image.shape[-2:]
        if not (self.rotation or self.scale or self.translation):
            return image, tv_tensors.KeyPoints(xy, canvas_size=(height, width))
        angle = self.rotation * draw.spread()
        zoom = math.exp(self.scale * draw.spread())
        shift = [self.translation * draw.spread() * side for side in (width, height)]
        # Pixels at the border are repeated outwards first, so that no black corners come in.
        margin = [self._reach(width, height), self._reach(height, width)]
        wide = F.pad(image, margin, padding_mode="edge")
        wide = F.affine(wide, angle, shift, zoom, [0.0, 0.0], F.InterpolationMode.BILINEAR)
        moved = F.crop(wide, margin[1], margin[0], height, width)
        # torchvision turns images about their middle, where pixel centres are at halves, and turns
        # points about the same numbers; here pixel centres are whole numbers.
        points = tv_tensors.KeyPoints(xy + 0.5, canvas_size=(height, width))
        points = F.affine(points, angle, shift, zoom, [0.0, 0.0])
        return moved, tv_tensors.wrap(points.as_subclass(Tensor) - 0.5, like=points)

    def _reach(self, side: int, other: int) -> int:
        """Pixels by which the outside can come in along a side."""
        turned = math.sin(math.radians(min(90.0, self.rotation))) * other / 2
        shrunk = (1 - math.exp(-self.scale)) * side / 2
        return math.ceil((turned + shrunk) * math.exp(self.scale) + self.translation * side)

    def _relight(self, image: Tensor, draw: _Draw) -> Tensor:
        if self.gamma:
            image = image.clamp_min(1e-4) ** math.exp(self.gamma * draw.spread())
        if self.contrast or self.brightness:
            gain = math.exp(self.contrast * draw.spread())
            image = image * gain + self.brightness * draw.spread()
        return image

    def _rough(self, image: Tensor, draw: _Draw) -> Tensor:
        height, width = image.shape[-2:]
        if self.blur and draw.chance(self.blur):
            sigma = draw.between(0.4, 1.2)
            image = F.gaussian_blur(image, [5, 5], [sigma, sigma])
        if self.noise:
            image = image + draw.grain(image) * draw.between(0, self.noise)
        if self.erase and draw.chance(self.erase):
            size = [max(1, round(draw.between(0.05, 0.25) * side)) for side in (height, width)]
            corner = [int(draw.between(0, side)) for side in (height, width)]
            grey = torch.full((1, 1, 1), draw.between(0, 0.6), device=image.device)
            image = F.erase(image, *corner, *size, grey)
        return image


@contextmanager
def _one_thread() -> Iterator[None]:
    """Single images are too small to share: threads would mostly wait for each other.

    (Ran, on two cores that others used as well: 240 ms an image with two threads, 16 with one.)
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Draw:
    """Random numbers of one seed, the same on every device."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._generator))

    def spread(self) -> float:
        return self.between(-1, 1)

    def chance(self, probability: float) -> bool:
        return self.between(0, 1) < probability

    def grain(self, image: Tensor) -> Tensor:
        return torch.randn(image.shape, generator=self._generator).to(image.device)
