"""Packages that some formats need, and that are installed with an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from napari_vitface.errors import LabelError


def needed(module: str, extra: str) -> Any:
    """A module; `LabelError` with what to install where it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise LabelError(
            f'This format needs {package}, which is not installed: pip install "napari-vitface'
            f'[{extra}]".'
        ) from error
