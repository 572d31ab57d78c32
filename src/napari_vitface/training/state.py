"""The state of a training on disk, from which it goes on: safetensors with JSON, no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.model.checkpoint import as_os_error
from napari_vitface.model.error_text import first_line
from napari_vitface.model.header import plain_json
from napari_vitface.settings.training import STATE_KEY
from napari_vitface.training.frame_inputs import TrainingFrames

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_FRAMES = ("inputs", "xy", "occluded", "pixel_size", "origin", "frame_size")


def save_state(
    path: str | os.PathLike[str], tensors: dict[str, Tensor], data: Mapping[str, object]
) -> None:
    """Write tensors and plain data in one step, or not at all.

    Raises
    ------
    OSError
        The disk is full, or the file cannot be written.
    """
    stored = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    text = json.dumps({"format": FORMAT, **data}, allow_nan=False)
    with atomic_write(path) as temporary:
        try:
            save_file(_own_memory(stored), temporary, metadata={STATE_KEY: text})
        except SafetensorError as error:
            raise as_os_error(error, Path(path)) from error


def load_state(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Any]:
    """What `save_state` wrote: who asks knows the keys of the plain data.

    Raises
    ------
    VitFaceError
        The file is damaged, or from a newer version.
    """
    with reading_state(path):
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(STATE_KEY)
        data = plain_json(text) if text else None
        tensors = load_file(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise VitFaceError(
            f"{path} is not the state of a training of this version of napari-vitface; begin anew "
            "with another name, or overwrite it."
        )
    return tensors, data


@contextmanager
def reading_state(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say in a sentence what a damaged or foreign state makes of whoever goes on from it."""
    try:
        yield
    except (SafetensorError, OSError, ArithmeticError, AttributeError, LookupError, RuntimeError,
            TypeError, ValueError) as error:  # fmt: skip
        raise VitFaceError(
            f"The state of the training in {path} cannot be read ({first_line(error)}); begin anew "
            "with another name, or overwrite it."
        ) from error


def frames_to_tensors(frames: TrainingFrames, prefix: str) -> dict[str, Tensor]:
    """Frames as tensors to be stored."""
    import torch

    return {f"{prefix}.{name}": torch.from_numpy(getattr(frames, name)) for name in _FRAMES}


def frames_from_tensors(tensors: dict[str, Tensor], prefix: str) -> TrainingFrames:
    """Inverse of `frames_to_tensors`."""
    return TrainingFrames(*(tensors[f"{prefix}.{name}"].numpy() for name in _FRAMES))


def _own_memory(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies where tensors share memory, which safetensors refuses."""
    seen: set[int] = set()
    result = {}
    for key, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        result[key] = tensor.clone() if place in seen and tensor.numel() else tensor
        seen.add(place)
    return result
