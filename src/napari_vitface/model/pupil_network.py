"""A small network that says where in a picture of an eye the pupil is.

A U-Net (Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28) of four levels that works on
squares of two by two pixels, as in space-to-depth networks; 0.12 million weights. Trained by
``scripts/train_pupil.py`` on drawn eyes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from napari_vitface.errors import CheckpointError

#: Rows and columns of what it looks at; pictures of any size are stretched to that.
INPUT = (96, 128)
BUNDLED = Path(__file__).parent.parent / "bundled/pupil/segmentation.safetensors"
FORMAT = "napari-vitface pupil 1"
_WIDTHS = (16, 24, 32, 48)


class PupilNetwork(nn.Module):
    """(B, 2, h, w) of `inputs` to (B, 1, h, w) logits."""

    def __init__(self) -> None:
        super().__init__()
        before = (8, *_WIDTHS)
        self.down = nn.ModuleList(map(_twice, before, _WIDTHS))
        deeper = zip(_WIDTHS[1:], _WIDTHS, strict=False)
        self.up = nn.ModuleList(_twice(low + high, high) for low, high in deeper)
        self.out = nn.Conv2d(_WIDTHS[0], 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pixel_unshuffle(x, 2)
        seen: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            seen.append(x)
        for block, beside in reversed(list(zip(self.up, seen, strict=False))):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, beside], dim=1))
        logits: Tensor = functional.pixel_shuffle(self.out(x), 2)
        return logits


def _twice(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def inputs(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """What the network is given of (B, h, w) grey pictures of an eye.

    Two channels of `INPUT`: grey levels between the 1st and the 99th percentile of the picture, and
    the share of its pixels that are darker, which no light or gamma changes.
    """
    grey = torch.as_tensor(np.array(images) if isinstance(images, np.ndarray) else images).float()[
        :, None
    ]
    grey = functional.interpolate(grey, INPUT, mode="bilinear", antialias=True, align_corners=False)
    levels = grey.flatten(1).round().long().clamp(0, 255)
    counts = torch.zeros(len(levels), 256).scatter_add_(1, levels, torch.ones(levels.shape))
    shares = counts.cumsum(1) / levels.shape[1]
    low, high = (torch.sum(shares < share, dim=1, keepdim=True) for share in (0.01, 0.99))
    stretched = ((grey.flatten(1) - low) / (high - low).clamp(min=1)).clamp(0, 1)
    found = torch.stack([stretched, shares.gather(1, levels)], dim=1)
    return found.reshape(len(grey), 2, *INPUT) * 2 - 1


class PupilModel:
    """A network with its weights, ready to be asked.

    Attributes
    ----------
    about : mapping
        Where its weights come from, with licence and citations.
    """

    def __init__(self, network: PupilNetwork, about: Mapping[str, object]) -> None:
        self.about = about
        # Half the time that planes of channels take.
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(cls, path: str | os.PathLike[str] = BUNDLED) -> PupilModel:
        """Read a file of weights, by default the one that comes with the package.

        Raises
        ------
        CheckpointError
            It holds no such network.
        """
        network = PupilNetwork()
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError("it is another kind of file")
                about = json.loads(metadata["about"])
                weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            missing, strange = network.load_state_dict(weights, strict=False)
            if strange or any(not name.endswith("num_batches_tracked") for name in missing):
                raise ValueError("its weights are of another network")
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"{path} cannot be read as a network for pupils ({reason}); install napari-vitface "
                "again."
            ) from error
        return cls(network, about)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, h, w) probability of pupil at each of `INPUT`'s pixels of B grey pictures.

        It is the mean over each picture and its mirror image.
        """
        given = inputs(images)
        both = torch.cat([given, given.flip(-1)]).contiguous(memory_format=torch.channels_last)
        both = self._network(both).sigmoid()[:, 0]
        plain, mirrored = both.chunk(2)
        found: NDArray[np.float32] = ((plain + mirrored.flip(-1)) / 2).numpy()
        return found
