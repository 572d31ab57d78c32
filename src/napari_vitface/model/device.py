"""Where and how to compute: device, precision and batch size, chosen by trying, not by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from napari_vitface.errors import VitFaceError

DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

#: What errors say that mean no memory; libraries of CUDA take theirs past PyTorch's own allocator.
_NO_MEMORY = (
    "MPS backend out of memory",
    "DefaultCPUAllocator: can't allocate",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def candidate_devices(wanted: str = "auto") -> list[torch.device]:
    """The devices that ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` leaves to choose from.

    Raises
    ------
    VitFaceError
        This machine does not have it, or the name means nothing.
    """
    if wanted == "auto":
        found = [torch.device("cuda")] if torch.cuda.is_available() else []
        found += [torch.device("mps")] if torch.backends.mps.is_available() else []
        return [*found, torch.device("cpu")]
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (
        ":" in wanted and not (kind == "cuda" and number.isdecimal())
    ):
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
    return [torch.device(wanted)]


def candidate_precisions(wanted: str, device: torch.device) -> list[str]:
    """The precisions to try on a device, fp32 first; or the one that was asked for.

    Raises
    ------
    VitFaceError
        There is no precision of that name.
    """
    if wanted in DTYPES:
        return [wanted]
    if wanted != "auto":
        raise VitFaceError(f"There is no precision {wanted!r}; choose auto, {', '.join(DTYPES)}.")
    return {"cuda": ["fp32", "bf16", "fp16"], "mps": ["fp32", "fp16"]}.get(
        device.type, ["fp32", "bf16"]
    )


def choose_batch_size(device: torch.device, bytes_per_image: int | None = None) -> int:
    """Images a batch: few on a CPU, on CUDA what half of the free memory holds, at most 128."""
    if device.type == "cpu":
        return 8
    if device.type != "cuda" or not bytes_per_image:
        return 16
    free, _ = torch.cuda.mem_get_info(device)
    fits = max(1, int(free) // 2 // bytes_per_image)
    return min(128, 1 << (fits.bit_length() - 1))


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done all work that was given to it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def release_memory(device: torch.device) -> None:
    """Give cached memory of `device` back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is used up."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _NO_MEMORY)


def shortest_times(
    runs: Sequence[Callable[[], object]],
    device: torch.device,
    *,
    budget: float = 0.6,
    repeats: int = 8,
) -> list[float]:
    """Shortest time in seconds of each of `runs`, which take turns until `budget` seconds are used.

    They take turns so that other work on the machine slows all of them alike. The first round
    allocates memory and picks kernels; it counts only where it is so slow that a second one is
    not worth the wait.
    """
    times: list[list[float]] = []
    while len(times) <= repeats and sum(sum(turn) for turn in times[1:]) < budget:
        turn = []
        for run in runs:
            begin = time.perf_counter()
            run()
            synchronise(device)
            turn.append(time.perf_counter() - begin)
        times.append(turn)
        if sum(turn) > 4 * budget:
            break
    return [min(column) for column in zip(*times, strict=True)]
