"""Choosing device and precision by running the network on trial images, and comparing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from napari_vitface.model.decoding import mean_position
from napari_vitface.model.device import (
    DTYPES,
    candidate_devices,
    candidate_precisions,
    choose_batch_size,
    is_out_of_memory,
    release_memory,
    shortest_times,
)
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.reasons import first_line

#: A lower precision, or another device, must be this much faster to be chosen.
WORTH = 1.15
#: ... and a lower precision must move three in four points of the trial images by no more input
#: pixels than this. Not all of them: the faces are drawn, and may be strange to a model. (The
#: bundled model on real frames: half move by 0.05 in bf16, one in a hundred by more than 0.16.)
AGREEMENT = 0.5
QUANTILE = 0.75
#: An accelerator that needs less time an image than this is not compared with the CPU.
FAST_ENOUGH = 0.01
#: (H, W) at which the trial's faces are drawn, before they are scaled to the input.
_FACE_SIZE = (240, 320)
#: Points at least this sure in the reference are compared where they are decoded.
SURE = 0.3


@dataclass(frozen=True)
class Trial:
    """How one device and precision did.

    Attributes
    ----------
    device : torch.device
    precision : str
    seconds : float
        Time an image.
    moved : float
        How far, in input pixels, points of the trial images moved against the first precision
        tried on this device; three in four moved no farther.
    """

    device: torch.device
    precision: str
    seconds: float
    moved: float = 0.0

    def __str__(self) -> str:
        return f"{self.precision} on {self.device}"


def choose_by_trial(
    network: KeypointNetwork, preprocessing: Preprocessing, device: str, precision: str
) -> tuple[Trial, str]:
    """Device and precision for a network (fp32, on the CPU), and one sentence that says why.

    What is named is taken; what is ``"auto"`` is tried. An accelerator that fails (no kernels for
    it in this PyTorch, no memory left) is passed over, and the sentence says so.
    """
    devices = candidate_devices(device)
    options = [(d, p) for d in devices for p in candidate_precisions(precision, d)]
    if len(options) == 1:
        only = Trial(*options[0], seconds=0.0)
        asked = device != "auto" or precision != "auto"
        return only, f"{only}, as asked for." if asked else f"{only}."
    trials: list[Trial] = []
    failures = ""
    for candidate in devices:
        if min((trial.seconds for trial in trials), default=1.0) < FAST_ENOUGH:
            break
        try:
            trials += try_precisions(
                network, preprocessing, candidate, candidate_precisions(precision, candidate)
            )
        except RuntimeError as error:
            if candidate == devices[-1] and not trials:
                raise
            failures += f" {candidate} cannot be used ({first_line(error)})."
            release_memory(candidate)
    chosen, why = choose_trial(trials)
    return chosen, why + failures


def try_precisions(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    device: torch.device,
    precisions: Sequence[str],
) -> list[Trial]:
    """Time the precisions on one device, and compare their points with the first one's.

    A precision that the device cannot compute in is left out, unless it is the first.
    """
    canvas = trial_canvas(2 if device.type == "cpu" else 8, preprocessing).to(device)
    found: dict[str, Points] = {}
    runs: list[Callable[[], Tensor]] = []
    for precision in precisions:
        try:
            candidate = copy.deepcopy(network).to(device, DTYPES[precision])
            run = partial(_forward, candidate, preprocessing, canvas)
            found[precision] = Points.of(candidate, run())
        except RuntimeError as error:
            if not found:
                raise
            if is_out_of_memory(error):
                release_memory(device)
        else:
            runs.append(run)
    reference = next(iter(found.values()))
    return [
        Trial(device, precision, seconds / len(canvas), points.moved_from(reference))
        for (precision, points), seconds in zip(
            found.items(), shortest_times(runs, device), strict=True
        )
    ]


@torch.inference_mode()
def _forward(network: KeypointNetwork, preprocessing: Preprocessing, canvas: Tensor) -> Tensor:
    images = preprocessing.normalise(canvas)
    return network(images.to(next(network.parameters()).dtype))


def choose_trial(trials: Sequence[Trial]) -> tuple[Trial, str]:
    """The trial to follow, and one sentence that says why.

    The fastest of those that agree with fp32; the first one unless it is beaten by a margin that
    is worth it.
    """
    first = trials[0]
    agreeing = [trial for trial in trials if trial.moved <= AGREEMENT]
    best = min(agreeing, key=lambda trial: trial.seconds)
    if best.seconds * WORTH > first.seconds:
        best = first
    text = f"{best}: measured {best.seconds * 1e3:.1f} ms an image"
    for trial in trials:
        if trial is not best:
            text += f", {trial} {trial.seconds * 1e3:.1f} ms"
            if trial not in agreeing:
                text += f" (which moves one point in four by over {trial.moved:.1f} input pixels)"
    if best.precision != "fp32":
        text += f"; three points in four move by under {best.moved:.2f} input pixels against fp32"
    return best, text + "."


def measure_batch_size(
    network: KeypointNetwork, preprocessing: Preprocessing, device: torch.device
) -> int:
    """Images a batch for a network that is on `device`, on CUDA by the memory that four take."""
    if device.type != "cuda":
        return choose_batch_size(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    try:
        network.decode(_forward(network, preprocessing, trial_canvas(4, preprocessing).to(device)))
    except torch.cuda.OutOfMemoryError:
        release_memory(device)
        return 1
    used = torch.cuda.max_memory_allocated(device) - before
    return choose_batch_size(device, used // 4)


def trial_canvas(count: int, preprocessing: Preprocessing) -> Tensor:
    """Model inputs (count, C, H, W), uint8, of drawn faces.

    On images that hold no face, peaks are a toss-up in any precision.
    """
    # Where the precision is named nothing is tried, and the renderer need not be loaded.
    from napari_vitface.sample import random_face

    faces = [
        random_face(np.random.default_rng(seed), _FACE_SIZE)[0] for seed in range(min(count, 2))
    ]
    drawn = torch.from_numpy(np.stack(faces))[:, None].float()
    scaled = torch.nn.functional.interpolate(drawn, preprocessing.input_size, mode="bilinear")
    rows = torch.arange(count) % len(faces)
    return scaled[rows].expand(-1, preprocessing.channels, -1, -1).round().byte().contiguous()


@dataclass(frozen=True)
class Points:
    """Points of the trial images by which two precisions are compared, all (B, K, 2) on the CPU."""

    decoded: Tensor
    confidence: Tensor
    mean: Tensor

    @classmethod
    def of(cls, network: KeypointNetwork, output: Tensor) -> Points:
        """The points in the output of a network."""
        decoded, confidence = (tensor.float().cpu() for tensor in network.decode(output))
        if network.heatmap_size is None:
            return cls(decoded, confidence, decoded)
        return cls(decoded, confidence, mean_position(output, network.stride).cpu())

    def moved_from(self, reference: Points) -> float:
        """How far three in four points moved, in input pixels, at most.

        For a sure point it is the larger of its own move and that of its heatmap's mean.
        A flat map's highest pixel is chance in any precision, so where the reference is not sure
        only the mean counts.
        """
        decoded = (self.decoded - reference.decoded).norm(dim=-1)
        mean = (self.mean - reference.mean).norm(dim=-1)
        moves = torch.where(reference.confidence >= SURE, decoded, 0.0).maximum(mean)
        return float(moves.flatten().quantile(QUANTILE, interpolation="higher"))
