"""Curves for other programs: TensorBoard and Weights & Biases, where they are installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from napari_vitface.errors import VitFaceError


class Tracker(Protocol):
    """Takes figures of a training step by step."""

    def log(self, step: int, values: dict[str, float]) -> None: ...
    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        module = importlib.import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WandB:
    """A run on this disk alone; ``wandb sync`` sends it if the user wants that."""

    def __init__(self, folder: Path) -> None:
        # W&B sends reports of its own errors home, offline or not, unless told otherwise before it
        # is imported.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        module = importlib.import_module("wandb")
        self._run: Any = module.init(
            project="napari-vitface", name=folder.name, dir=str(folder), mode="offline"
        )

    def log(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


_TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": _TensorBoard, "wandb": _WandB}


@contextmanager
def open_trackers(names: Sequence[str], folder: Path) -> Iterator[list[Tracker]]:
    """Trackers by name, writing below `folder`.

    Raises
    ------
    VitFaceError
        One is not known or not installed.
    """
    trackers: list[Tracker] = []
    try:
        for name in names:
            if name not in _TRACKERS:
                raise VitFaceError(
                    f"Curves cannot be written for {name!r}; choose {' or '.join(_TRACKERS)}."
                )
            try:
                trackers.append(_TRACKERS[name](folder))
            except ImportError as error:
                raise VitFaceError(
                    f"{name} is not installed; install it (pip install {name}) or train without. "
                    "The curves are in curves.csv in any case."
                ) from error
        yield trackers
    finally:
        for tracker in trackers:
            tracker.close()
