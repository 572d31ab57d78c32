"""Results as text tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def models_table(models: Sequence[dict[str, Any]]) -> str:
    """One block for each model: what it is, what it was trained on, how well it does."""
    if not models:
        return "No models found."
    return "\n\n".join(_model(model) for model in models)


def _model(model: dict[str, Any]) -> str:
    height, width = model["input_size"]
    training = model["training"]
    rows = [
        ("file", model["path"]),
        ("backbone", f"{model['backbone']['timm_name']}, input {width} x {height} pixels"),
        ("head", model["head"]["name"]),
        ("keypoints", ", ".join(model["keypoints"])),
        ("size", f"{model['megabytes']:.1f} MB"),
    ]
    if "summary" in training:
        rows.append(("trained on", training["summary"]))
    for case, figures in (training.get("metrics") or {}).items():
        if text := _figures(figures):
            rows.append((case.replace("_", " "), text))
    rows.append(("confidence", _confidence(model["calibration"], training)))
    if "licence" in training:
        rows.append(("data licence", str(training["licence"])))
    width = max(len(name) for name, _ in rows)
    origin = " (bundled)" if model["bundled"] else ""
    lines = [f"{model['name']}{origin}"]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    return "\n".join(lines)


def _confidence(calibration: dict[str, Any] | None, training: dict[str, Any]) -> str:
    if calibration is None or calibration["radius"] is None:
        return "the model's own view, not calibrated"
    text = f"the chance to be within {calibration['radius']:g} pixels"
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


def evaluation_table(result: dict[str, Any]) -> str:
    """Errors of the model and of the mean pose, for all keypoints and for each."""
    constant = result["mean_pose"]
    sides = [("model", result)] + ([("mean pose", constant)] if constant else [])
    columns = [f"{name} {figure}" for name, _ in sides for figure in ("median", "mean", "RMSE")]
    rows = [["error in pixels", "points", *columns]]
    rows.append(["all keypoints", str(result["points"]), *_errors([side for _, side in sides])])
    for name in result["keypoints"]:
        parts = [side["per_keypoint"][name] for _, side in sides]
        rows.append([name, str(parts[0]["points"]), *_errors(parts)])
    lines = _aligned(rows)
    lines.insert(1, "-" * len(lines[0]))
    lines.append("")
    for name, side in sides:
        shares = ", ".join(
            f"{100 * value:.0f} % within {threshold}"
            for threshold, value in side["pck"].items()
            if value is not None
        )
        lines.append(f"PCK, {name}: {shares}" if shares else f"PCK, {name}: not defined")
    if result["calibration_error"] is not None:
        lines.append(
            f"calibration error: {result['calibration_error']:.3f} (confidence as the chance to be "
            f"within {result['calibration_radius']:g} pixels); perfectly true confidences would "
            f"get {result['calibration']['calibration_error_by_chance']:.3f} on so few points"
        )
    elif result["calibration_radius"] is None:
        lines.append("confidence is not calibrated: it is the model's own view")
    lines.append(f"{result['images']} images, model {result['model']}")
    return "\n".join(lines)


def _errors(sides: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "-" if side.get(figure) is None else f"{side[figure]:.2f}"
        for side in sides
        for figure in ("median", "mean", "rmse")
    ]


def _aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Rows as lines; the first column and those of `left` begin at one place, others end at one."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 or i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
