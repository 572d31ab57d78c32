"""How a network is trained, as plain numbers, and how far a training has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypedDict

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.training import SCRATCH, TrainingSettings
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.budget import default_batch_size, default_steps

#: Judgements in the course of a training.
_JUDGEMENTS = 20


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained: `TrainingSettings` of that name, with nothing left open.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up over `warm_up` steps and falls along a cosine to 1 % of itself.
    layer_decay : float
        1: no decay.
    precision : {"fp32", "bf16", "fp16"}
        What the network computes in; weights and optimiser are always in fp32.
    judge_every : int
        Steps between judgements on the held-out frames.
    patience : int
        After so many the best weights are kept; 0: train to the end and keep the last.
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

    @classmethod
    def chosen(cls, settings: TrainingSettings, frames: int, precision: str) -> FitSettings:
        """What `settings` mean for a training on so many frames.

        Raises
        ------
        VitFaceError
            There is no augmentation of a name that was given.
        """
        scratch = settings.init == SCRATCH
        steps = settings.steps or default_steps(frames, quick=settings.quick, scratch=scratch)
        known = {one.name for one in fields(Augmentation)}
        unknown = sorted(set(settings.augmentation) - known)
        if unknown:
            raise VitFaceError(
                f"There is no augmentation {', '.join(unknown)}; there are: "
                f"{', '.join(sorted(known))}."
            )
        even = scratch or settings.quick
        automatic = {
            "steps": steps,
            "batch_size": default_batch_size(settings.quick),
            "learning_rate": 2e-3 if settings.quick else 5e-4,
            "layer_decay": 1.0 if even else 0.75,
            "frozen_steps": 0 if even else steps // 10,
            "warm_up": min(100, steps // 10),
            # The average reaches over the last fifth of a training, at most 1000 steps.
            "ema_decay": min(0.999, max(0.9, 1 - 5 / steps)),
        }
        chosen = {one.name: getattr(settings, one.name, None) for one in fields(cls)}
        values: Any = {
            **automatic,
            **{name: value for name, value in chosen.items() if value is not None},
            "precision": precision,
            "judge_every": max(1, steps // _JUDGEMENTS),
            "augmentation": Augmentation(**settings.augmentation),
        }
        return cls(**values)

    def to_dict(self) -> dict[str, object]:
        """As plain data, for JSON."""
        return asdict(self)


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


class FitNumbers(TypedDict):
    """What is needed to go on with a training beside its tensors, as plain data."""

    step: int
    batch_size: int
    accumulate: int
    loss_sum: float
    loss_count: int
    best_error: float | None
    best_step: int | None
    not_better: int
    scaler: dict[str, object]
