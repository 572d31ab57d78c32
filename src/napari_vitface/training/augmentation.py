"""Random changes of training inputs: geometry moves the keypoints along, light leaves them alone.

All operations act on whole batches on the device of their input. The defaults suit a fixed camera
(no flips): what changes between recordings is where the face sits in the frame, how large it is,
and how it is lit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
    brightness, contrast, gamma : float
        Offset of values in 0..1, log-range of the gain, and log-range of the exponent.
    noise : float
        Largest standard deviation of Gaussian pixel noise, values in 0..1.
    blur, erase : float
        Probability that an input is blurred, or loses a rectangle.
    """

    rotation: float = 12.0
    scale: float = 0.15
    translation: float = 0.06
    brightness: float = 0.08
    contrast: float = 0.35
    gamma: float = 0.4
    noise: float = 0.04
    blur: float = 0.3
    erase: float = 0.4

    def __call__(
        self, images: Tensor, xy: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Vary a batch.

        Parameters
        ----------
        images : (B, C, H, W) uint8 tensor
            Model inputs before normalisation.
        xy : (B, K, 2) float tensor
            Keypoints in input pixels; NaN where unlabelled.
        generator : torch.Generator
            Source of all randomness; on the CPU, so that a seed means the same on every device.

        Returns
        -------
        (B, C, H, W) uint8 tensor, (B, K, 2) float tensor
            Points that left the image are NaN.
        """
        values, xy = self._move(images.float() / 255, xy, generator)
        values = self._relight(values, generator)
        return (values.clamp(0, 1) * 255).round().to(torch.uint8), xy

    def _move(
        self, images: Tensor, xy: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        batch, _, height, width = images.shape
        device = images.device

        def spread(limit: float) -> Tensor:
            return _uniform(batch, -limit, limit, generator, device)

        angle = spread(math.radians(self.rotation))
        zoom = torch.exp(spread(self.scale))
        shift = torch.stack(
            (spread(self.translation) * width, spread(self.translation) * height), dim=-1
        )
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        matrix = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
        centre = torch.tensor(((width - 1) / 2, (height - 1) / 2), device=device)
        moved = torch.einsum("bij,bkj->bki", matrix, xy - centre) + centre + shift[:, None]

        # grid_sample asks where each output pixel comes from: the inverse of the map above.
        rows, columns = torch.meshgrid(
            torch.arange(height, device=device, dtype=torch.float32),
            torch.arange(width, device=device, dtype=torch.float32),
            indexing="ij",
        )
        target = torch.stack((columns, rows), dim=-1).reshape(1, -1, 2) - centre - shift[:, None]
        source = torch.einsum("bij,bnj->bni", torch.linalg.inv(matrix), target) + centre
        size = torch.tensor((width, height), device=device)
        grid = ((source + 0.5) * 2 / size - 1).reshape(batch, height, width, 2)
        images = F.grid_sample(images, grid, align_corners=False, padding_mode="border")

        inside = ((moved >= 0) & (moved <= size - 1)).all(dim=-1, keepdim=True)
        return images, torch.where(inside, moved, torch.nan)

    def _relight(self, images: Tensor, generator: torch.Generator) -> Tensor:
        batch, _, height, width = images.shape
        device = images.device

        def spread(low: float, high: float) -> Tensor:
            return _uniform(batch, low, high, generator, device).reshape(-1, 1, 1, 1)

        images = images.clamp_min(1e-4) ** torch.exp(spread(-self.gamma, self.gamma))
        images = images * torch.exp(spread(-self.contrast, self.contrast))
        images = images + spread(-self.brightness, self.brightness)
        blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        images = torch.where(spread(0, 1) < self.blur, blurred, images)
        grain = torch.randn(images.shape, generator=generator).to(device)
        images = images + grain * spread(0, self.noise)
        # A rectangle of up to a quarter of each side, of one random grey.
        top, left = spread(0, 1) * height, spread(0, 1) * width
        tall, wide = spread(0.05, 0.25) * height, spread(0.05, 0.25) * width
        rows = torch.arange(height, device=device).reshape(1, 1, -1, 1)
        columns = torch.arange(width, device=device).reshape(1, 1, 1, -1)
        hole = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
        hole = hole & (spread(0, 1) < self.erase)
        return torch.where(hole, spread(0, 0.6), images)


def _uniform(
    count: int, low: float, high: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    return (torch.rand(count, generator=generator) * (high - low) + low).to(device)
