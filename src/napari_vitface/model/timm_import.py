"""timm, imported without PyTorch's compiler, which takes longer to load than timm and PyTorch.

timm and the torchvision beneath it touch the compiler in two places while they are imported: to
mark functions that it is to leave alone, and to ask later whether a device can compile. Nothing
here compiles, so both are answered without it: a process is ready after half the time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch  # noqa: F401, before there are stand-ins

_COMPILER = "torch._dynamo"


@contextlib.contextmanager
def _without_compiler() -> Iterator[None]:
    """Stand-ins for what is asked of the compiler; the real one can be imported afterwards."""
    compiler, asked = ModuleType(_COMPILER), ModuleType(f"{_COMPILER}.utils")
    asked.is_compile_supported = lambda device_type: False  # type: ignore[attr-defined]
    compiler.utils = asked  # type: ignore[attr-defined]
    compiler.disable = _as_it_is  # type: ignore[attr-defined]
    sys.modules.update({_COMPILER: compiler, asked.__name__: asked})
    try:
        yield
    finally:
        for stand_in in (compiler, asked):
            sys.modules.pop(stand_in.__name__, None)


def _as_it_is(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    return function if function is not None else _as_it_is


def _import_timm() -> ModuleType:
    if _COMPILER not in sys.modules:
        # Where another version asks for more, it gets the real one.
        with contextlib.suppress(ImportError, AttributeError), _without_compiler():
            import timm

            return timm
    import timm

    return timm


timm = _import_timm()
