"""The training loop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import nn

from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.frames import TrainingFrames
from napari_vitface.training.loss import coordinate_loss, heatmap_loss


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained.

    Parameters
    ----------
    steps : int
        Optimiser steps.
    batch_size : int
        Frames a step.
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up over `warm_up` steps and falls along a cosine to 1 % of itself.
    sigma : float
        Spread of the heatmap targets, in heatmap cells.
    ema_decay : float
        Decay of the moving average of the weights, which is what is kept.
    bf16 : bool
        Run the network under bf16 autocast.
    judge_every : int
        Steps between judgements on the held-out frames.
    """

    steps: int = 2000
    batch_size: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    warm_up: int = 100
    sigma: float = 2.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.998
    bf16: bool = False
    judge_every: int = 200
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class FitProgress:
    """Where training stands: the mean loss since the last report, and the held-out error in
    video pixels of the averaged weights (None without held-out frames)."""

    step: int
    steps: int
    loss: float
    median_error: float | None
    mean_error: float | None


def fit(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    sources: Sequence[tuple[TrainingFrames, float]],
    held_out: TrainingFrames | None,
    settings: FitSettings,
) -> Iterator[FitProgress]:
    """Train `network` in place; when the generator ends, it holds the averaged weights.

    Parameters
    ----------
    network : KeypointNetwork
        On the device where training is to run.
    preprocessing : Preprocessing
        That made the inputs.
    sources : sequence of (TrainingFrames, float)
        Sets of frames, each with the share of every batch that is drawn from it.
    held_out : TrainingFrames or None
        Frames that are only judged.
    settings : FitSettings

    Yields
    ------
    FitProgress
        Every `settings.judge_every` steps and at the end, with the held-out error of the averaged
        weights in video pixels.
    """
    device = next(network.parameters()).device
    noise = torch.Generator().manual_seed(settings.seed)
    draw = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)  # drop path and dropout use the global generator
    optimiser = torch.optim.AdamW(
        _decayed_and_not(network, settings.weight_decay), lr=settings.learning_rate
    )
    average = ModelEmaV3(network, decay=settings.ema_decay, use_warmup=True)
    counts = _batch_shares([share for _, share in sources], settings.batch_size)
    loss_sum, loss_count = 0.0, 0
    for step in range(1, settings.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings)
        inputs, xy = _batch([frames for frames, _ in sources], counts, draw)
        images, points = settings.augmentation(inputs.to(device), xy.to(device), noise)
        network.train()
        with _autocast(device, settings.bf16):
            output = network(preprocessing.normalise(images))
        loss = (
            heatmap_loss(output, points, network.stride, settings.sigma)
            if output.ndim == 4
            else coordinate_loss(output, points, preprocessing.input_size)
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        optimiser.step()
        average.update(network, step)
        loss_sum, loss_count = loss_sum + loss.item(), loss_count + 1
        if step % settings.judge_every == 0 or step == settings.steps:
            errors = (
                None
                if held_out is None
                else held_out.errors(
                    predict_inputs(average.module, preprocessing, held_out, bf16=settings.bf16)[0]
                )
            )
            yield FitProgress(
                step=step,
                steps=settings.steps,
                loss=loss_sum / loss_count,
                median_error=None if errors is None else float(np.nanmedian(errors)),
                mean_error=None if errors is None else float(np.nanmean(errors)),
            )
            loss_sum, loss_count = 0.0, 0
    network.load_state_dict(average.module.state_dict())
    network.eval()


@torch.inference_mode()
def predict_inputs(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    frames: TrainingFrames,
    *,
    bf16: bool = False,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (N, K, 2) in input pixels and confidences (N, K) of a network in training."""
    network.eval()
    device = next(network.parameters()).device
    points, confidences = [], []
    for start in range(0, len(frames), batch_size):
        images = torch.from_numpy(frames.inputs[start : start + batch_size]).to(device)
        with _autocast(device, bf16):
            output = network(preprocessing.normalise(images))
        xy, confidence = network.decode(output.float())
        points.append(xy.cpu().numpy())
        confidences.append(confidence.cpu().numpy())
    return np.concatenate(points), np.concatenate(confidences)


def _autocast(device: torch.device, bf16: bool) -> contextlib.AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def _schedule(step: int, settings: FitSettings) -> float:
    if step < settings.warm_up:
        return step / settings.warm_up
    done = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


def _decayed_and_not(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Biases, norms and position embeddings are not decayed, as usual for transformers."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        lone = parameter.ndim <= 1 or name.endswith(("pos_embed", "cls_token", "reg_token"))
        (free if lone else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def _batch_shares(shares: Sequence[float], batch_size: int) -> list[int]:
    counts = [round(batch_size * share / sum(shares)) for share in shares]
    counts[0] += batch_size - sum(counts)
    return counts


def _batch(
    sources: Sequence[TrainingFrames], counts: Sequence[int], draw: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    picks = [draw.integers(len(frames), size=n) for frames, n in zip(sources, counts, strict=True)]
    pairs = list(zip(sources, picks, strict=True))
    inputs = np.concatenate([frames.inputs[pick] for frames, pick in pairs])
    xy = np.concatenate([frames.xy[pick] for frames, pick in pairs])
    return torch.from_numpy(inputs), torch.from_numpy(xy)
