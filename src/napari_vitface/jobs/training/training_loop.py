"""The course of a training: steps, judgements, the state on disk, and the model at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import (
    EpochFinished,
    Event,
    Finished,
    HeldOutShown,
    LossMeasured,
    Notice,
    Progress,
    Started,
)
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.results.training import ErrorsOfMeanPose, TrainSettings
from napari_vitface.jobs.training.run import Checkpointer, Curves
from napari_vitface.jobs.training.setup import Setup
from napari_vitface.jobs.training.trackers import Tracker
from napari_vitface.settings.training import is_model

if TYPE_CHECKING:
    from torch import nn

    from napari_vitface.training.batches import FeatureBatches, Features
    from napari_vitface.training.fit import Fit, FitProgress

#: Seconds between two `Progress` events; between any two steps something else may have its turn.
_PROGRESS_EVERY = 0.1
#: Points of the loss curve in a training.
_LOSSES = 200
#: Held-out frames that are shown while it runs.
_SHOWN = 4


class Training:
    """One training from its setup to its model."""

    def __init__(self, setup: Setup, trackers: Sequence[Tracker]) -> None:
        self.setup = setup
        self._trackers = trackers
        split = setup.split
        # Without frames to tune by, those that judge are shown, and nothing is chosen by them.
        self._watched = split.tuning if len(split.tuning) else split.judging
        self._choosing = len(split.tuning) > 0
        pose = setup.mean_pose(self._watched)
        errors = np.linalg.norm(pose - setup.truth(self._watched), axis=-1)
        self._mean_pose = _middle(errors)
        self._curves = Curves()
        self._seconds = 0.0
        self._shown = self._watched[
            np.unique(np.linspace(0, len(self._watched) - 1, _SHOWN).round().astype(int))
        ]

    def run(self, *, finish: bool = False) -> Iterator[Event]:
        """Train, judge and write the model; `finish` leaves out the steps that are left."""
        setup = self.setup
        yield Started("train", setup.settings.steps, settings=self._told())
        training = yield from self._build(finish)
        checkpointer = Checkpointer(setup.files, training, self._curves)
        yield from self._restore(training, checkpointer)
        ended = False
        try:
            if not finish:
                yield from self._steps(training, checkpointer)
            ended = True
        finally:
            checkpointer.seconds = self._seconds
            if ended:
                # What follows may fail for want of room; it can then be done again from here.
                with contextlib.suppress(OSError):
                    checkpointer.keep()
            elif setup.files.folder.is_dir():
                checkpointer.keep()
        yield from self._end(training, asked=finish)

    def _told(self) -> TrainSettings:
        setup = self.setup
        return TrainSettings(
            unit="steps",
            name=setup.files.name,
            model=setup.files.name,
            run=str(setup.files.folder),
            kept_in=str(setup.files.state),
            init=setup.about.init,
            quick=setup.options.quick,
            why=setup.about.why,
            device=str(setup.device),
            precision=setup.settings.precision,
            input_size=setup.preprocessing.input_size,
            keypoints=setup.network.keypoints,
            kept=setup.about.kept,
            fresh=setup.about.fresh,
            left_out=setup.about.left_out,
            frames=setup.counts(),
            stops_early=self._choosing and setup.settings.patience > 0,
            mean_pose=ErrorsOfMeanPose(*self._mean_pose),
        )

    # --- before the first step --------------------------------------------------------------------

    def _build(self, finish: bool) -> Generator[Event, None, Fit]:
        """The `Fit`, on images or on features that are computed first."""
        from dataclasses import replace

        from napari_vitface.training.batches import ImageBatches, JudgedImages
        from napari_vitface.training.fit import Fit

        setup = self.setup
        settings = setup.settings
        if not self._choosing:
            settings = replace(settings, patience=0)
        module = self._trained()
        if finish:
            return Fit(setup.network, module, None, None, settings)
        if setup.options.quick:
            features, watched = yield from self._features()
            return Fit(setup.network, module, features, watched, settings)
        images = ImageBatches(
            setup.sources(), setup.preprocessing, settings.augmentation, self._swaps(),
            settings.seed, setup.device,
        )  # fmt: skip
        judged = JudgedImages(setup.frames.subset(self._watched), setup.preprocessing, setup.device)
        return Fit(setup.network, module, images, judged, settings)

    def _trained(self) -> nn.Module:
        from napari_vitface.training.batches import Reading

        network, options = self.setup.network, self.setup.options
        if not options.quick:
            return network
        return Reading(network.head) if self._head_knows_images else network.head

    @property
    def _head_knows_images(self) -> bool:
        """Whether it has layers for them, and from a model: beside weights of timm they are new."""
        return is_model(self.setup.options.init) and bool(self.setup.network.head.image_layers)

    def _features(self) -> Generator[Event, None, tuple[FeatureBatches, Features]]:
        from napari_vitface.training.batches import FeatureBatches, Features, maps_fit, variants
        from napari_vitface.training.budget import quick_variants

        setup = self.setup
        settings = setup.settings
        count = quick_variants(len(setup.split.training))
        sources = setup.sources()
        sets = []
        head = setup.network.head if self._head_knows_images else None
        total = count * sum(len(frames) for frames, _ in sources) + len(self._watched)
        keep = maps_fit(total, setup.preprocessing.input_size)
        watched = Features(
            setup.frames.subset(self._watched), setup.preprocessing, head, keep_maps=keep
        )
        done = 0
        for frames, _ in sources:
            yield Progress(done, total, None, "computing features")
            varied = variants(frames, count, settings.augmentation, settings.seed, self._swaps())
            sets.append(Features(varied, setup.preprocessing, head, keep_maps=keep))
        for features in (*sets, watched):
            for position in features.compute(setup.network, precision=settings.precision):
                yield Progress(done + position, total, None, "computing features")
            done += len(features.frames)
        return FeatureBatches(sets, [share for _, share in sources], settings.seed), watched

    def _swaps(self) -> list[tuple[int, int]]:
        keypoints = self.setup.network.keypoints
        return [(keypoints.index(a), keypoints.index(b)) for a, b in keypoints.swaps]

    def _restore(self, training: Fit, checkpointer: Checkpointer) -> Iterator[Event]:
        from napari_vitface.training.state import load_state, reading_state

        state = self.setup.files.state
        if not (self.setup.resumed and state.is_file()):
            return
        tensors, data = load_state(state)
        with reading_state(state):
            training.restore(tensors, data["fit"])
            self._curves.rows = [list(row) for row in data["curves"]]
            self._seconds = float(data["seconds"])
        checkpointer.note_restored()
        yield Notice(
            f"Going on from step {training.step} of {training.settings.steps} of an earlier run."
        )

    # --- steps ------------------------------------------------------------------------------------

    def _steps(self, training: Fit, checkpointer: Checkpointer) -> Iterator[Event]:
        total = training.settings.steps
        every = max(1, total // _LOSSES)
        pace = Pace()
        told = 0.0
        recent: list[float] = []
        if training.step == 0 and not self._curves.rows:
            yield from self._judge(training)
        while not training.over or training.judgement_is_due:
            began = time.monotonic()
            if training.judgement_is_due:
                yield from self._judge(training)
                self._seconds += time.monotonic() - began
                continue
            recent.append(training.advance())
            self._seconds += time.monotonic() - began
            pace.step(1)
            yield from self._new_notices(training)
            if training.step % every == 0:
                loss = float(np.mean(recent))
                recent.clear()
                self._note(training, loss)
                yield LossMeasured(training.step, total, loss, training.learning_rate)
            checkpointer.seconds = self._seconds
            if checkpointer.keep_if_due() and checkpointer.problem is not None:
                yield Notice(checkpointer.problem)
            if time.monotonic() - told >= _PROGRESS_EVERY:
                told = time.monotonic()
                left = pace.seconds_left(total - training.step)
                yield Progress(training.step, total, left, "training")
        yield Progress(training.step, total, 0.0, "training")

    def _new_notices(self, training: Fit) -> Iterator[Event]:
        while training.notices:
            yield Notice(training.notices.pop(0))

    def _judge(self, training: Fit) -> Iterator[Event]:
        for progress in training.judge():
            if progress is None:
                yield Progress(training.step, training.settings.steps, None, "training")
                continue
            self._note_judgement(training, progress)
            yield EpochFinished(
                progress.step,
                progress.steps,
                progress.loss,
                progress.median_error,
                progress.mean_error,
                *self._mean_pose,
                progress.best,
            )
        assert training.latest is not None
        yield self._show(training.step, *training.latest)

    def _note(self, training: Fit, loss: float) -> None:
        self._curves.add(training.step, loss, training.learning_rate, self._seconds)
        for tracker in self._trackers:
            tracker.log(training.step, {"loss": loss, "learning_rate": training.learning_rate})

    def _note_judgement(self, training: Fit, progress: FitProgress) -> None:
        loss = None if np.isnan(progress.loss) else progress.loss
        errors = progress.median_error, progress.mean_error
        self._curves.add(training.step, loss, training.learning_rate, self._seconds, *errors)
        with contextlib.suppress(OSError):
            self._curves.write(self.setup.files.curves)
        values = {
            "held_out/median_error": progress.median_error,
            "held_out/mean_error": progress.mean_error,
            "held_out/mean_pose_median": self._mean_pose[0],
            "held_out/mean_pose_mean": self._mean_pose[1],
        }
        for tracker in self._trackers:
            tracker.log(training.step, {k: v for k, v in values.items() if v is not None})

    def _show(
        self, step: int, xy: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> HeldOutShown:
        setup = self.setup
        rows = np.searchsorted(self._watched, self._shown)
        frames = setup.frames.subset(self._shown)
        images = frames.inputs[:, 0] if frames.inputs.shape[1] == 1 else frames.inputs
        return HeldOutShown(
            step,
            setup.names,
            tuple(setup.videos[row] for row in self._shown),
            np.array([setup.numbers[row] for row in self._shown], dtype=np.int64),
            images if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 2, 3, 1)),
            frames.xy,
            xy[rows],
            confidence[rows],
        )

    # --- the end ----------------------------------------------------------------------------------

    def _end(self, training: Fit, *, asked: bool) -> Iterator[Event]:
        from napari_vitface.jobs.training.result import conclude

        if asked:
            stopped = "asked"
        elif training.no_longer_better:
            stopped = "no longer better"
        else:
            stopped = "all steps done"
        training.finish()
        # It may have been moved meanwhile; the model of hours is not to be lost for that.
        self.setup.files.make()
        result = yield from conclude(
            self.setup, self._curves, steps=training.step, kept_step=training.kept_step,
            stopped=stopped, seconds=self._seconds,
        )  # fmt: skip
        yield Finished("train", result)


def _middle(errors: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Median and mean of errors; None where there is none."""
    judged = errors[np.isfinite(errors)]
    return (float(np.median(judged)), float(judged.mean())) if judged.size else (None, None)
