"""Choosing device and precision to predict with: by trying, once for a computer and a model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_vitface.errors import VitFaceError
from napari_vitface.model.device import (
    DTYPES,
    candidate_devices,
    candidate_precisions,
    choose_batch_size,
    device_name,
    release_memory,
)
from napari_vitface.model.error_text import first_line
from napari_vitface.model.heatmap_decoding import mean_position
from napari_vitface.model.int8 import Int8Network, find_int8
from napari_vitface.model.measurement_cache import recall, remember
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.processor import describe_processor
from napari_vitface.model.speed_trial import Candidate, Trial, choose_trial, try_candidates
from napari_vitface.steps import Steps

QUANTILE = 0.75
#: An accelerator that needs less time an image than this is not compared with the CPU.
FAST_ENOUGH = 0.01
#: Points at least this sure in the reference are compared where they are decoded.
SURE = 0.3
#: Two drawn faces below each other (`napari_vitface.sample.random_face` of seeds 0 and 1), as a
#: file because the renderer takes longer to load than a trial.
_FACES = Path(__file__).with_name("trial_faces.png")


@dataclass(frozen=True)
class Choice:
    """What to compute with.

    Attributes
    ----------
    device, precision : str
    why : str
        One sentence.
    """

    device: str
    precision: str
    why: str


def choose(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    device: str = "auto",
    precision: str = "auto",
    *,
    content: str = "",
) -> Steps[Choice]:
    """Device and precision for a network (fp32, on the CPU).

    What is named is taken; what is ``"auto"`` is tried. An accelerator that fails (no kernels for
    it in this PyTorch, no memory left) is passed over, and the sentence says so.

    Parameters
    ----------
    content : str
        What tells the network's weights from others (a digest): with it, the choice is remembered
        for this computer, PyTorch, model, size and device. Without it, it is not.
    """
    devices = candidate_devices(device)
    wanted = content and precision in ("auto", "int8") and devices[-1].type == "cpu"
    int8 = find_int8(content) if wanted else None
    if precision == "int8":
        return _int8_asked_for(int8, devices[-1])
    if int8 is not None and (int8.about is None or not int8.about.agrees):
        int8 = None
    options = [(d, p) for d in devices for p in candidate_precisions(precision, d)]
    if int8 is not None:
        options.append((devices[-1], "int8"))
    if len(options) == 1:
        (where, how) = options[0]
        text = f"{how} on {where}"
        asked = device != "auto" or precision != "auto"
        return Choice(str(where), how, f"{text}, as asked for." if asked else f"{text}.")
    conditions = {
        "choice": "prediction",
        "torch": torch.__version__,
        **describe_processor(),
        "model": content,
        "size": list(preprocessing.input_size),
        "candidates": [f"{p} on {d} ({device_name(d)})" for d, p in options],
    }
    known = recalled(conditions, [(str(d), p) for d, p in options]) if content else None
    if known is not None:
        return known
    choice, trials = yield from _measure(network, preprocessing, devices, precision, int8)
    if content:
        keep(conditions, choice, trials)
    return choice


def _int8_asked_for(int8: Int8Network | None, device: torch.device) -> Choice:
    if device.type != "cpu":
        raise VitFaceError(f"int8 is not computed on {device}; choose the device cpu or auto.")
    if int8 is None or int8.about is None:
        raise VitFaceError(
            "This model has not been made ready for int8 on this computer; do it with: "
            "napari-vitface quantise MODEL VIDEO"
        )
    if not int8.about.agrees:
        raise VitFaceError(
            f"In int8, half of this model's points move by over {int8.about.moved:.2f} input "
            f"pixels on frames of {int8.about.source}; choose another precision."
        )
    return Choice(str(device), "int8", f"int8 on {device}, as asked for; {int8.about}.")


def recalled(conditions: Mapping[str, object], options: list[tuple[str, str]]) -> Choice | None:
    """The choice that is kept for `conditions`, if it is one of `options`."""
    found = recall(conditions) or {}
    device, precision, why = (found.get(key) for key in ("device", "precision", "why"))
    if (device, precision) not in options or not isinstance(why, str):
        return None
    return Choice(str(device), str(precision), why) if found.get("sure") is True else None


def keep(conditions: Mapping[str, object], choice: Choice, trials: Sequence[Trial]) -> None:
    """Keep a choice for `conditions`, unless other programs were at work meanwhile.

    Where a candidate was given up, it may have been for what it does once in a process, or for a
    moment's trouble: such an outcome is kept for good when a second process comes to the same.
    """
    if any(trial.disturbed for trial in trials):
        return
    again = asdict(choice)
    before = recall(conditions) or {}
    same = all(before.get(key) == again[key] for key in ("device", "precision"))
    sure = same or not any(trial.given_up for trial in trials)
    remember(conditions, {**again, "sure": sure})


def _measure(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    devices: list[torch.device],
    precision: str,
    int8: Int8Network | None,
) -> Steps[tuple[Choice, list[Trial]]]:
    trials: list[Trial] = []
    failures = ""
    for device in devices:
        if min((trial.seconds for trial in trials), default=1.0) < FAST_ENOUGH:
            break
        names = candidate_precisions(precision, device)
        on_cpu = int8 if device.type == "cpu" else None
        if device == devices[-1] and not trials and len(names) == 1 and on_cpu is None:
            # Nothing is left to compare it with.
            return Choice(str(device), names[0], f"{names[0]} on {device}.{failures}"), []
        try:
            canvas = trial_canvas(1 if device.type == "cpu" else 8, preprocessing).to(device)
            candidates = [torch_candidate(network, preprocessing, canvas, name) for name in names]
            if on_cpu is not None:
                candidates.append(int8_candidate(network, canvas, on_cpu))
            trying = try_candidates(candidates, Points.moved_from, images=len(canvas))
            trials += yield from said(trying)
        except RuntimeError as error:
            if device == devices[-1] and not trials:
                raise
            failures += f" {device} cannot be used ({first_line(error)})."
            release_memory(device)
    chosen, why = choose_trial(trials)
    return Choice(str(chosen.device), chosen.precision, why + failures), trials


def said(trying: Any) -> Steps[list[Trial]]:
    """A trial of candidates, told in words."""
    while True:
        try:
            candidate = next(trying)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield f"Measuring precision: {candidate}"


def torch_candidate(
    network: KeypointNetwork, preprocessing: Preprocessing, canvas: Tensor, precision: str
) -> Candidate[Points]:
    """The network as PyTorch runs it in a precision, on the device of `canvas`."""

    def prepare() -> Callable[[], Points]:
        own = network
        if (canvas.device.type, precision) != ("cpu", "fp32"):
            own = copy.deepcopy(network).to(canvas.device, DTYPES[precision])
        return partial(_points, own, preprocessing, canvas)

    return Candidate(canvas.device, precision, prepare)


def int8_candidate(
    network: KeypointNetwork, canvas: Tensor, int8: Int8Network
) -> Candidate[Points]:
    """The network in 8 bits, by ONNX Runtime."""

    def compute() -> Points:
        return Points.of(network, int8(canvas))

    return Candidate(canvas.device, "int8", lambda: compute)


def _points(network: KeypointNetwork, preprocessing: Preprocessing, canvas: Tensor) -> Points:
    return Points.of(network, _forward(network, preprocessing, canvas))


@torch.inference_mode()
def _forward(network: KeypointNetwork, preprocessing: Preprocessing, canvas: Tensor) -> Tensor:
    images = preprocessing.normalise(canvas)
    return network(images.to(next(network.parameters()).dtype))


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
    from PIL import Image

    with Image.open(_FACES) as file:
        faces = np.array(file)
    drawn = torch.from_numpy(faces.reshape(2, 1, -1, faces.shape[1])).float()
    scaled = torch.nn.functional.interpolate(drawn, preprocessing.input_size, mode="bilinear")
    rows = torch.arange(count) % len(drawn)
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
