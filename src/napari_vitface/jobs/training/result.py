"""The end of a training: calibration, verdict, and the files that stay."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Event, Notice, Progress
from napari_vitface.jobs.results.training import TrainedConfidence, TrainResult
from napari_vitface.jobs.training.run import Curves
from napari_vitface.jobs.training.setup import Setup
from napari_vitface.jobs.training.verdict import Judged, aligned, calibration_figures, compare
from napari_vitface.pose.metrics import ErrorSummary, pixel_errors
from napari_vitface.record import plain_data
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.model.metadata import Calibration, TrainingSummary


def conclude(
    setup: Setup, curves: Curves, *, steps: int, kept_step: int, stopped: str, seconds: float
) -> Generator[Event, None, TrainResult]:
    """Judge the trained network of `setup`, write the model, the figures and the report.

    Returns what `Finished` carries.
    """
    files = setup.files
    if steps and not kept_step:
        yield Notice(
            f"No step was better on the {counted(len(setup.split.tuning), 'frame')} that choose "
            f"when to stop, so {files.name} has the weights that it started with. Label more "
            "frames, of poses that the model gets wrong."
        )
    _round_as_stored(setup.network)
    judging, tuning = setup.split.judging, setup.split.tuning
    xy, raw = yield from _predicted(setup, judging)
    judged = Judged(setup.names, setup.truth(judging), setup.frames.frame_size[judging])
    errors = pixel_errors(xy, judged.truth)
    calibration, how_true = yield from _calibration(setup, tuning, raw, errors)
    constant = setup.mean_pose(judging)
    before = None
    if setup.before is not None:
        before = aligned(setup.before.xy, setup.before.names, setup.names)
    about = setup.about
    result = TrainResult(
        name=files.name,
        model=str(files.model),
        run=str(files.folder),
        report=str(files.folder / "report.html"),
        init=about.init,
        quick=setup.options.quick,
        steps=steps,
        steps_planned=setup.settings.steps,
        kept_step=kept_step,
        stopped=stopped,
        seconds=round(seconds, 1),
        frames=setup.counts(),
        judged_frames=about.held_out,
        seen_before=setup.split.seen,
        keypoints=setup.names,
        kept=about.kept,
        fresh=about.fresh,
        left_out=about.left_out,
        verdict=None if before is None else compare(judged, before, xy, about.init),
        against_mean_pose=compare(judged, constant, xy, "the mean pose"),
        before=None if before is None else judged.figures(before),
        after=judged.figures(xy),
        mean_pose=judged.figures(constant),
        calibration=how_true,
    )
    _save_model(setup, result, calibration)
    files.write_json(files.metrics, plain_data(result))
    curves.write(files.curves)
    yield Progress(len(judging), len(judging), None, "writing the report")
    yield from _report(setup, curves, result, xy, errors)
    files.end()
    return result


def _round_as_stored(network: Any) -> None:
    """Give the network the weights that its checkpoint will hold, so that these are judged."""
    import torch

    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                stored = tensor.half().float()
                if bool(torch.isfinite(stored).all()):
                    tensor.copy_(stored)


def _predicted(
    setup: Setup, rows: NDArray[np.intp]
) -> Generator[Event, None, tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Points in video pixels and raw confidences of some frames."""
    from napari_vitface.training.fit import predictions

    frames = setup.frames.subset(rows)
    points: list[NDArray[np.float32]] = []
    sure: list[NDArray[np.float32]] = []
    for xy, confidence in predictions(setup.network, setup.preprocessing, frames):
        points.append(xy)
        sure.append(confidence)
        yield Progress(sum(map(len, points)), len(frames), None, "judging")
    return frames.to_video(np.concatenate(points)), np.concatenate(sure)


def _calibration(
    setup: Setup,
    tuning: NDArray[np.intp],
    raw: NDArray[np.float32],
    errors: NDArray[np.float64],
) -> Generator[Event, None, tuple[Calibration | None, TrainedConfidence]]:
    """The table of the checkpoint, and how true confidence is.

    `raw` and `errors` are those of the frames that judge. The table is fitted on all frames kept
    apart. How true it is, is judged crosswise: each half by a table that is fitted on the other, so
    by less than the model gets, and never by frames that the table has seen.
    """
    from napari_vitface.model.calibrating import FEWEST_POINTS, default_radius, fit_calibration
    from napari_vitface.model.calibration import calibrate, radius_of

    size = setup.about.mean_pose_frame_size
    radius = setup.options.radius or default_radius(setup.preprocessing.view(size).crop[2:])
    # In frames of other sizes it is another number of pixels.
    about: Calibration = {"radius": radius, "frame_size": size}
    limits = radius_of(about, setup.preprocessing, setup.frames.magnification)
    parts = [(raw, errors, limits[setup.split.judging])]
    if len(tuning):
        xy, sure = yield from _predicted(setup, tuning)
        parts.insert(0, (sure, pixel_errors(xy, setup.truth(tuning)), limits[tuning]))

    def fitted(
        raw: NDArray[np.float32], errors: NDArray[np.float64], limits: NDArray[np.float64]
    ) -> Calibration | None:
        return fit_calibration(raw, radius * errors / limits, radius, size)

    tables = [fitted(*part) for part in parts]
    raw, errors, limits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    calibration = fitted(raw, errors, limits)
    if calibration is None:
        yield Notice(
            f"There are fewer than {FEWEST_POINTS} labelled points in the frames kept apart, so "
            "confidence is not calibrated: it is the model's own view."
        )
    apart = len(tables) == 2 and None not in tables
    if apart:
        of_the_other = zip(parts, reversed(tables), strict=True)
        shown = np.concatenate([calibrate(part[0], table) for part, table in of_the_other])
    else:
        shown = calibrate(raw, calibration)
    judged_by = (None, None) if calibration is None else (radius, limits)
    found = calibration_figures(shown, errors, *judged_by)
    if not apart:
        # The frames that judge are those it was fitted on: what they say would be too good.
        found = replace(found, calibration_error=None, calibration_error_by_chance=None)
    points = None if calibration is None else calibration["points"]
    return calibration, TrainedConfidence(
        **vars(found), calibrated_on_points=points, judged_apart=apart
    )


def _save_model(setup: Setup, result: TrainResult, calibration: Calibration | None) -> None:
    from napari_vitface.model.checkpoint import save_checkpoint

    about = setup.about
    recordings = len({setup.videos[row] for row in setup.split.training})
    what = (
        f"{counted(result.frames.training, 'labelled frame')} of {counted(recordings, 'recording')}"
    )
    judged = {"after": result.after, "before": result.before, "mean_pose": result.mean_pose}
    training: TrainingSummary = {
        "summary": f"{what}, starting from {about.init}",
        "started_from": about.init,
        "quick": setup.options.quick,
        "steps": result.steps,
        "settings": setup.settings.to_dict(),
        "trained_frames": about.trained_frames,
        "held_out": about.held_out,
        "tuned_on": about.tuned_on,
        "white": about.white,
        "calibrated_on": [*about.tuned_on, *about.held_out],
        "metrics": {
            case: {each.name: getattr(figures, each.name) for each in fields(ErrorSummary)}
            for case, figures in judged.items()
            if figures is not None
        },
        "calibration_error": result.calibration.calibration_error,
        "mean_pose": about.mean_pose,
        "mean_pose_frame_size": list(about.mean_pose_frame_size),
    }
    start = about.start
    if start:
        training["licence"] = (
            f"yours for the labelled frames; the model it started from: {start.get('licence')}"
        )
        training["citations"] = start.get("citations", [])
    save_checkpoint(
        setup.files.model,
        setup.network,
        setup.preprocessing,
        training=training,
        calibration=calibration,
    )


def _report(
    setup: Setup,
    curves: Curves,
    result: TrainResult,
    xy: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> Generator[Event, None, None]:
    """The report; without it the model is no worse, so what goes wrong is only told."""
    from napari_vitface.jobs.report import training_report
    from napari_vitface.jobs.report_pictures import Picture

    frames = setup.frames.subset(setup.split.judging)
    found = (xy - frames.origin[:, None]) / frames.pixel_size[:, None]
    pictures = [
        Picture(
            frames.inputs[i], frames.xy[i], found[i].astype(np.float32), errors[i], setup.names,
            f"{setup.videos[row]}, frame {setup.numbers[row]}",
        )
        for i, row in enumerate(setup.split.judging)
    ]  # fmt: skip
    try:
        training_report(setup.files.folder, result, curves.rows, pictures)
    except OSError as error:
        yield Notice(f"The report could not be written ({error.strerror or error}).")
