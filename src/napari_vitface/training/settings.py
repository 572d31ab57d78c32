"""How a network is trained, as plain numbers, and how far a training has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from napari_vitface.training.augmentation import Augmentation


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained.

    Parameters
    ----------
    steps : int
        Optimiser steps.
    batch_size : int
        Frames that go through the network together.
    accumulate : int
        Batches whose gradients make one step.
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up over `warm_up` steps and falls along a cosine to 1 % of itself.
    layer_decay : float
        Factor of the rate from each block of the backbone to the one before it; 1: no decay.
    frozen_steps : int
        Steps at the beginning in which the backbone is left as it is.
    sigma : float
        Spread of the heatmap targets, in heatmap cells.
    gradient_clip : float
        Largest norm of the gradient.
    ema_decay : float
        Decay of the moving average of the weights, which is what is kept.
    precision : {"fp32", "bf16", "fp16"}
        What the network computes in; weights and optimiser are always in fp32.
    judge_every : int
        Steps between judgements on the held-out frames.
    patience : int
        Judgements without a better one after which training stops and the best weights are kept;
        0: train to the end and keep the last.
    seed : int
    augmentation : Augmentation
    """

    steps: int = 2000
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    warm_up: int = 100
    frozen_steps: int = 0
    sigma: float = 2.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.998
    precision: str = "fp32"
    judge_every: int = 200
    patience: int = 0
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FitSettings:
        """Inverse of `to_dict`."""
        return cls(**{**data, "augmentation": Augmentation(**data["augmentation"])})


@dataclass(frozen=True)
class FitProgress:
    """Where training stands at a judgement.

    Attributes
    ----------
    step, steps : int
    loss : float
        Mean since the last judgement; NaN before the first step.
    median_error, mean_error : float or None
        Of the averaged weights on the held-out frames, in video pixels; None without any.
    best : bool
        Whether no earlier judgement was as good.
    """

    step: int
    steps: int
    loss: float
    median_error: float | None
    mean_error: float | None
    best: bool = True
