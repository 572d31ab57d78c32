"""The command ``models``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.arguments import Command

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.models import CalibrationSummary, ModelFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="a project folder or a folder of .safetensors files, listed beside the bundled models "
        "(default: the current folder, if it is a project)",
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print what models there are."""
    from napari_vitface.jobs.models import models as job
    from napari_vitface.jobs.results.models import ModelsResult

    folder = arguments.folder
    if folder is None and Path("vitface", "models").is_dir():
        folder = Path()
    result = reporter.run(job(folder), ModelsResult)
    reporter.result(*models_table(result.models))
    return 0


def models_table(models: Sequence[ModelFile]) -> list[str]:
    """One block for each model: what it is, what it was trained on, how well it does."""
    if not models:
        return ["No models found."]
    blocks = [_model(model) for model in models]
    return [line for block in blocks for line in ("", *block)][1:]


def _model(model: ModelFile) -> list[str]:
    height, width = model.input_size
    training = model.training
    rows = [("in short", training["description"])] if "description" in training else []
    rows += [
        ("file", model.path),
        ("backbone", f"{model.backbone['timm_name']}, input {width} x {height} pixels"),
        ("head", model.head["name"]),
        ("keypoints", ", ".join(model.keypoints)),
        ("size", f"{model.megabytes:.1f} MB"),
    ]
    if "version" in training:
        rows.append(("version of weights", training["version"]))
    if "summary" in training:
        rows.append(("trained on", training["summary"]))
    for case, figures in (training.get("metrics") or {}).items():
        if text := _figures(figures):
            rows.append((case.replace("_", " "), text))
    rows.append(("confidence", _confidence(model.calibration, training)))
    if "licence" in training:
        rows.append(("data licence", str(training["licence"])))
    width = max(len(name) for name, _ in rows)
    origin = " (bundled)" if model.bundled else ""
    lines = [f"{model.name}{origin}"]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    return lines


def _confidence(calibration: CalibrationSummary | None, training: Mapping[str, Any]) -> str:
    from napari_vitface.jobs.results.models import NOT_CALIBRATED

    text = NOT_CALIBRATED if calibration is None else calibration.meaning
    error = training.get("calibration_error")
    return text if error is None else f"{text} (calibration error {error:.3f})"


def _figures(figures: Any) -> str:
    if not isinstance(figures, dict):
        return str(figures)
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if not isinstance(value, dict | list)
    )


COMMAND = Command(
    "models",
    "List the models that can be used, with their measured accuracy.",
    _add_arguments,
    handle,
)
