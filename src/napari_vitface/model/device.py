"""Where and how to compute: device, precision and batch size, chosen by trying, not by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_vitface.errors import VitFaceError

DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
#: A lower precision must be this much faster than fp32 to be chosen.
WORTH = 1.15
#: ... and must move no sure keypoint by more input pixels than this.
AGREEMENT = 1.0


def choose_device(wanted: str = "auto") -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    VitFaceError
        This machine does not have it, or the name means nothing.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdigit())):
        raise VitFaceError(f"There is no device {wanted!r}; choose auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise VitFaceError(
                f"Device {wanted} was asked for, but PyTorch {torch.__version__} finds no usable "
                "NVIDIA GPU here; choose auto or cpu, or check the NVIDIA driver."
            )
        if number and int(number) >= count:
            names = ", ".join(f"cuda:{index}" for index in range(count))
            raise VitFaceError(f"Device {wanted} was asked for, but there is only {names}.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise VitFaceError(
            "Device mps was asked for, but this is no Mac with an Apple GPU that PyTorch can use; "
            "choose auto or cpu."
        )
    return torch.device(wanted)


def choose_batch_size(device: torch.device, bytes_per_image: int | None = None) -> int:
    """Images a batch: few on a CPU, on CUDA what half of the free memory holds."""
    if device.type == "cpu":
        return 8
    if device.type == "mps" or bytes_per_image is None:
        return 16
    free, _ = torch.cuda.mem_get_info(device)
    fits = free // 2 // max(1, bytes_per_image)
    return 1 << max(0, min(7, int(fits).bit_length() - 1))


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done all work that was given to it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is used up."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "MPS backend out of memory" in text or "DefaultCPUAllocator: can't allocate" in text
    )


def seconds_per_run(
    run: Callable[[], object], device: torch.device, *, budget: float = 0.6, repeats: int = 5
) -> float:
    """Shortest time of `run` over a few repeats, stopping when `budget` seconds are used.

    One run goes before, uncounted: it allocates memory and picks kernels.
    """
    run()
    synchronise(device)
    best, started = float("inf"), time.perf_counter()
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        synchronise(device)
        best = min(best, time.perf_counter() - begin)
        if time.perf_counter() - started > budget:
            break
    return best


@dataclass(frozen=True)
class Trial:
    """How one precision did: seconds an image, and how far it moved sure keypoints (input px)."""

    precision: str
    seconds: float
    moved: float


def choose_precision(trials: list[Trial], device: torch.device) -> tuple[str, str]:
    """The precision to use and one sentence that says why.

    The fastest that agrees with fp32 (the first trial) and beats it by a margin that is worth it.
    """
    reference, *others = trials
    agreeing = [trial for trial in others if trial.moved <= AGREEMENT]
    best = min(agreeing, key=lambda trial: trial.seconds, default=reference)
    if best is not reference and best.seconds * WORTH <= reference.seconds:
        gain = reference.seconds / best.seconds
        return best.precision, (
            f"{best.precision} on {device}: measured {gain:.1f} times as fast as fp32 "
            f"({best.seconds * 1e3:.1f} against {reference.seconds * 1e3:.1f} ms an image) and "
            f"moves points by at most {best.moved:.2f} input pixels."
        )
    if not others:
        return "fp32", f"fp32 on {device}."
    moved = max(trial.moved for trial in others)
    if not agreeing:
        return (
            "fp32",
            f"fp32 on {device}: lower precision moves points by {moved:.1f} input pixels.",
        )
    fastest = min(trial.seconds for trial in agreeing)
    gain = reference.seconds / fastest
    return "fp32", (
        f"fp32 on {device}: lower precision was measured {gain:.1f} times as fast, not worth it."
    )


def largest_move(
    reference: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], sure: float = 0.3
) -> float:
    """Farthest (input px) that a keypoint moved between two decodings (xy, confidence).

    Only keypoints found with confidence `sure` or more in the reference count: where a map is
    flat, its highest pixel is chance in any precision.
    """
    distance = (reference[0] - other[0]).norm(dim=-1)
    counted = distance[reference[1] >= sure]
    return float(counted.max()) if counted.numel() else 0.0
