"""What the engine runs on: versions and devices, for the window's status and for bug reports."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.models import DescribeResult


def describe() -> Iterator[Event]:
    """Say which versions are in use and which devices torch can use.

    Also serves to load torch ahead of the first prediction.
    """
    import torch

    from napari_vitface.model.processor import processor_name

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    result = DescribeResult(
        python=platform.python_version(),
        system=platform.platform(),
        napari_vitface=metadata.version("napari-vitface"),
        torch=torch.__version__,
        timm=metadata.version("timm"),
        devices=tuple(devices),
        device_names=tuple(_device_name(device) for device in devices),
        threads=torch.get_num_threads(),
        processor=processor_name(),
        capability=torch.backends.cpu.get_cpu_capability(),
    )
    yield Finished("describe", result)


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
