"""Train the network that segments pupils, and judge it on animals that it has not seen.

    python scripts/train_pupil.py --masks ../shared/data/pupil

It learns from drawn eyes (`napari_vitface.sample.close_up`) first, then from these and the masks
that a person drew. ``python -m benchmarks pupil`` judges the same training on the masks of each
animal after learning from the others; what ships has learned from all of them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from napari_vitface.model.pupil import BUNDLED, FORMAT, INPUT, PupilNetwork, inputs
from napari_vitface.sample.close_up import random_eye

BATCH = 16
#: Drawn eyes, steps on these alone, and steps on masks as well.
DRAWN, STEPS, TUNING = 4000, 1400, 250
ABOUT = {
    "trained by": "scripts/train_pupil.py, on drawn eyes and twelve masks of eight recordings",
    "licence": "BSD-3-Clause (weights); masks and their frames: MIT, (c) 2024-2026 Yue Zhao",
    "citations": ["Zhao, Y. mouse-pupil-analysis. doi:10.5281/zenodo.21897795"],
}


@dataclass(frozen=True)
class DrawnMask:
    """A picture of an eye, (h, w) uint8, and where a person saw the pupil, (h, w) bool."""

    recording: str
    animal: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def read_masks(folder: Path) -> list[DrawnMask]:
    """The masks of a copy of the sample data of mouse-pupil-analysis, by name."""
    found = []
    for path in sorted(folder.glob("masks_*/*.png")):
        recording = path.stem.rpartition("_")[0]
        # The name begins with the animal ("HQL090"), or with the day and the animal.
        animal = re.sub(r"^(\d{6}_)?([A-Z]*\d+)_.*", r"\2", recording)
        folder_of_images = path.parent.with_name(path.parent.name.replace("masks", "images"))
        image = Image.open(folder_of_images / path.name)
        # Palette images: the numbers of the colours count.
        mask = np.asarray(Image.open(path)) > 0
        found.append(DrawnMask(recording, animal, np.asarray(image.convert("L")), mask))
    return found


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


def fit(
    network: PupilNetwork,
    drawn: tuple[Tensor, Tensor],
    masks: Sequence[DrawnMask],
    steps: int,
    rate: float,
) -> None:
    """Some steps on drawn eyes, and half of each batch on masks if there are any."""
    real = [(_stacked([each.image]), _stacked([each.mask])) for each in masks]
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for _ in range(steps):
        chosen = torch.randint(len(drawn[0]), (BATCH // 2 if real else BATCH,))
        pairs = [moved(drawn[0][chosen], drawn[1][chosen], 0.5)]
        if real:
            pairs += [moved(*real[place], 1.0) for place in torch.randint(len(real), (BATCH // 2,))]
        image, mask = (torch.cat(each) for each in zip(*pairs, strict=True))
        x = inputs(lit(image)[:, 0]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x)
        loss = _loss(logits.float(), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()


def _loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy, and one less the Dice coefficient of each picture."""
    share = logits.sigmoid()
    both, either = (share * mask).sum((1, 2, 3)), (share + mask).sum((1, 2, 3))
    dice = 1 - (2 * both + 1) / (either + 1)
    return functional.binary_cross_entropy_with_logits(logits, mask) + dice.mean()


def pretrained(drawn: tuple[Tensor, Tensor], steps: int) -> PupilNetwork:
    """A network that has learned from drawn eyes alone."""
    torch.manual_seed(0)
    network = PupilNetwork()
    fit(network, drawn, (), steps, 4e-3)
    return network


def tuned(
    start: PupilNetwork, drawn: tuple[Tensor, Tensor], masks: Sequence[DrawnMask], steps: int
) -> PupilNetwork:
    """A copy that has learned from masks as well."""
    torch.manual_seed(1)
    network = PupilNetwork()
    network.load_state_dict(start.state_dict())
    fit(network, drawn, masks, steps, 2e-3)
    return network


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
    parser.add_argument("--masks", type=Path, required=True, help="folder of the drawn masks")
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--drawn", type=int, default=DRAWN, help="drawn eyes")
    parser.add_argument("--steps", type=int, default=STEPS, help="on drawn eyes alone")
    parser.add_argument("--tuning", type=int, default=TUNING, help="steps on masks as well")
    arguments = parser.parse_args()
    masks = read_masks(arguments.masks)
    drawn = drawn_eyes(arguments.drawn)
    start = pretrained(drawn, arguments.steps)
    save(tuned(start, drawn, masks, arguments.tuning), arguments.output)


if __name__ == "__main__":
    main()
