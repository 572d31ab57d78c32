"""Where and in which precision to train: what takes a step in the shortest time, measured."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial

import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.choice import Choice, keep, recalled, said, trial_canvas
from napari_vitface.model.device import (
    DTYPES,
    candidate_devices,
    computes_bf16,
    device_name,
    is_out_of_memory,
    release_memory,
)
from napari_vitface.model.error_text import first_line
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.processor import describe_processor
from napari_vitface.model.speed_trial import WORTH, Candidate, Trial, try_candidates
from napari_vitface.steps import Steps


def choose_training(
    network: KeypointNetwork, preprocessing: Preprocessing, device: str, precision: str
) -> Steps[tuple[torch.device, str, str]]:
    """Device and precision for training a network, and one sentence that says why.

    The network (fp32, on the CPU) is moved to the device and keeps its weights. A GPU that works is
    taken unseen; precision is measured by forward and backward passes of a small batch, once for a
    computer, PyTorch and architecture. bf16 has the range of fp32, so it needs no care; fp16 is
    used only if asked for.

    Raises
    ------
    VitFaceError
        The device is not there, has too little memory, or cannot compute in the precision.
    """
    if precision != "auto" and precision not in DTYPES:
        names = ", ".join(DTYPES)
        raise VitFaceError(f"There is no precision {precision!r}; choose auto, {names}.")
    failures = ""
    candidates = candidate_devices(device)
    for candidate in candidates:
        wanted = [precision] if precision != "auto" else ["fp32"]
        if precision == "auto" and computes_bf16(candidate):
            wanted.append("bf16")
        try:
            network.to(candidate)
            choice = yield from _fastest(network, preprocessing, candidate, wanted)
            return candidate, choice.precision, choice.why + failures
        except RuntimeError as error:
            release_memory(candidate)
            if candidate == candidates[-1]:
                network.to("cpu")
                if is_out_of_memory(error):
                    raise VitFaceError(
                        f"The model does not fit into the memory of {candidate} for training; "
                        "close other programs that use it, choose a smaller image size or model, "
                        "or the device cpu."
                    ) from error
                raise VitFaceError(
                    f"{candidate} cannot train in {wanted[0]} ({first_line(error)}); choose "
                    "another precision or device."
                ) from error
            failures += f" {candidate} cannot be used ({first_line(error)})."
    raise AssertionError("there is always a device")


def _fastest(
    network: KeypointNetwork, preprocessing: Preprocessing, device: torch.device, wanted: list[str]
) -> Steps[Choice]:
    canvas = trial_canvas(2 if device.type == "cpu" else 8, preprocessing).to(device)
    if len(wanted) == 1:
        if (device.type, wanted[0]) != ("cpu", "fp32"):
            with _every_weight_trained(network):
                _pass(network, preprocessing, canvas, wanted[0])
        return Choice(str(device), wanted[0], f"Training in {wanted[0]} on {device}.")
    architecture = json.dumps(network.to_dict(), sort_keys=True)
    conditions = {
        "choice": "training",
        "torch": torch.__version__,
        **describe_processor(),
        "model": hashlib.sha256(architecture.encode()).hexdigest(),
        "size": list(preprocessing.input_size),
        "candidates": [f"{name} on {device} ({device_name(device)})" for name in wanted],
    }
    known = recalled(conditions, [(str(device), name) for name in wanted])
    if known is not None:
        return known

    def prepare(name: str) -> Callable[[], None]:
        return partial(_pass, network, preprocessing, canvas, name)

    with _every_weight_trained(network):
        trials = yield from said(
            try_candidates(
                [Candidate(device, name, partial(prepare, name)) for name in wanted],
                images=len(canvas),
            )
        )
    choice = Choice(str(device), *_best(trials))
    keep(conditions, choice, trials)
    return choice


def _best(trials: list[Trial]) -> tuple[str, str]:
    """The precision to train in, and why."""
    if len(trials) == 1:
        return trials[0].precision, f"Training in {trials[0]}."
    best = min((trial for trial in trials if trial.eligible), key=lambda trial: trial.seconds)
    if best.seconds * WORTH > trials[0].seconds:
        best = trials[0]
    told = ", ".join(
        ("given up after " if trial.given_up else "")
        + f"{trial.seconds * 1e3:.0f} ms in {trial.precision}"
        for trial in sorted(trials, key=lambda trial: trial is not best)
    )
    return best.precision, f"Training in {best}: measured {told} for one frame."


@contextlib.contextmanager
def _every_weight_trained(network: KeypointNetwork) -> Iterator[None]:
    """Let gradients reach all weights; afterwards there are none, and all is as it was."""
    flags = [parameter.requires_grad for parameter in network.parameters()]
    # Not in training mode, in which norms would take the trial's images into their statistics.
    network.requires_grad_(True).eval()
    try:
        yield
    finally:
        network.zero_grad(set_to_none=True)
        for parameter, flag in zip(network.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)


def _pass(
    network: KeypointNetwork, preprocessing: Preprocessing, canvas: torch.Tensor, precision: str
) -> None:
    with autocast(canvas.device, precision):
        output = network(preprocessing.normalise(canvas))
    output.float().square().mean().backward()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The context in which a network of fp32 weights computes in a precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, DTYPES[precision])
