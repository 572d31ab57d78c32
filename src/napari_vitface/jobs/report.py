"""``report.html``: one file that says and shows how good a model is."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.atomic import atomic_write
from napari_vitface.jobs import report_pictures as pictures_of
from napari_vitface.jobs.report_pictures import BEFORE, CONSTANT, MODEL, Picture
from napari_vitface.pose.metrics import Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_vitface.jobs.results.evaluation import Confidence, EvaluateResult
    from napari_vitface.jobs.results.training import TrainResult

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } .verdict { font-size: 1.15em; } .small { color: #666; font-size: .9em; }
"""

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
    said = [f"<p class='verdict'>{_text(v.sentence)}</p>" for v in verdicts if v is not None]
    how = (
        f"Trained on {counts.training} labelled frames from {result.init}"
        f"{', the head alone' if result.quick else ''}: {result.steps} of "
        f"{result.steps_planned} steps ({result.stopped}), {result.seconds:.0f} s. "
        f"Judged on {counts.judging} frames that were kept apart"
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
        f"<h1>{_text(result.name)}</h1>", *said, f"<p class='small'>{_text(how)}</p>",
        "<h2>Course</h2>", _image(pictures_of.course(curve, result.mean_pose.mean)),
        *_figures(sides, result.calibration, pictures, folder),
    ]  # fmt: skip
    _write(folder / "report.html", result.name, body)


def evaluation_report(folder: Path, result: EvaluateResult, pictures: Sequence[Picture]) -> None:
    """Write ``report.html`` and ``worst.png`` of an evaluation; `result` is the job's."""
    folder.mkdir(parents=True, exist_ok=True)
    sides: list[Side] = [(result.model, MODEL, result)]
    if result.mean_pose is not None:
        sides.append(("mean pose", CONSTANT, result.mean_pose))
    said = result.against_mean_pose
    how = f"{result.images} labelled images" + (
        " that the model's training kept apart." if result.held_out else "."
    )
    body = [
        f"<h1>{_text(result.model)}</h1>",
        f"<p class='verdict'>{_text(said.sentence)}</p>" if said else "",
        f"<p class='small'>{_text(how)}</p>",
        *_figures(sides, result.calibration, pictures, folder),
    ]
    _write(folder / "report.html", result.model, body)


def _figures(
    sides: Sequence[Side],
    calibration: Confidence,
    pictures: Sequence[Picture],
    folder: Path,
) -> list[str]:
    """Tables and plots that both reports have; writes ``worst.png``."""
    body = ["<h2>Error in video pixels</h2>", _errors_table(sides), _pck_table(sides)]
    body += ["<h2>Each keypoint</h2>", _keypoint_table(sides)]
    body.append(_image(pictures_of.per_keypoint(sides)))
    body += ["<h2>Confidence</h2>", f"<p>{_text(_about_confidence(calibration))}</p>"]
    if calibration.confidence_bins:
        body.append(_image(pictures_of.against_confidence(calibration.confidence_bins)))
    worst = pictures_of.worst_frames(pictures)
    if worst is not None:
        data = pictures_of.png(worst)
        with atomic_write(folder / "worst.png") as temporary:
            temporary.write_bytes(data)
        body += ["<h2>The worst frames</h2>", _embedded(data)]
    return body


def _about_confidence(calibration: Confidence) -> str:
    radius = calibration.radius
    if radius is None:
        return "Confidence is not calibrated: it is the model's own view."
    text = (
        f"Confidence is the chance to lie within {radius:g} pixels of where a person would point."
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
    return _table(rows)


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
    return _table(rows) + (
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
    return _table(rows)


def _write(path: Path, title: str, body: Sequence[str]) -> None:
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["<tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{_text(c)}</td>" for c in row) + "</tr>" for row in rest]
    return "<table>" + "".join(lines) + "</table>"


def _image(figure: Figure) -> str:
    return _embedded(pictures_of.png(figure))


def _embedded(data: bytes) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(data).decode('ascii')}'>"


def _text(text: str) -> str:
    return html.escape(str(text))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _interval(ends: Sequence[float | None] | None) -> str:
    return "" if ends is None else f" ({_number(ends[0])}–{_number(ends[1])})"
