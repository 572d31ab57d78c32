"""Steps that are told in words, as events of a job."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from napari_vitface.jobs.events import Event, Preparing
from napari_vitface.steps import Steps, told_as

T = TypeVar("T")


def preparing(steps: Steps[T]) -> Generator[Event, None, T]:
    """Do the work, a `Preparing` for each thing that it does, and return what it gives."""
    return told_as(steps, Preparing)
