"""``report.html``: one file that says and shows how good a model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.atomic import atomic_write
from napari_vitface.jobs import report_pictures as pictures_of
from napari_vitface.jobs.html_page import embedded, escape, image, png, table, write_page
from napari_vitface.jobs.outputs import made_folder
from napari_vitface.jobs.report_pictures import BEFORE, CONSTANT, MODEL, Picture
from napari_vitface.pose.metrics import Figures
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.jobs.results.evaluation import Confidence, EvaluateResult
    from napari_vitface.jobs.results.training import TrainResult

Side = tuple[str, str, Figures]


def training_report(
    folder: Path,
    result: TrainResult,
    curve: Sequence[Sequence[float | None]],
    pictures: Sequence[Picture],
) -> None:
    """Write ``report.html`` and ``worst.png`` of a training.

    Parameters
    ----------
    folder : Path
        Where to.
    result : TrainResult
    curve : rows of `napari_vitface.jobs.training.run.Curves`
    pictures : sequence of Picture
        The frames that judged.
    """
    sides: list[Side] = [(result.name, MODEL, result.after)]
    if result.before is not None:
        sides.append((f"before ({result.init})", BEFORE, result.before))
    sides.append(("mean pose", CONSTANT, result.mean_pose))
    counts = result.frames
    verdicts = [result.verdict, result.against_mean_pose]
    said = [f"<p class='verdict'>{escape(v.sentence)}</p>" for v in verdicts if v is not None]
    how = (
        f"Trained on {counted(counts.training, 'labelled frame')} from {result.init}"
        f"{', the head alone' if result.quick else ''}: {result.steps} of "
        f"{counted(result.steps_planned, 'step')} ({result.stopped}), {result.seconds:.0f} s. "
        f"Judged on {counted(counts.judging, 'frame')} that were kept apart"
        + (
            f"; {counts.tuning} more chose when to stop. All of them calibrated confidence, "
            "which is judged on each half by what the other says."
            if counts.tuning
            else "; they also calibrated confidence."
        )
    )
    if result.seen_before:
        how += f" {result.init} was trained on frames that judge here: its error is too small."
    body = [
        f"<h1>{escape(result.name)}</h1>", *said, f"<p class='small'>{escape(how)}</p>",
        "<h2>Course</h2>", image(pictures_of.course(curve, result.mean_pose.mean)),
        *_figures(sides, result.calibration, pictures, folder),
    ]  # fmt: skip
    write_page(folder / "report.html", result.name, body)


def evaluation_report(folder: Path, result: EvaluateResult, pictures: Sequence[Picture]) -> None:
    """Write ``report.html`` and ``worst.png`` of an evaluation; `result` is the job's."""
    made_folder(folder)
    sides: list[Side] = [(result.model, MODEL, result)]
    if result.mean_pose is not None:
        sides.append(("mean pose", CONSTANT, result.mean_pose))
    said = result.against_mean_pose
    how = f"{counted(result.images, 'labelled image')}" + (
        " that the model's training kept apart." if result.held_out else "."
    )
    body = [
        f"<h1>{escape(result.model)}</h1>",
        f"<p class='verdict'>{escape(said.sentence)}</p>" if said else "",
        f"<p class='small'>{escape(how)}</p>",
        *_figures(sides, result.calibration, pictures, folder),
    ]
    write_page(folder / "report.html", result.model, body)


def _figures(
    sides: Sequence[Side],
    calibration: Confidence,
    pictures: Sequence[Picture],
    folder: Path,
) -> list[str]:
    """Tables and plots that both reports have; writes ``worst.png``."""
    body = ["<h2>Error in video pixels</h2>", _errors_table(sides), _pck_table(sides)]
    body += ["<h2>Each keypoint</h2>", _keypoint_table(sides)]
    body.append(image(pictures_of.per_keypoint(sides)))
    body += ["<h2>Confidence</h2>", f"<p>{escape(_about_confidence(calibration))}</p>"]
    if calibration.confidence_bins:
        body.append(image(pictures_of.against_confidence(calibration.confidence_bins)))
    worst = pictures_of.worst_frames(pictures)
    if worst is not None:
        data = png(worst)
        with atomic_write(folder / "worst.png") as temporary:
            temporary.write_bytes(data)
        body += ["<h2>The worst frames</h2>", embedded(data)]
    return body


def _about_confidence(calibration: Confidence) -> str:
    radius = calibration.radius
    if radius is None:
        return "Confidence is not calibrated: it is the model's own view."
    text = (
        f"Confidence is the chance to lie within {radius:.3g} pixels of where a person would point."
    )
    error = calibration.calibration_error
    if error is None:
        return text + " There were too few frames to judge it on frames it was not fitted on."
    chance = calibration.calibration_error_by_chance
    return (
        f"{text} On frames that calibration did not see it is off by {error:.3f} (expected "
        f"calibration error); perfectly true confidences would be off by {chance:.3f} on so few "
        "points."
    )


def _errors_table(sides: Sequence[Side]) -> str:
    rows = [["", "points", *(f"{figure} (95 % interval)" for figure in ("mean", "median", "RMSE"))]]
    for label, _, found in sides:
        cells = [label, str(found.points)]
        for figure in ("mean", "median", "rmse"):
            ends = getattr(found.intervals, figure, None)
            cells.append(f"{_number(getattr(found, figure))}{_interval(ends)}")
        rows.append(cells)
    return table(rows)


def _pck_table(sides: Sequence[Side]) -> str:
    thresholds = list(sides[0][2].pck)
    rows = [
        [
            "share of points",
            *(f"within {threshold} px" for threshold in thresholds),
            "seed's PCK", "seed's accuracy", "seed's RMSE",
        ]
    ]  # fmt: skip
    for label, _, found in sides:
        shares = [_percent(found.pck[threshold]) for threshold in thresholds]
        seed = [_percent(found.seed_pck), _percent(found.seed_accuracy)]
        rows.append([label, *shares, *seed, _number(found.seed_rmse)])
    return table(rows) + (
        "<p class='small'>As ViT_facemap defines them: PCK within a tenth of the eye's width, "
        "accuracy as the share of coordinates within 4 px of a 224-px square, RMSE of each image "
        "averaged over images.</p>"
    )


def _keypoint_table(sides: Sequence[Side]) -> str:
    rows = [["keypoint", "points", *(f"{label}: median, mean" for label, _, _ in sides)]]
    for name, own in sides[0][2].per_keypoint.items():
        cells = [name, str(own.points)]
        for _, _, found in sides:
            part = found.per_keypoint[name]
            cells.append(f"{_number(part.median)}, {_number(part.mean)}")
        rows.append(cells)
    return table(rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _interval(ends: Sequence[float | None] | None) -> str:
    return "" if ends is None else f" ({_number(ends[0])}–{_number(ends[1])})"
