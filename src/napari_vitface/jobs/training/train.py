"""Train a model on labelled frames, and say on frames kept apart whether it got better."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.inside import check_inside
from napari_vitface.jobs.events import Event, Notice
from napari_vitface.jobs.training.data import Labelled, labelled
from napari_vitface.jobs.training.options import TrainingOptions
from napari_vitface.jobs.training.run import RunFiles, home_of, plain_name

if TYPE_CHECKING:
    from napari_vitface.formats.deeplabcut import Labels


def train(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str | None = None,
    init: str | os.PathLike[str] = "mouse-face",
    quick: bool = False,
    val: str = "time",
    steps: int | None = None,
    backbone: str | None = None,
    head: str | None = None,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    crop: tuple[int, int, int, int] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int = 16,
    accumulate: int = 1,
    learning_rate: float | None = None,
    layer_decay: float | None = None,
    weight_decay: float = 0.05,
    warm_up: int | None = None,
    frozen_steps: int | None = None,
    sigma: float = 2.0,
    gradient_clip: float = 1.0,
    ema_decay: float | None = None,
    patience: int = 6,
    augmentation: Mapping[str, float] | None = None,
    timm_args: Mapping[str, Any] | None = None,
    radius: float | None = None,
    resume: bool | None = None,
    finish: bool = False,
    overwrite: bool = False,
    track: Sequence[str] = (),
) -> Iterator[Event]:
    """Train a model, and judge it on labelled frames that it was not trained on.

    Closing the generator stops the training and keeps its state on disk; the same call goes on from
    there, and so it does after a crash.

    Parameters
    ----------
    labels : Labels, path or sequence of paths
        What `napari_vitface.read_labels` takes.
    name : str, optional
        Of the new model. Default: that of the project's folder, with a number if it is taken.
    init : str or path
        Model to start from: the name of a bundled one, a ``.safetensors`` file, ``"timm:NAME"``
        (pretrained weights of timm) or ``"scratch"`` (random weights, which need hundreds of
        frames).
    quick : bool
        Train the head alone, on features of the frozen backbone that are computed once. For a few
        frames of a recording that the model already half knows.
    val : str
        Frames kept apart: ``"time"`` (the last quarter of each recording; ``"time:FRACTION"`` for
        another share), ``"video:NAME"`` (a recording, if the model is for new ones) or
        ``"random:FRACTION"`` (only where labelled frames are far from each other in time).
    steps : int, optional
        Optimiser steps. Default by the number of frames; give more if the error still falls at the
        end.
    backbone : str, optional
        timm name for ``init="scratch"``; default ViT-Ti/16. Larger ones need a GPU.
    head : {"unet", "heatmap", "regression"}, optional
        Default: that of `init`, or unet. Regression is the seed project's: no confidence.
    image_size : (H, W), optional
        Of the model's input; default: that of `init`, or about 240 x 320. Larger is more exact and
        slower.
    channels : 1 or 3, optional
        Grey or colour, for a new network; default grey.
    crop : (x, y, w, h), optional
        Part of the frame to look at; default: that of `init`, or the whole frame.
    output_dir : path, optional
        Where the model and ``runs/<name>/`` go; default ``vitface/models/`` and ``vitface/runs/``
        of the project.
    seed : int
        Of all that is random. The same seed, precision and number of threads give the same weights
        on a CPU.
    device, precision
        See `napari_vitface.jobs.predict.predict`; ``"auto"`` takes bf16 where a training step is
        measured to be faster in it.
    batch_size, accumulate : int
        Frames that go through the network together, and how many such batches make a step. Halve
        the one and double the other for much the same result in less memory (the norms of the head
        unet see smaller batches).
    learning_rate : float, optional
        Default 5e-4, and 2e-3 if `quick`. Lower it if the loss jumps.
    layer_decay : float, optional
        Factor of the rate from each block to the one before it; default 0.75, from random weights
        1. Raise it for recordings that look unlike those that `init` knows.
    weight_decay : float
    warm_up, frozen_steps : int, optional
        Steps of rising rate, and steps at the start in which only the head is trained; default a
        tenth of all each.
    sigma : float
        Spread of the heatmap targets in map pixels. Smaller is more exact, and harder to learn.
    gradient_clip, ema_decay : float
        Largest norm of a gradient; decay of the moving average of weights, which is what is kept.
    patience : int
        Judgements (a twentieth of the steps each) without a better one after which training stops;
        0: never. Needs at least 16 frames kept apart, half of which then choose when to stop.
    augmentation : mapping, optional
        Strengths of `napari_vitface.training.augmentation.Augmentation` to change: ``{"flip":
        0.5}``, ``{"rotation": 45}``.
    timm_args : mapping, optional
        Further arguments for a new backbone, such as ``{"drop_path_rate": 0.2}``.
    radius : float, optional
        Distance in video pixels that confidence is about; default 1 % of the frame's diagonal.
    resume : bool, optional
        Go on with the run of this name as it was begun, labels included. Default: go on if there
        is an unfinished run with the same labels and options.
    finish : bool
        End the unfinished run of this name with what it has reached.
    overwrite : bool
        Begin anew, whatever is there under this name.
    track : sequence of {"tensorboard", "wandb"}
        Also write the curves for these, in the run's folder; nothing is sent anywhere.

    Yields
    ------
    Started
        `total` steps; `settings` say what is trained from what, where and why.
    Progress
        Its message is the stage: reading the frames, training, ...
    LossMeasured, EpochFinished, HeldOutShown, Notice
    Finished
        Its result, which is also ``metrics.json``, names the files (``model``, ``run``,
        ``report``) and holds ``verdict`` (before against after on the same frames, with
        ``sentence``, ``better``, ``interval`` and ``per_keypoint``; None if there is no before),
        ``against_mean_pose`` (the same), ``before``, ``after`` and ``mean_pose`` (figures of
        `napari_vitface.pose.metrics.figures`), ``calibration``, ``steps``, ``kept_step`` (the one
        whose weights the model has), ``stopped`` (why) and ``frames`` (numbers of frames by use).

    Raises
    ------
    VitFaceError
        One sentence: the labels or the start cannot be used, or the run cannot go on.
    """
    options = TrainingOptions(
        init=os.fspath(init), backbone=backbone, head=head, steps=steps, image_size=image_size,
        crop=crop, channels=channels, val=val, seed=seed, precision=precision,
        batch_size=batch_size, accumulate=accumulate, learning_rate=learning_rate,
        weight_decay=weight_decay, layer_decay=layer_decay, warm_up=warm_up,
        frozen_steps=frozen_steps, sigma=sigma, gradient_clip=gradient_clip, ema_decay=ema_decay,
        patience=patience, augmentation=dict(augmentation or {}), timm_args=dict(timm_args or {}),
        radius=radius, quick=quick,
    )  # fmt: skip
    files_of = _Names(labels, output_dir)
    going_on = bool(resume) or finish
    data: Labelled | None = None
    if going_on and name is None:
        raise VitFaceError("Name the run that is to go on.")
    if not going_on or name is None:
        data = _read(labels)
    if name is None:
        assert data is not None
        files = files_of.free(options, data, resume=resume is not False and not overwrite)
    else:
        files = files_of.named(name)
    files.make()
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.locked())
        files.remove_leftovers()
        if not going_on and not overwrite:
            assert data is not None
            going_on = _goes_on(files, options, data, resume)
        yield from _run(files, options, data, device, track, going_on=going_on, finish=finish)


def _run(
    files: RunFiles,
    options: TrainingOptions,
    data: Labelled | None,
    device: str,
    track: Sequence[str],
    *,
    going_on: bool,
    finish: bool,
) -> Iterator[Event]:
    from napari_vitface.jobs.training.setup import Setup
    from napari_vitface.jobs.training.steps import Training
    from napari_vitface.jobs.training.trackers import open_trackers

    # Before anything slow: what is asked for may not be installed.
    with open_trackers(track, files.folder) as trackers:
        if going_on:
            if not files.unfinished:
                raise VitFaceError(
                    f"There is no unfinished training {files.name} in {files.folder.parent} to go "
                    "on with; begin one, or look at the name."
                )
            setup = Setup.stored(files, device)
        else:
            assert data is not None
            for problem in data.labels.problems:
                yield Notice(problem)
            files.clear()
            setup = Setup(files, options, device)
            yield from setup.prepare(data)
        yield from Training(setup, trackers).run(finish=finish)


def _read(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Labelled:
    from napari_vitface.formats.deeplabcut import Labels
    from napari_vitface.project.labels import read_labels

    return labelled(labels if isinstance(labels, Labels) else read_labels(labels))


class _Names:
    """Where runs on some labels go."""

    def __init__(
        self,
        labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        output_dir: str | os.PathLike[str] | None,
    ) -> None:
        self._flat = output_dir is not None
        first = _first_path(labels)
        self._home = Path(output_dir) if output_dir is not None else home_of(first)
        project = home_of(first).parent
        if output_dir is None:
            check_inside(project, self._home / "models", self._home / "runs")
        self._base = plain_name(project.name)

    def named(self, name: str) -> RunFiles:
        """The files of the run `name`."""
        return RunFiles.of(name, self._home, flat=self._flat)

    def free(self, options: TrainingOptions, data: Labelled, *, resume: bool) -> RunFiles:
        """The first name under which there is nothing, or the same run, unfinished."""
        number = 1
        while True:
            files = self.named(self._base if number == 1 else f"{self._base}-{number}")
            if files.unfinished:
                if resume and not _difference(files, options, data):
                    return files
            elif not files.model.exists() and not files.settings.exists():
                return files
            number += 1


def _first_path(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Path:
    from napari_vitface.formats.deeplabcut import Labels

    if isinstance(labels, Labels):
        return labels.images[0] if len(labels) else Path()
    if isinstance(labels, str | os.PathLike):
        return Path(labels)
    return Path(labels[0]) if len(labels) else Path()


def _goes_on(
    files: RunFiles, options: TrainingOptions, data: Labelled, resume: bool | None
) -> bool:
    """Whether an unfinished run is there that is the same as this one.

    Raises
    ------
    VitFaceError
        Something of that name is there that is not to be overwritten.
    """
    if files.unfinished:
        differing = _difference(files, options, data)
        if resume is None and not differing:
            return True
        why = f"with other {' and '.join(differing)}" if differing else "in the same way"
        raise VitFaceError(
            f"A training {files.name} was begun {why} and is not finished; continue it as it was, "
            "overwrite it, or choose another name."
        )
    if files.model.exists():
        raise VitFaceError(
            f"There is a model {files.name} in {files.model.parent} already; choose another name, "
            "or overwrite it."
        )
    return False


def _difference(files: RunFiles, options: TrainingOptions, data: Labelled) -> list[str]:
    """In what an unfinished run differs from what is asked for now."""
    stored = files.read_settings()
    differing = options.difference(stored.get("options") or {})
    if stored.get("digest") != data.digest():
        differing.append("labels")
    return differing
