"""What a step of training is made of: frames drawn and varied, or features computed beforehand.

Everything random in a step follows from the seed and the number of the step alone, so that a run
that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_vitface.model.heads import Head
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.precision import autocast

#: Input pixels of all frames whose maps are kept: half a gigabyte of maps.
_MOST_PIXELS = 500 * 240 * 320
#: Sets of frames, each with the share of every batch that is drawn from it.
Sources = Sequence[tuple[TrainingFrames, float]]


@dataclass(frozen=True)
class Batch:
    """Inputs of the trained module, and what it is to learn from them.

    Attributes
    ----------
    inputs : tuple of (B, ...) tensors
        Arguments of the module.
    xy : (B, K, 2) tensor
        Input pixels, NaN where unlabelled.
    occluded : (B, K) bool tensor
    """

    inputs: tuple[Tensor, ...]
    xy: Tensor
    occluded: Tensor

    def part(self, rows: slice) -> Batch:
        """Some of the frames."""
        return Batch(
            tuple(tensor[rows] for tensor in self.inputs), self.xy[rows], self.occluded[rows]
        )

    def __len__(self) -> int:
        return len(self.xy)


class Batches(Protocol):
    """Where the batches of a training come from."""

    def at(self, step: int, size: int) -> Batch:
        """The batch of a step: always the same for the same step and size."""
        ...


class Judged(Protocol):
    """Frames that are only judged, as inputs of the trained module."""

    frames: TrainingFrames

    def inputs(self, rows: slice) -> tuple[Tensor, ...]:
        """Arguments of the module for some of the frames."""
        ...


class Drawing:
    """Draws frames: first the set, by its share, then a frame of it."""

    def __init__(self, sources: Sources, seed: int) -> None:
        self._lengths = np.array([len(frames) for frames, _ in sources])
        shares = np.array([share for _, share in sources], dtype=np.float64)
        self._probability = shares / shares.sum()
        self._seed = seed

    def at(self, step: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Set and frame within the set of each of `size` rows."""
        rng = np.random.default_rng([self._seed, step])
        chosen = rng.choice(len(self._lengths), size=size, p=self._probability)
        return chosen, (rng.random(size) * self._lengths[chosen]).astype(np.intp)


class ImageBatches:
    """Frames, varied anew in each step.

    Parameters
    ----------
    sources : Sources
    preprocessing : Preprocessing
        That made the inputs.
    augmentation : Augmentation
    swaps : sequence of (int, int)
        Left/right pairs by position.
    seed : int
    device : torch.device
    """

    def __init__(
        self,
        sources: Sources,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        swaps: Sequence[tuple[int, int]],
        seed: int,
        device: torch.device,
    ) -> None:
        self._sets = [frames for frames, _ in sources]
        self._drawing = Drawing(sources, seed)
        self._preprocessing = preprocessing
        self._augmentation = augmentation
        self._swaps = swaps
        self._seed = seed
        self._device = device

    def at(self, step: int, size: int) -> Batch:
        picks = list(zip(*self._drawing.at(step, size), strict=True))
        images = np.stack([self._sets[which].inputs[row] for which, row in picks])
        xy = np.stack([self._sets[which].xy[row] for which, row in picks])
        occluded = np.stack([self._sets[which].occluded[row] for which, row in picks])
        varied, points, hidden = vary(
            images, xy, occluded, self._augmentation, seed_of(self._seed, step),
            self._swaps, self._device,
        )  # fmt: skip
        return Batch((self._preprocessing.normalise(varied),), points, hidden)


class JudgedImages:
    """Frames as they are."""

    def __init__(
        self, frames: TrainingFrames, preprocessing: Preprocessing, device: torch.device
    ) -> None:
        self.frames = frames
        self._preprocessing = preprocessing
        self._device = device

    def inputs(self, rows: slice) -> tuple[Tensor, ...]:
        images = torch.from_numpy(self.frames.inputs[rows]).to(self._device)
        return (self._preprocessing.normalise(images),)


class Reading(nn.Module):
    """What is trained of a head whose layers that look at the image stay as they are.

    Their maps are inputs then (`Features` with that head), and a step takes two thirds of the time.
    Those layers have to have learnt from other images before. See docs/benchmarks.md.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        for name, layer in head.named_children():
            if name not in head.image_layers:
                self.add_module(name, layer)
        # In a tuple it is no layer of this one, so that what it has besides is not trained.
        self._head = (head,)

    def forward(self, prefix: Tensor, patches: Tensor, *maps: Tensor) -> Tensor:
        """What the head gives."""
        return self._head[0].read(prefix, patches, *maps)


class Features:
    """What stays as it is while a head is trained, computed once: tokens, and maps of the images.

    They are kept in half precision on the device: 0.1 MB of tokens a frame for ViT-Ti at 240 x 320,
    0.9 MB of maps.

    Parameters
    ----------
    frames : TrainingFrames
    preprocessing : Preprocessing
    head : Head, optional
        Whose layers that look at the image are not trained: `inputs` are those of `Reading`.
        By default they are those of the head, and hold the images.
    keep_maps : bool
        Otherwise the head's maps are computed whenever they are asked for, see `maps_fit`.
    """

    def __init__(
        self,
        frames: TrainingFrames,
        preprocessing: Preprocessing,
        head: Head | None = None,
        *,
        keep_maps: bool = True,
    ) -> None:
        self.frames = frames
        self._preprocessing = preprocessing
        self._head = head
        self._keep_maps = keep_maps
        self._precision = "fp32"
        #: Batches of prefix tokens, patch tokens, and as many maps as are kept.
        self._kept: list[tuple[Tensor, ...]] = []

    @torch.no_grad()
    def compute(
        self,
        network: KeypointNetwork,
        *,
        precision: str = "fp32",
        batch_size: int = 8,
    ) -> Iterator[int]:
        """Run the backbone over the frames; yields after each batch the number of frames done."""
        device = next(network.parameters()).device
        network.eval()
        self._precision = precision
        for start in range(0, len(self.frames), batch_size):
            images = self._images(slice(start, start + batch_size), device)
            with autocast(device, precision):
                found = network.backbone(images)
                if self._head is not None and self._keep_maps:
                    found += self._head.see(images)
            self._kept.append(tuple(tensor.half() for tensor in found))
            yield min(start + batch_size, len(self.frames))

    @torch.no_grad()
    def inputs(self, rows: slice | NDArray[np.intp]) -> tuple[Tensor, ...]:
        """Arguments of the trained module for some of the frames."""
        prefix, patches, *maps = (tensor[rows].float() for tensor in self._joined())
        if not maps:
            maps = [self._images(rows, prefix.device)]
            if self._head is not None:
                with autocast(prefix.device, self._precision):
                    maps = [seen.float() for seen in self._head.see(*maps)]
        return prefix, patches, *maps

    def subset(self, rows: NDArray[np.intp]) -> Features:
        """The features of some of the frames."""
        part = Features(
            self.frames.subset(rows), self._preprocessing, self._head, keep_maps=self._keep_maps
        )
        part._precision = self._precision
        part._kept = [tuple(tensor[rows] for tensor in self._joined())]
        return part

    def _joined(self) -> tuple[Tensor, ...]:
        if len(self._kept) > 1:
            self._kept = [tuple(torch.cat(tensors) for tensors in zip(*self._kept, strict=True))]
        return self._kept[0]

    def _images(self, rows: slice | NDArray[np.intp], device: torch.device) -> Tensor:
        images = torch.from_numpy(self.frames.inputs[rows]).to(device)
        return self._preprocessing.normalise(images)


def maps_fit(frames: int, input_size: tuple[int, int]) -> bool:
    """Whether maps of so many inputs (H, W) are kept, for which there has to be memory."""
    return frames * input_size[0] * input_size[1] <= _MOST_PIXELS


class FeatureBatches:
    """Cached features of varied frames, drawn evenly from the sets."""

    def __init__(self, sets: Sequence[Features], shares: Sequence[float], seed: int) -> None:
        self._sets = sets
        pairs = [(part.frames, share) for part, share in zip(sets, shares, strict=True)]
        self._drawing = Drawing(pairs, seed)

    def at(self, step: int, size: int) -> Batch:
        which, rows = self._drawing.at(step, size)
        parts, points, hidden = [], [], []
        for k, features in enumerate(self._sets):
            mine = rows[which == k]
            if len(mine):
                parts.append(features.inputs(mine))
                points.append(features.frames.xy[mine])
                hidden.append(features.frames.occluded[mine])
        inputs = tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
        device = inputs[0].device
        return Batch(
            inputs,
            torch.from_numpy(np.concatenate(points)).to(device),
            torch.from_numpy(np.concatenate(hidden)).to(device),
        )


def vary(
    images: NDArray[np.uint8],
    xy: NDArray[np.float32],
    occluded: NDArray[np.bool_],
    augmentation: Augmentation,
    seed: int,
    swaps: Sequence[tuple[int, int]],
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, keypoints and occlusion flags on the device, varied."""
    varied, points, order = augmentation(
        torch.from_numpy(images).to(device), torch.from_numpy(xy).to(device), seed, swaps
    )
    hidden = torch.from_numpy(occluded).gather(1, order)
    return varied, points, hidden.to(device)


def variants(
    frames: TrainingFrames,
    count: int,
    augmentation: Augmentation,
    seed: int,
    swaps: Sequence[tuple[int, int]] = (),
) -> TrainingFrames:
    """The frames as they are and `count - 1` times varied."""
    parts = [frames]
    for k in range(1, count):
        inputs, xy, occluded = vary(
            frames.inputs, frames.xy, frames.occluded, augmentation, seed_of(seed, k), swaps,
            torch.device("cpu"),
        )  # fmt: skip
        parts.append(
            TrainingFrames(
                inputs.numpy(), xy.numpy(), occluded.numpy(),
                frames.pixel_size, frames.origin, frames.frame_size,
            )
        )  # fmt: skip
    return TrainingFrames.joined(parts)


def seed_of(seed: int, step: int) -> int:
    """A seed for one step that is unlike those of its neighbours."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]) >> 1
