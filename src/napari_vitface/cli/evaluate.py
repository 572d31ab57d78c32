"""The command ``evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_cluster,
    add_computing,
    add_file_of_model,
    add_labels,
    add_white,
    given,
)
from napari_vitface.cli.tables import aligned
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.evaluation import EvaluateResult
    from napari_vitface.pose.metrics import ErrorSummary, Figures


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_of_model(parser)
    add_labels(parser)
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="judge only the frames that the model's training kept apart (default: all frames)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.html, metrics.json and worst.png there",
    )
    add_white(parser)
    add_computing(parser, int8=True)
    add_cluster(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print a model's errors beside those of the mean pose."""
    from napari_vitface.cli.on_cluster import run_many_on_cluster
    from napari_vitface.jobs.evaluate import evaluate as job
    from napari_vitface.jobs.results.evaluation import EvaluateResult

    options = given(arguments, job)
    if arguments.cluster is not None:
        models = [options.pop("model")]
        return run_many_on_cluster(arguments, reporter, job, models, evaluation_table, **options)
    events = job(**options)
    result = reporter.run(events, EvaluateResult, title=arguments.model)
    reporter.result(*evaluation_table(result))
    return 0


def evaluation_table(result: EvaluateResult) -> list[str]:
    """Errors of the model and of the mean pose, for all keypoints and for each."""
    sides: list[tuple[str, Figures]] = [("model", result)]
    if result.mean_pose is not None:
        sides.append(("mean pose", result.mean_pose))
    columns = [f"{name} {figure}" for name, _ in sides for figure in ("median", "mean", "RMSE")]
    rows = [["error in pixels", "points", *columns]]
    rows.append(["all keypoints", str(result.points), *_errors([side for _, side in sides])])
    for name in result.keypoints:
        parts = [side.per_keypoint[name] for _, side in sides]
        rows.append([name, str(parts[0].points), *_errors(parts)])
    lines = aligned(rows)
    lines.insert(1, "-" * len(lines[0]))
    lines.append("")
    for name, side in sides:
        shares = ", ".join(
            f"{100 * value:.0f} % within {threshold}"
            for threshold, value in side.pck.items()
            if value is not None
        )
        lines.append(f"PCK, {name}: {shares}" if shares else f"PCK, {name}: not defined")
    if result.calibration_error is not None:
        lines.append(
            f"calibration error: {result.calibration_error:.3f} (confidence as the chance to be "
            f"within {result.calibration_radius:.3g} pixels); perfectly true confidences would "
            f"get {result.calibration.calibration_error_by_chance:.3f} on so few points"
        )
    elif result.calibration_radius is None:
        lines.append("confidence is not calibrated: it is the model's own view")
    lines.append(f"{counted(result.images, 'image')}, model {result.model}")
    return lines


def _errors(sides: Sequence[ErrorSummary]) -> list[str]:
    return [
        "-" if error is None else f"{error:.2f}"
        for side in sides
        for error in (side.median, side.mean, side.rmse)
    ]


COMMAND = Command(
    "evaluate",
    "Measure a model's error on labelled frames, beside that of the mean pose.",
    _add_arguments,
    handle,
)
