"""How all workers compute: one of them chooses."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from napari_vitface.cluster.fitness import Needs, check
from napari_vitface.cluster.working import loaded
from napari_vitface.settings.computing import Computing


@dataclass(frozen=True)
class Settled:
    """How all workers compute, as one of them chose, and why."""

    computing: Computing
    why: str


def settle(needs: Needs, computing: Computing) -> Settled:
    """Choose device, precision and batch size on the worker that this runs on."""
    check(needs)
    with ExitStack() as stack:
        model = loaded(stack, needs.model, computing)
        if model.int8 is not None:
            # It was made for one computer, and others would have to make their own.
            model = loaded(stack, needs.model, replace(computing, precision="fp32"))
        return Settled(
            Computing(str(model.device), model.precision, model.batch_size),
            f"{model.why.rstrip('.')}, chosen for all by one worker.",
        )
