"""What can be chosen about a training, and what is taken where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from napari_vitface.errors import VitFaceError

if TYPE_CHECKING:
    from napari_vitface.training.fit import FitSettings

#: Judgements in the course of a training.
_JUDGEMENTS = 20


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that a run depends on but its labels; see `train.train`."""

    init: str = "mouse-face"
    backbone: str | None = None
    head: str | None = None
    steps: int | None = None
    image_size: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    channels: int | None = None
    val: str = "time"
    seed: int = 0
    precision: str = "auto"
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float | None = None
    weight_decay: float = 0.05
    layer_decay: float | None = None
    warm_up: int | None = None
    frozen_steps: int | None = None
    sigma: float = 2.0
    gradient_clip: float = 1.0
    ema_decay: float | None = None
    patience: int = 6
    augmentation: Mapping[str, float] = field(default_factory=dict)
    timm_args: Mapping[str, Any] = field(default_factory=dict)
    radius: float | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for name, least in (
            ("steps", 1), ("batch_size", 1), ("accumulate", 1), ("warm_up", 0), ("patience", 0),
            ("frozen_steps", 0), ("weight_decay", 0), ("gradient_clip", 1e-12), ("sigma", 1e-6),
            ("learning_rate", 1e-12), ("radius", 1e-6), ("layer_decay", 1e-6), ("ema_decay", 0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not value >= least:
                wanted = f"at least {least}" if isinstance(least, int) else "above 0"
                raise VitFaceError(f"The {_words(name)} must be {wanted}, not {value}.")
        for name in ("layer_decay", "ema_decay"):
            value = getattr(self, name)
            if value is not None and value > 1:
                raise VitFaceError(f"The {_words(name)} must be at most 1, not {value}.")
        if self.head not in (None, "unet", "heatmap", "regression"):
            raise VitFaceError(
                f"There is no head {self.head!r}; choose unet, heatmap or regression."
            )
        if self.quick and (self.init == "scratch" or self.head is not None):
            raise VitFaceError(
                "Quick training trains the head of a model that is there; start from a model or "
                "from timm weights and leave the head as it is, or train without quick."
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    def difference(self, other: Mapping[str, Any]) -> list[str]:
        """Names of the options in which a stored run (`to_dict` through JSON) was begun otherwise.

        Precision is not among them: it moves points by fractions of a pixel.
        """
        mine = _plain(self.to_dict())
        names = [one.name for one in fields(self) if one.name != "precision"]
        return [_words(name) for name in names if mine.get(name) != other.get(name)]

    def settings(self, frames: int, precision: str) -> FitSettings:
        """How the network is trained on so many frames.

        Raises
        ------
        VitFaceError
            There is no augmentation of a name that was given.
        """
        from napari_vitface.training.augmentation import Augmentation
        from napari_vitface.training.budget import default_steps
        from napari_vitface.training.fit import FitSettings

        scratch = self.init == "scratch"
        steps = self.steps or default_steps(frames, quick=self.quick, scratch=scratch)
        known = {one.name for one in fields(Augmentation)}
        unknown = sorted(set(self.augmentation) - known)
        if unknown:
            raise VitFaceError(
                f"There is no augmentation {', '.join(unknown)}; there are: "
                f"{', '.join(sorted(known))}."
            )
        if self.quick:
            rate, layers, frozen = 2e-3, 1.0, 0
        elif scratch:
            rate, layers, frozen = 5e-4, 1.0, 0
        else:
            rate, layers, frozen = 5e-4, 0.75, steps // 10
        warm_up = min(100, steps // 10)
        return FitSettings(
            steps=steps,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            learning_rate=self.learning_rate or rate,
            weight_decay=self.weight_decay,
            layer_decay=self.layer_decay or layers,
            warm_up=warm_up if self.warm_up is None else self.warm_up,
            frozen_steps=frozen if self.frozen_steps is None else self.frozen_steps,
            sigma=self.sigma,
            gradient_clip=self.gradient_clip,
            # The average reaches over the last fifth of a training, at most 1000 steps.
            ema_decay=min(0.999, max(0.9, 1 - 5 / steps))
            if self.ema_decay is None
            else self.ema_decay,
            precision=precision,
            judge_every=max(1, steps // _JUDGEMENTS),
            patience=self.patience,
            seed=self.seed,
            augmentation=Augmentation(**self.augmentation),
        )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any) -> Any:
    """As it comes back from JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
