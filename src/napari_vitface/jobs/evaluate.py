"""Judge a model on labelled frames, beside what a constant would get on the same frames."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.evaluation import EvaluateResult, EvaluateSettings
from napari_vitface.jobs.training.verdict import Judged, calibration_figures, compare
from napari_vitface.model.metadata import held_out_frames
from napari_vitface.record import plain_data
from napari_vitface.settings.computing import Reading
from napari_vitface.settings.option import takes
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.model.metadata import TrainingSummary
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View

#: Images that are held in memory as model inputs.
_IMAGES_AT_ONCE = 32


@takes(Reading)
def evaluate(
    model: str | os.PathLike[str],
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    held_out: bool = False,
    frames: Collection[int] | None = None,
    report: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Measure the error of a model in pixels of the labelled images.

    Parameters
    ----------
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    labels : Labels, path or sequence of paths
        What `napari_vitface.read_labels` takes.
    held_out : bool
        Judge only the frames that the model's training kept apart, as its checkpoint names them.
    frames : collection of int, optional
        Judge only these frame numbers.
    report : path, optional
        Folder for ``report.html``, ``metrics.json`` and ``worst.png``, a picture of the frames
        with the largest errors.
    resources : Resources, optional
        Where to borrow the model from.
    {settings}

    Yields
    ------
    Preparing, Started
        `total` images.
    Progress, Notice
    Finished
        With an `EvaluateResult`.

    Raises
    ------
    VitFaceError
        One sentence: the model or the labels cannot be used, or have nothing in common.
    """
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.project.label_reading import read_labels

    reading = Reading(**settings)
    chosen = labels if isinstance(labels, Labels) else read_labels(labels)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        network = yield from shared.loading(stack, model, reading.computing)
        training = network.training
        if held_out:
            chosen = _kept_apart(chosen, training, network.name)
        if frames is not None:
            chosen = chosen.take(np.isin(chosen.frames, list(frames)))
        names = [name for name in network.keypoints.names if name in chosen.keypoints.names]
        _refuse_if_nothing(chosen, names, network)
        told = EvaluateSettings(
            model=network.name,
            device=str(network.device),
            precision=network.precision,
            held_out=held_out,
        )
        yield Started("evaluate", len(chosen), settings=told)
        for problem in chosen.problems:
            yield Notice(problem)
        yield from _what_is_left_out(chosen, names, network)
        if not held_out:
            yield from _perhaps_trained_on(chosen, training, network.name)

        found = _Predictions(chosen, network, reading.white, keep=report is not None)
        yield from found.run()

        columns = [network.keypoints.index(name) for name in names]
        truth = chosen.xy[:, [chosen.keypoints.index(name) for name in names]]
        result = _result(network, chosen, names, truth, found, columns, held_out)
        result = yield from _about_calibration(chosen, training, network.name, result)
        if result.mean_pose is None:
            yield Notice(
                f"The model {network.name} does not hold the mean pose of its training labels, so "
                "there is no constant to compare it with."
            )
        if report is not None:
            yield Progress(len(chosen), len(chosen), None, "writing the report")
            written = _write_report(Path(report), result, found, truth, columns, chosen)
            result = replace(result, report=written)
        yield Finished("evaluate", result)


class _Predictions:
    """The model's points in the labelled images.

    Attributes
    ----------
    xy : (N, K, 2) float64
        Image pixels.
    confidence : (N, K) float32
    sizes : (N, 2) int64
        Height and width of each image.
    magnification : (N,) float64
        Input pixels per pixel of each image.
    inputs : list of (C, H, W) uint8 arrays
        What the model saw, with the way from the video to there; only if they are to be kept.
    views : list of View
    """

    def __init__(
        self,
        labels: Labels,
        model: KeypointModel,
        white: int | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self._images = labels.images
        self._white = white
        self._model = model
        self._keep = keep
        self.inputs: list[NDArray[np.uint8]] = []
        self.views: list[View] = []
        count = len(model.keypoints)
        self.xy = np.full((len(labels), count, 2), np.nan)
        self.confidence = np.zeros((len(labels), count), dtype=np.float32)
        self.sizes = np.zeros((len(labels), 2), dtype=np.int64)
        self.magnification = np.ones(len(labels))

    def run(self) -> Iterator[Event]:
        """Predict all images, some at a time."""
        from napari_vitface.project.white import labelled_images
        from napari_vitface.video.scale import scale_image

        began = time.monotonic()
        total = len(self._images)
        read = labelled_images(self._white)
        for start in range(0, total, _IMAGES_AT_ONCE):
            rows = range(start, min(start + _IMAGES_AT_ONCE, total))
            views, canvas = [], []
            for row in rows:
                image = read(self._images[row])
                self.sizes[row] = image.shape[:2]
                view = self._model.preprocessing.view((image.shape[0], image.shape[1]))
                self.magnification[row] = view.magnification
                views.append(view)
                canvas.append(view.pad(scale_image(image, view.scale)[None])[0])
            xy, self.confidence[rows.start : rows.stop] = self._model.predict(np.stack(canvas))
            for row, view, points in zip(rows, views, xy, strict=True):
                self.xy[row] = view.to_frame(points)
            if self._keep:
                self.inputs += canvas
                self.views += views
            left = (time.monotonic() - began) / rows.stop * (total - rows.stop)
            yield Progress(rows.stop, total, left)


def _result(
    network: KeypointModel,
    labels: Labels,
    names: list[str],
    truth: NDArray[np.float64],
    found: _Predictions,
    columns: list[int],
    held_out: bool,
) -> EvaluateResult:
    from napari_vitface.model.calibration import radius_of
    from napari_vitface.pose.metrics import pixel_errors

    predicted = found.xy[:, columns]
    constant = _mean_pose(network, found.sizes, columns)
    judged = Judged(tuple(names), truth, found.sizes)
    radius = limits = None
    if network.calibration and network.calibration.get("radius") is not None:
        seen = found.magnification[:, None]
        limits = radius_of(network.calibration, network.preprocessing, seen)
        radius = float(np.median(limits))
    errors = pixel_errors(predicted, truth)
    confidence = calibration_figures(found.confidence[:, columns], errors, radius, limits)
    judged_frames: dict[str, list[int]] = {}
    for video, frame in zip(labels.videos.tolist(), labels.frames.tolist(), strict=True):
        judged_frames.setdefault(video, []).append(frame)
    mean_pose = against = None
    if constant is not None:
        mean_pose = judged.figures(constant)
        against = compare(judged, constant, predicted, "the mean pose")
    return EvaluateResult(
        **vars(judged.figures(predicted)),
        model=network.name,
        images=len(labels),
        mean_pose=mean_pose,
        against_mean_pose=against,
        calibration=confidence,
        calibration_error=confidence.calibration_error,
        calibration_radius=radius,
        keypoints=tuple(names),
        frames=judged_frames,
        held_out=held_out,
    )


def _about_calibration(
    labels: Labels, training: TrainingSummary, model: str, result: EvaluateResult
) -> Generator[Event, None, EvaluateResult]:
    """The result, whose confidence is not judged by frames that it was fitted on."""
    if result.calibration_error is None:
        return result
    rows = np.zeros(len(labels), dtype=bool)
    for part in training.get("calibrated_on") or training.get("tuned_on") or ():
        rows |= (labels.videos == part["video"]) & np.isin(labels.frames, part["frames"])
    if rows.any():
        stated = training.get("calibration_error")
        known = "" if stated is None else f" When it was trained, it was {stated:.3f}, crosswise."
        yield Notice(
            f"The confidence of {model} was calibrated on {int(rows.sum())} of these frames, so "
            f"its calibration error is not given: it would look better than it is.{known}"
        )
        unknown = replace(
            result.calibration, calibration_error=None, calibration_error_by_chance=None
        )
        return replace(result, calibration_error=None, calibration=unknown)
    return result


def _write_report(
    folder: Path,
    result: EvaluateResult,
    found: _Predictions,
    truth: NDArray[np.float64],
    columns: list[int],
    labels: Labels,
) -> str:
    from napari_vitface.atomic import atomic_write
    from napari_vitface.jobs.report import evaluation_report
    from napari_vitface.jobs.report_pictures import Picture
    from napari_vitface.pose.metrics import pixel_errors

    errors = pixel_errors(found.xy[:, columns], truth)
    pictures = [
        Picture(
            image,
            view.to_input(truth[row]).astype(np.float32),
            view.to_input(found.xy[row, columns]).astype(np.float32),
            errors[row],
            result.keypoints,
            f"{labels.videos[row]}, {labels.images[row].name}",
        )
        for row, (image, view) in enumerate(zip(found.inputs, found.views, strict=True))
    ]
    try:
        evaluation_report(folder, result, pictures)
        with atomic_write(folder / "metrics.json") as temporary:
            temporary.write_text(json.dumps(plain_data(result), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise VitFaceError(
            f"The report cannot be written to {folder} ({error.strerror or error}); choose another "
            "folder."
        ) from error
    return str(folder / "report.html")


def _mean_pose(
    network: KeypointModel, sizes: NDArray[np.int64], columns: list[int]
) -> NDArray[np.float64] | None:
    """The mean pose of the training labels (N, K, 2), scaled to the size of each image."""
    training = network.training
    if training.get("mean_pose") is None:
        return None
    # Keypoints that no training frame had are null in JSON.
    pose = np.array(training["mean_pose"], dtype=np.float64)[columns]
    size = np.array(training.get("mean_pose_frame_size") or sizes[0], dtype=np.float64)
    scale = (sizes / size)[:, None, ::-1]
    return (pose + 0.5) * scale - 0.5


def _kept_apart(labels: Labels, training: TrainingSummary, model: str) -> Labels:
    """The labels of the frames that training held out."""
    held = held_out_frames(training)
    if not held:
        raise LabelError(
            f"The model {model} does not say which frames its training kept apart; judge it on all "
            "frames of a recording that it was not trained on."
        )
    rows = np.zeros(len(labels), dtype=bool)
    for part in held:
        rows |= (labels.videos == part["video"]) & np.isin(labels.frames, part["frames"])
    if not rows.any():
        videos = ", ".join(str(part["video"]) for part in held)
        raise LabelError(
            f"The labels hold none of the frames that the training of {model} kept apart "
            f"(recording {videos}); judge it on all of them."
        )
    return labels.take(rows)


def _perhaps_trained_on(labels: Labels, training: TrainingSummary, model: str) -> Iterator[Event]:
    """Say it if frames are judged that belong to a recording the model was trained on."""
    for part in held_out_frames(training):
        same = labels.videos == part["video"]
        seen = int((same & ~np.isin(labels.frames, part["frames"])).sum())
        if seen:
            yield Notice(
                f"{seen} of the {counted(len(labels), 'frame')} {'is' if seen == 1 else 'are'} of "
                f"the recording {part['video']} that {model} was trained on, and not kept apart "
                "then; judge "
                "the frames kept apart (held out) for an error that holds for new frames."
            )


def _refuse_if_nothing(labels: Labels, names: list[str], network: KeypointModel) -> None:
    if not names:
        raise LabelError(
            f"The labels ({', '.join(labels.keypoints.names)}) and the model {network.name} "
            f"({', '.join(network.keypoints.names)}) have no keypoint in common."
        )
    if len(labels) == 0:
        raise LabelError("None of the labelled frames was chosen, so there is nothing to judge.")
    truth = labels.xy[:, [labels.keypoints.index(name) for name in names]]
    if not np.isfinite(truth).all(axis=-1).any():
        raise LabelError("No point is labelled in the chosen frames, so there is nothing to judge.")


def _what_is_left_out(labels: Labels, names: list[str], network: KeypointModel) -> Iterator[Event]:
    for whose, those in (
        ("labelled but not found by the model", labels.keypoints.names),
        ("found by the model but not labelled", network.keypoints.names),
    ):
        missing = [name for name in those if name not in names]
        if missing:
            yield Notice(f"Not judged, because {whose}: {', '.join(missing)}.")
