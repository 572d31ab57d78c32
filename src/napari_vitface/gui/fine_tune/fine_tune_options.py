"""What a user may choose about a fine-tune, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.settings.training import SCRATCH, TrainingSettings, read_size


@dataclass(frozen=True)
class FineTuneOptions:
    """The defaults are what most want.

    Attributes
    ----------
    quick : bool
        Train the head alone, on features that are computed once.
    name : str
        Of the new model; empty for the next free one.
    start : str
        A model as `Session.choose_model` takes it, ``timm:NAME`` or ``scratch``; empty for the
        model in use.
    backbone : str
        timm name for ``scratch``; empty for the default.
    steps, batch_size, learning_rate
        None for the default.
    image_size : str
        ``"HxW"``; empty for that of the start.
    val : str
        Which frames are held out, as `TrainingSettings` has it.
    """

    quick: bool = True
    name: str = ""
    start: str = ""
    backbone: str = ""
    steps: int | None = TrainingSettings.steps
    image_size: str = ""
    val: str = TrainingSettings.val
    batch_size: int | None = TrainingSettings.batch_size
    learning_rate: float | None = TrainingSettings.learning_rate
    device: str = "auto"
    precision: str = TrainingSettings.precision
    seed: int = TrainingSettings.seed

    @property
    def from_random(self) -> bool:
        """Whether no weights are there to begin with."""
        return self.start == SCRATCH

    @property
    def trains_head_only(self) -> bool:
        """Whether the quick way is taken; random weights have nothing to keep."""
        return self.quick and not self.from_random

    def size(self) -> tuple[int, int] | None:
        """(H, W) of the model's input; None for that of the start.

        Raises
        ------
        VitFaceError
            The text is no size.
        """
        return read_size(self.image_size) if self.image_size.strip() else None

    def plan_arguments(self, model: str) -> dict[str, object]:
        """For `napari_vitface.jobs.training.plan.plan_training`; `model` is the one in use."""
        return {
            "init": self.start or model,
            "quick": self.trains_head_only,
            "val": self.val,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "image_size": self.size(),
            "device": self.device,
            "seed": self.seed,
        }

    def arguments(self, model: str) -> dict[str, object]:
        """For `napari_vitface.jobs.training.train.train`; `model` is the one in use."""
        return {
            **self.plan_arguments(model),
            "backbone": (self.backbone.strip() or None) if self.from_random else None,
            "learning_rate": self.learning_rate,
            "precision": self.precision,
        }
