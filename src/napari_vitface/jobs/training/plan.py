"""What a training would do, said before it is begun: no image is read and nothing is written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.labelled_images import Labels
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.training import PlanTrainingResult
from napari_vitface.jobs.training.labelled_data import seen_in_training
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.training import SCRATCH, is_model
from napari_vitface.training.budget import default_batch_size, default_steps, quick_variants
from napari_vitface.training.splits import FEWEST_FRAMES, split_frames

if TYPE_CHECKING:
    from napari_vitface.model.metadata import TrainingSummary
    from napari_vitface.model.predictor import KeypointModel

__all__ = ["FEWEST_FRAMES", "plan_training"]

#: Time of a training step over that of the same frames forward one by one, of the whole network and
#: of the head alone: the way back, targets, loss, optimiser and moving average come on top. Seen
#: with the bundled model on one CPU core that nothing else used: both 3.4 in fp32, 2.9 in bf16.
#: Processors with bf16 units save less on the way back. Quick training leaves the layers that look
#: at the image as they are, which saves a third.
_STEP, _HEAD_STEP, _QUICK_STEP = 3.2, 3.2, 2.1
#: Seconds to vary one frame, and to load, judge, calibrate and write what has to be in any case.
_VARY, _AROUND = 0.006, 7.0
#: Judgements in the course of a training.
_JUDGEMENTS = 20

#: Seconds of backbone and head for one frame, by model file, its time stamp and the device.
_costs: dict[tuple[Any, ...], tuple[float, float]] = {}


def plan_training(
    videos: Sequence[str],
    frames: NDArray[np.int64],
    placed: NDArray[np.bool_],
    names: Sequence[str],
    *,
    init: str | os.PathLike[str] = "mouse-face",
    quick: bool = False,
    val: str = "time",
    steps: int | None = None,
    batch_size: int | None = None,
    image_size: tuple[int, int] | None = None,
    device: str = "auto",
    seed: int = 0,
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Say how `train.train` would divide frames, and about how long it takes.

    Parameters
    ----------
    videos : (N,) sequence of str
        Recording of each labelled frame.
    frames : (N,) array
        Its number.
    placed : (N, K) array of bool
        Which keypoints a person placed in it.
    names : (K,) sequence of str
        The keypoints.
    init, quick, val, steps, batch_size, image_size, device, seed
        As for `train`.
    resources : Resources, optional
        Where to borrow the model from, to see how fast it is here.

    Yields
    ------
    Finished
        With a `PlanTrainingResult`.

    Raises
    ------
    VitFaceError
        One sentence: too few frames, or a choice that cannot be.
    """
    name = os.fspath(init)
    known: tuple[str, ...] = ()
    training: TrainingSummary = {}
    file: Path | None = None
    if is_model(name):
        from napari_vitface.model.checkpoint import find_model
        from napari_vitface.model.header import read_metadata

        file = find_model(name)
        metadata = read_metadata(file)
        known = tuple(metadata["network"]["keypoints"]["names"])
        training = metadata["training"]
        name = file.stem
    placed = np.asarray(placed, dtype=bool).reshape(len(frames), len(names))
    labels = _bare_labels(videos, frames, names)
    split = split_frames(
        labels.videos, labels.frames, val, seed=seed, seen=seen_in_training(labels, training)
    )
    counts = placed[split.training].sum(axis=0)
    by_name = dict(zip(names, counts.tolist(), strict=True))
    count = len(split.training)
    wanted = steps or default_steps(count, quick=quick, scratch=name == SCRATCH)
    batch = batch_size or default_batch_size(quick)
    seconds = None
    if file is not None:
        with ExitStack() as stack:
            shared = stack.enter_context(shared_or_own(resources))
            model = yield from shared.loading(stack, file, Computing(device))
            backbone, head = _cost(model, file)
            height, width = image_size or model.preprocessing.input_size
            larger = height * width / np.prod(model.preprocessing.input_size)
        held = len(split.held_out)
        watched = len(split.tuning) or held
        backbone, head, vary = larger * backbone, larger * head, larger * _VARY
        if quick:
            inputs = quick_variants(count) * count
            work = inputs * (backbone + vary) + watched * (backbone + _JUDGEMENTS * head)
            work += wanted * batch * head * _QUICK_STEP
        else:
            # A tenth of the steps leaves the backbone frozen.
            frozen = backbone + _HEAD_STEP * head
            step = 0.9 * _STEP * (backbone + head) + 0.1 * frozen + vary
            work = wanted * batch * step + _JUDGEMENTS * watched * (backbone + head)
        seconds = float(_AROUND + work + 2 * held * (backbone + head))
    yield Finished(
        "plan_training",
        PlanTrainingResult(
            training=_by_video(labels, split.training),
            held_out=_by_video(labels, split.held_out),
            tuning=len(split.tuning),
            points=int(counts.sum()),
            judged_points=int(placed[split.judging].sum()),
            seen=bool(split.seen),
            init=name,
            kept=tuple(key for key in names if key in known),
            fresh=tuple(key for key in names if key not in known and by_name[key]),
            alone=tuple(key for key in names if key in known and not by_name[key]),
            left_out=tuple(key for key in names if key not in known and not by_name[key]),
            steps=wanted,
            seconds=seconds,
        ),
    )


def _bare_labels(videos: Sequence[str], frames: NDArray[np.int64], names: Sequence[str]) -> Labels:
    """Labels that know where they are and nothing else."""
    count = len(frames)
    return Labels(
        KeypointSet(tuple(names)),
        np.full((count, len(names), 2), np.nan),
        (Path(),) * count,
        np.array(list(videos), dtype=np.str_),
        np.asarray(frames, dtype=np.int64),
        "",
    )


def _by_video(labels: Labels, rows: NDArray[np.intp]) -> dict[str, int]:
    names, counts = np.unique(labels.videos[rows], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _cost(model: KeypointModel, file: Path) -> tuple[float, float]:
    """Seconds that backbone and head need for one frame on the way forward."""
    key = (str(file), file.stat().st_mtime_ns, str(model.device), model.precision)
    if key not in _costs:
        _costs[key] = _measure(model)
    return _costs[key]


def _measure(model: KeypointModel) -> tuple[float, float]:
    import torch

    from napari_vitface.model.device import synchronise

    preprocessing = model.preprocessing
    count = 1 if model.device.type == "cpu" else 16
    canvas = torch.zeros(
        (count, preprocessing.channels, *preprocessing.input_size), dtype=torch.uint8
    )
    best = [float("inf"), float("inf")]
    with torch.inference_mode():
        images = model.to_images(canvas)
        for _ in range(3):
            began = time.perf_counter()
            prefix, patches = model.network.backbone(images)
            synchronise(model.device)
            between = time.perf_counter()
            model.network.head(prefix, patches, images)
            synchronise(model.device)
            ended = time.perf_counter()
            best = [min(best[0], between - began), min(best[1], ended - between)]
    return best[0] / count, best[1] / count
