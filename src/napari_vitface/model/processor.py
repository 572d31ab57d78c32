"""What this computer's processor is, and whether it computes bf16 itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import torch

#: What torch says of an x86 processor for which it has no bf16 kernels, whatever its units.
_WITHOUT_AVX512 = ("DEFAULT", "NO AVX", "AVX2")
#: Units that multiply bf16. (``avx_ne_convert`` only converts it, and AVX-512 alone emulates it.)
_X86_UNITS = ("avx512_bf16", "amx_bf16")


def has_bf16_units() -> bool:
    """Whether bf16 can pay on this processor: it has the units, and torch the kernels for them.

    On a processor without, bf16 takes up to fifty times as long as fp32. Where torch is too old to
    be asked for the units, or was built without oneDNN, which uses them, the answer is no.
    """
    found = _capabilities()
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if str(found.get("architecture", "")).startswith("x86"):
        # ATEN_CPU_CAPABILITY lowers this one.
        kernels = torch.backends.cpu.get_cpu_capability() not in _WITHOUT_AVX512
        return kernels and any(found.get(unit) for unit in _X86_UNITS)
    return bool(found.get("bf16"))


def describe_processor() -> dict[str, str | int | None]:
    """What a measured time belongs to: the computer and what torch uses of its processor."""
    return {
        "computer": platform.node(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
    }


def processor_name() -> str:
    """The processor's name, as far as it tells."""
    return str(_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def _capabilities() -> Mapping[str, Any]:
    """What torch found, cached by it; nothing where this torch has no such function yet."""
    ask = getattr(torch.cpu, "get_capabilities", dict)
    return ask()  # type: ignore[no-any-return]
