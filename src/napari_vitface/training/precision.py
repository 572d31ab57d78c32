"""Where and in which precision to train: what takes a step in the shortest time, measured."""

from __future__ import annotations

import contextlib
from functools import partial

import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.device import (
    DTYPES,
    candidate_devices,
    is_out_of_memory,
    release_memory,
    shortest_times,
)
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.reasons import first_line
from napari_vitface.model.trial import WORTH, trial_canvas


def choose_training(
    network: KeypointNetwork, preprocessing: Preprocessing, device: str, precision: str
) -> tuple[torch.device, str, str]:
    """Device and precision for training a network, and one sentence that says why.

    The network (fp32, on the CPU) is moved to the device and keeps its weights. A GPU that works is
    taken unseen; precision is measured by forward and backward passes of a small batch. bf16 has
    the range of fp32, so it needs no care; fp16 is used only if asked for.

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
        wanted = [precision] if precision != "auto" else ["fp32", "bf16"]
        if precision == "auto" and candidate.type == "mps":
            wanted = ["fp32"]
        try:
            network.to(candidate)
            chosen, why = _fastest(network, preprocessing, candidate, wanted)
            return candidate, chosen, why + failures
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
) -> tuple[str, str]:
    canvas = trial_canvas(2 if device.type == "cpu" else 8, preprocessing).to(device)
    flags = [parameter.requires_grad for parameter in network.parameters()]
    # Not in training mode, in which norms would take the trial's images into their statistics.
    network.requires_grad_(True).eval()
    runs, names = [], []
    try:
        for name in wanted:
            run = partial(_pass, network, preprocessing, canvas, name)
            try:
                run()
            except RuntimeError:
                # Some processors and GPUs know no bf16; fp32 has to work.
                if name == wanted[0]:
                    raise
                continue
            runs.append(run)
            names.append(name)
        if len(names) == 1:
            return names[0], f"Training in {names[0]} on {device}."
        seconds = dict(zip(names, shortest_times(runs, device), strict=True))
    finally:
        network.zero_grad(set_to_none=True)
        for parameter, flag in zip(network.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)
    best = min(names, key=lambda name: seconds[name])
    if seconds[best] * WORTH > seconds[names[0]]:
        best = names[0]
    told = ", ".join(
        f"{seconds[name] / len(canvas) * 1e3:.0f} ms in {name}"
        for name in sorted(names, key=lambda name: name != best)
    )
    return best, f"Training in {best} on {device}: measured {told} for one frame."


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
