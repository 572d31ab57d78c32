"""Train the network that segments pupils, on drawn eyes alone.

    python scripts/train_pupil.py

The eyes are those of `napari_vitface.sample.close_up`. No picture of a real eye is learned from:
tuning on the masks of six animals made the network worse on the seventh (docs/benchmarks.md).
``python -m benchmarks pupil`` judges it on all of them. Three CPU minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from napari_vitface.model.pupil_network import BUNDLED, FORMAT, INPUT, PupilNetwork, inputs
from napari_vitface.sample.close_up import random_eye

BATCH = 16
_RATE = 4e-3
#: Drawn eyes, and steps of training.
DRAWN, STEPS = 4000, 1400
ABOUT = {"trained by": "scripts/train_pupil.py, on drawn eyes alone", "licence": "BSD-3-Clause"}


def drawn_eyes(count: int, first_seed: int = 0) -> tuple[Tensor, Tensor]:
    """(count, 1, h, w) pictures of eyes with their masks, from 0 to 255 and from 0 to 1."""
    pairs = [random_eye(np.random.default_rng(first_seed + seed), INPUT) for seed in range(count)]
    images, masks = zip(*pairs, strict=True)
    return _stacked(images), _stacked(masks)


def _stacked(pictures: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None]


def moved(image: Tensor, mask: Tensor, wide: float) -> tuple[Tensor, Tensor]:
    """(B, 1, h, w) pictures turned, scaled, shifted and mirrored, at the size of the input."""
    count = len(image)
    turn = torch.randn(count) * 0.25 * wide
    zoom = torch.exp(torch.empty(count, 2).uniform_(-0.35, 0.35) * wide) * torch.exp(
        torch.empty(count, 1).uniform_(-0.3, 0.3) * wide
    )
    mirror = torch.sign(torch.rand(count, 2) - torch.tensor([0.5, 0.25]))
    cos, sin = torch.cos(turn), torch.sin(turn)
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    matrix = rows * (zoom * mirror)[:, None]
    shift = torch.empty(count, 2, 1).uniform_(-0.2, 0.2) * wide
    grid = functional.affine_grid(
        torch.cat([matrix, shift], 2), [count, 1, *INPUT], align_corners=False
    )
    return (
        functional.grid_sample(image, grid, padding_mode="reflection", align_corners=False),
        functional.grid_sample(mask, grid, align_corners=False),
    )


def lit(image: Tensor) -> Tensor:
    """Under another light and with another camera."""
    count = len(image)
    share = (image / 255).clamp(0, 1) ** torch.exp(torch.randn(count, 1, 1, 1) * 0.25)
    ramps = [
        torch.linspace(-1, 1, size).reshape(shape) * torch.randn(count, 1, 1, 1) * 0.2
        for size, shape in ((INPUT[0], (1, 1, -1, 1)), (INPUT[1], (1, 1, 1, -1)))
    ]
    share = share * (1 + ramps[0] + ramps[1]).clamp(min=0.3)
    soft = functional.avg_pool2d(share, 3, 1, 1, count_include_pad=False)
    share = share + (soft - share) * torch.empty(count, 1, 1, 1).uniform_(-0.7, 1)
    share = share + torch.randn_like(share) * torch.rand(count, 1, 1, 1) * 0.02
    gain = torch.exp(torch.randn(count, 1, 1, 1) * 0.2)
    return (share * gain * 255).clamp(0, 255)


def fit(drawn: tuple[Tensor, Tensor], steps: int) -> PupilNetwork:
    """A network that learned from drawn eyes."""
    torch.manual_seed(0)
    network = PupilNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for _ in range(steps):
        chosen = torch.randint(len(drawn[0]), (BATCH,))
        image, mask = moved(drawn[0][chosen], drawn[1][chosen], 0.5)
        x = inputs(lit(image)[:, 0]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x)
        loss = _loss(logits.float(), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy, and one less the Dice coefficient of each picture."""
    share = logits.sigmoid()
    both, either = (share * mask).sum((1, 2, 3)), (share + mask).sum((1, 2, 3))
    dice = 1 - (2 * both + 1) / (either + 1)
    return functional.binary_cross_entropy_with_logits(logits, mask) + dice.mean()


def save(network: PupilNetwork, path: Path) -> None:
    """Write weights, half as long as usual, with where they come from."""
    weights = {
        name: each.half().contiguous()
        for name, each in network.state_dict().items()
        if each.is_floating_point()
    }
    save_file(weights, path, {"format": FORMAT, "about": json.dumps(ABOUT)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--drawn", type=int, default=DRAWN, help="drawn eyes")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    save(fit(drawn_eyes(arguments.drawn), arguments.steps), arguments.output)


if __name__ == "__main__":
    main()
