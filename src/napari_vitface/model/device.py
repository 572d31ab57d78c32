"""Where and how to compute: device, precision and batch size, chosen by trying, not by name."""

from __future__ import annotations

import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.processor import has_bf16_units, processor_name

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


def gpu_count() -> int:
    """NVIDIA GPUs of this computer that PyTorch can use."""
    return torch.cuda.device_count()


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

    One that the device has no units for is not among them: at best it would be as fast as fp32,
    and on some processors it takes fifty times as long.

    Raises
    ------
    VitFaceError
        There is no precision of that name.
    """
    if wanted in DTYPES:
        return [wanted]
    if wanted != "auto":
        raise VitFaceError(
            f"There is no precision {wanted!r}; choose auto, {', '.join(DTYPES)} or int8."
        )
    if device.type == "mps":
        return ["fp32", "fp16"]
    if not computes_bf16(device):
        return ["fp32", "fp16"] if device.type == "cuda" else ["fp32"]
    return ["fp32", "bf16", "fp16"] if device.type == "cuda" else ["fp32", "bf16"]


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has units for bf16, and does not merely imitate them."""
    if device.type == "cuda":
        try:
            with torch.cuda.device(device):
                return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        except (RuntimeError, AssertionError):
            return False  # A GPU that cannot be used, which the trial finds out and tells.
    return device.type == "cpu" and has_bf16_units()


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        try:
            return torch.cuda.get_device_name(device)
        except (RuntimeError, AssertionError):
            return device.type
    return processor_name() if device.type == "cpu" else device.type


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
