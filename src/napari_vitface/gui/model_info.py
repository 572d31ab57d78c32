"""What the dock says about a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.numbers import counted

if TYPE_CHECKING:
    from napari_vitface.jobs.results.models import ModelFile


@dataclass(frozen=True)
class ModelInfo:
    """A model to choose.

    Attributes
    ----------
    choice : str
        What jobs take: a bundled model's name or a checkpoint's path.
    sentences : tuple of str
        On what it finds and how well; none until it was looked at.
    keypoints : tuple of str
        Names of what it finds; empty until it was looked at.
    """

    choice: str
    sentences: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()


def bundled_names() -> list[str]:
    """Names of the models that come with the package."""
    folder = Path(__file__).parent.parent / "bundled"
    return sorted(file.stem for file in folder.glob("*.safetensors"))


def model_info(entry: ModelFile) -> ModelInfo:
    """What the ``models`` job says about one model, in words for the user."""
    choice = entry.name if entry.bundled else entry.path
    description = entry.training.get("description")
    sentences = [description] if entry.bundled and description else []
    sentences.append(f"{counted(len(entry.keypoints), 'keypoint')}.")
    metrics = entry.training.get("metrics") or {}
    # A bundled model is judged on real frames and on renderings; only the real ones count here.
    # A trained one is judged after the training and before.
    model = metrics.get("real") or metrics.get("after") or metrics
    constant = metrics.get("real_mean_pose", metrics.get("mean_pose")) or {}
    if _number(model.get("median")) and _number(model.get("mean")):
        text = (
            f"Error on held-out frames: median {model['median']:.1f} px, "
            f"mean {model['mean']:.1f} px"
        )
        if _number(constant.get("median")) and _number(constant.get("mean")):
            text += (
                f" (always guessing the mean pose: {constant['median']:.1f} and "
                f"{constant['mean']:.1f} px)"
            )
        sentences.append(text + ".")
    about = entry.calibration
    sentences.append(
        "Its confidence is its own view, not calibrated; fine-tuning calibrates it."
        if about is None or about.radius is None
        else f"Its confidence is {about.meaning}."
    )
    return ModelInfo(choice, tuple(sentences), entry.keypoints)


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
