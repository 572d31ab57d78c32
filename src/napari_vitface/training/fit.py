"""The training loop, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from napari_vitface.errors import VitFaceError
from napari_vitface.model.device import is_out_of_memory, release_memory
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.training.batches import (
    Batch,
    Batches,
    ImageBatches,
    Judged,
    JudgedImages,
    Sources,
    seed_of,
)
from napari_vitface.training.fit_settings import FitNumbers, FitProgress, FitSettings
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.loss import coordinate_loss, heatmap_loss, points_taught
from napari_vitface.training.optimiser import backbone_rate, parameter_groups, rate
from napari_vitface.training.precision import autocast
from napari_vitface.words import counted

__all__ = ["Fit", "FitProgress", "FitSettings", "fit", "predict_inputs", "predictions"]

#: A judgement counts as better if the error fell by this share.
_WORTH = 0.005
#: Frames judged at a time.
_JUDGED_AT_ONCE = 16


class Fit:
    """A training that can be looked at, stored and taken up again between any two steps.

    Parameters
    ----------
    network : KeypointNetwork
        On the device where training is to run; trained in place.
    module : nn.Module
        What is trained: the network, its head alone, or `Reading` of it.
    batches : Batches or None
        Of inputs of `module`; None if no step is to be taken.
    judged : Judged or None
        Held-out frames by which `patience` decides.
    settings : FitSettings

    Attributes
    ----------
    step : int
        Steps done.
    batch_size, accumulate : int
        As in the settings, until the memory runs out; then the batch is halved.
    notices : list of str
        Sentences about that.
    latest : (xy, confidence) or None
        Predictions for the judged frames at the last judgement: (N, K, 2) input pixels and (N, K).
    """

    def __init__(
        self,
        network: KeypointNetwork,
        module: nn.Module,
        batches: Batches | None,
        judged: Judged | None,
        settings: FitSettings,
    ) -> None:
        self.network = network
        self.module = module
        self.batches = batches
        self.judged = judged
        self.settings = settings
        self.device = next(network.parameters()).device
        self.step = 0
        self.batch_size, self.accumulate = settings.batch_size, settings.accumulate
        self.notices: list[str] = []
        self.latest: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        module.requires_grad_(True)
        self.optimiser = torch.optim.AdamW(
            cast(Any, parameter_groups(module, settings.weight_decay, settings.layer_decay)),
            lr=settings.learning_rate,
        )
        self.average = ModelEmaV3(module, decay=settings.ema_decay, use_warmup=True)
        self._scaler = torch.amp.GradScaler(  # type: ignore[attr-defined]
            self.device.type, enabled=settings.precision == "fp16"
        )
        self._loss_sum, self._loss_count = 0.0, 0
        self._best: dict[str, Tensor] | None = None
        self._best_error = float("inf")
        self._best_step: int | None = None
        self._not_better = 0

    # --- steps ------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether the last step is done."""
        return self.step >= self.settings.steps or self.no_longer_better

    @property
    def no_longer_better(self) -> bool:
        """Whether the held-out error has not fallen for as long as `patience` waits."""
        return 0 < self.settings.patience <= self._not_better

    @property
    def kept_step(self) -> int:
        """The step whose weights `finish` keeps; 0 if none after it was better."""
        return self.step if self._best_step is None else self._best_step

    @property
    def judgement_is_due(self) -> bool:
        """Whether the held-out frames are to be judged before the next step."""
        return self._loss_count > 0 and (
            self.step % self.settings.judge_every == 0 or self.step == self.settings.steps
        )

    @property
    def learning_rate(self) -> float:
        """Of the head, in the last step."""
        return self.settings.learning_rate * rate(
            max(1, self.step), self.settings.steps, self.settings.warm_up
        )

    def advance(self) -> float:
        """Take one step and return its loss.

        Raises
        ------
        VitFaceError
            There is too little memory for one frame.
        """
        assert self.batches is not None
        step = self.step + 1
        self._set_rates(step)
        batch = self.batches.at(step, self.settings.batch_size * self.settings.accumulate)
        while True:
            try:
                loss = self._descend(batch, step)
                break
            except (RuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and not is_out_of_memory(error):
                    raise
            # Outside of the except block: the error's traceback would keep the tensors alive.
            self._halve()
        self.average.update(self.module, step)
        self.step = step
        self._loss_sum, self._loss_count = self._loss_sum + loss, self._loss_count + 1
        return loss

    def _set_rates(self, step: int) -> None:
        settings = self.settings
        share = rate(step, settings.steps, settings.warm_up)
        backbone = backbone_rate(step, settings.frozen_steps, settings.warm_up)
        for group in self.optimiser.param_groups:
            factor = backbone if group["part"] == "backbone" else 1.0
            group["lr"] = settings.learning_rate * share * factor * group["lr_scale"]

    def _descend(self, batch: Batch, step: int) -> float:
        settings, network = self.settings, self.network
        # Drop path and dropout use the global generator.
        torch.manual_seed(seed_of(settings.seed, step))
        self.module.train()
        frozen = self.module is network and step <= settings.frozen_steps
        network.backbone.requires_grad_(self.module is network and not frozen)
        network.backbone.train(self.module is network and not frozen)
        self.optimiser.zero_grad(set_to_none=True)
        count = points_taught(batch.xy, batch.occluded, heatmap=network.heatmap_size is not None)
        total = 0.0
        for start in range(0, len(batch), self.batch_size):
            part = batch.part(slice(start, start + self.batch_size))
            with autocast(self.device, self.settings.precision):
                output = self.module(*part.inputs)
            loss = self._loss(output, part) / max(1, count)
            if loss.requires_grad:
                self._scaler.scale(loss).backward()
            total += float(loss.detach())
        if not np.isfinite(total):
            raise VitFaceError(
                f"The loss is no longer a number at step {step}; begin anew with a lower learning "
                "rate, or in fp32."
            )
        self._scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.module.parameters(), settings.gradient_clip)
        self._scaler.step(self.optimiser)
        self._scaler.update()
        return total

    def _loss(self, output: Tensor, part: Batch) -> Tensor:
        if self.network.heatmap_size is None:
            size = self.network.input_size
            return coordinate_loss(output, part.xy, size, part.occluded, reduction="sum")
        stride, sigma = self.network.stride, self.settings.sigma
        return heatmap_loss(output, part.xy, stride, sigma, part.occluded, reduction="sum")

    def _halve(self) -> None:
        release_memory(self.device)
        self.optimiser.zero_grad(set_to_none=True)
        if self.batch_size == 1:
            raise VitFaceError(
                f"{self.device} has too little memory to train this model even with one frame at a "
                "time; close other programs that use it, choose a smaller image size or model, or "
                "the device cpu."
            )
        before = self.batch_size
        self.batch_size = (before + 1) // 2
        self.accumulate = -(-self.settings.batch_size * self.settings.accumulate // self.batch_size)
        self.notices.append(
            f"{self.device} ran out of memory with {counted(before, 'frame')} at a time; going on "
            f"with {self.batch_size} ({self.accumulate} batches a step, which sees as many as "
            "before)."
        )

    # --- judging ----------------------------------------------------------------------------------

    def judge(self) -> Iterator[FitProgress | None]:
        """Judge the averaged weights on the held-out frames.

        Yields
        ------
        None or FitProgress
            None after each batch but the last; then what came of it.
        """
        errors = None
        if (judged := self.judged) is not None:
            found: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
            for start in range(0, len(judged.frames), _JUDGED_AT_ONCE):
                if found:
                    yield None
                found.append(self._predict(judged, slice(start, start + _JUDGED_AT_ONCE)))
            xy, confidence = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
            self.latest = xy, confidence
            errors = judged.frames.errors(xy)
        best = self._note(errors)
        loss = self._loss_sum / self._loss_count if self._loss_count else float("nan")
        self._loss_sum, self._loss_count = 0.0, 0
        yield FitProgress(
            step=self.step,
            steps=self.settings.steps,
            loss=loss,
            median_error=None if errors is None else float(np.nanmedian(errors)),
            mean_error=None if errors is None else float(np.nanmean(errors)),
            best=best,
        )

    @torch.inference_mode()
    def _predict(
        self, judged: Judged, rows: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Stored features are fp16, which nothing on a CPU may meet in autocast's bf16.
        inputs = judged.inputs(rows)
        with autocast(self.device, self.settings.precision):
            output = self.average.module(*inputs)
        xy, confidence = self.network.decode(output.float())
        return xy.cpu().numpy(), confidence.cpu().numpy()

    def _note(self, errors: NDArray[np.float32] | None) -> bool:
        """Remember the weights if they are the best so far, and say whether they are."""
        error = float("nan") if errors is None else float(np.nanmean(errors))
        if error < self._best_error * (1 - _WORTH):
            self._best_error, self._not_better = error, 0
            if self.settings.patience:
                self._best_step = self.step
                self._best = {k: v.clone() for k, v in self.average.module.state_dict().items()}
            return True
        # While the backbone is frozen, the error says little about what is to come.
        if self.step > self.settings.frozen_steps:
            self._not_better += 1
        return errors is None

    def finish(self) -> None:
        """Put the weights that are kept into the network."""
        kept = self.average.module.state_dict() if self._best is None else self._best
        self.module.load_state_dict(kept)
        self.network.requires_grad_(False).eval()

    # --- storing ----------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], FitNumbers]:
        """All that is needed to go on, as tensors and as plain data."""
        tensors = {f"weights.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.module.state_dict().items()}
        if self._best is not None:
            tensors |= {f"best.{k}": v for k, v in self._best.items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in moments.items()}
        numbers: FitNumbers = {
            "step": self.step,
            "batch_size": self.batch_size,
            "accumulate": self.accumulate,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
            "best_error": None if np.isinf(self._best_error) else self._best_error,
            "best_step": self._best_step,
            "not_better": self._not_better,
            "scaler": self._scaler.state_dict(),
        }
        return tensors, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: FitNumbers) -> None:
        """Go on from a `state` of the same network and settings."""

        def named(prefix: str) -> dict[str, Tensor]:
            start = len(prefix) + 1
            return {k[start:]: v for k, v in tensors.items() if k.startswith(prefix + ".")}

        self.module.load_state_dict(named("weights"))
        self.average.module.load_state_dict(named("average"))
        self._best = {k: v.to(self.device) for k, v in named("best").items()} or None
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in named("optimiser").items():
            index, _, name = key.partition(".")
            moments.setdefault(int(index), {})[name] = tensor
        stored = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": moments, "param_groups": stored["param_groups"]})
        self.step = int(numbers["step"])
        self.batch_size, self.accumulate = int(numbers["batch_size"]), int(numbers["accumulate"])
        self._loss_sum, self._loss_count = numbers["loss_sum"], numbers["loss_count"]
        best = numbers["best_error"]
        self._best_error = float("inf") if best is None else float(best)
        self._best_step = numbers["best_step"]
        self._not_better = int(numbers["not_better"])
        self._scaler.load_state_dict(numbers["scaler"])


def fit(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    sources: Sources,
    held_out: TrainingFrames | None,
    settings: FitSettings,
) -> Iterator[FitProgress]:
    """Train `network` in place; when the generator ends, it holds the averaged weights.

    Parameters
    ----------
    network : KeypointNetwork
        On the device where training is to run.
    preprocessing : Preprocessing
        That made the inputs.
    sources : sequence of (TrainingFrames, float)
        Sets of frames, each with the share of every batch that is drawn from it.
    held_out : TrainingFrames or None
        Frames that are only judged.
    settings : FitSettings

    Yields
    ------
    FitProgress
        Every `settings.judge_every` steps and at the end.
    """
    device = next(network.parameters()).device
    keypoints = network.keypoints
    swaps = [(keypoints.index(a), keypoints.index(b)) for a, b in keypoints.swaps]
    batches = ImageBatches(
        sources, preprocessing, settings.augmentation, swaps, settings.seed, device
    )
    judged = None if held_out is None else JudgedImages(held_out, preprocessing, device)
    training = Fit(network, network, batches, judged, settings)
    while not training.over:
        training.advance()
        if training.judgement_is_due:
            yield from (progress for progress in training.judge() if progress is not None)
    training.finish()


@torch.inference_mode()
def predictions(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    frames: TrainingFrames,
    *,
    batch_size: int = _JUDGED_AT_ONCE,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Keypoints (n, K, 2) in input pixels and raw confidences (n, K), batch by batch."""
    network.eval()
    device = next(network.parameters()).device
    for start in range(0, len(frames), batch_size):
        images = torch.from_numpy(frames.inputs[start : start + batch_size]).to(device)
        xy, confidence = network.decode(network(preprocessing.normalise(images)).float())
        yield xy.cpu().numpy(), confidence.cpu().numpy()


def predict_inputs(
    network: KeypointNetwork, preprocessing: Preprocessing, frames: TrainingFrames
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keypoints (N, K, 2) in input pixels and raw confidences (N, K) of a network in training."""
    points, confidences = zip(*predictions(network, preprocessing, frames), strict=True)
    return np.concatenate(points), np.concatenate(confidences)
