"""Samples of animals that do not exist: their features are drawn, so what is true is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_vitface.states.samples import Samples

#: Frames of a trial.
FRAMES = 12


def make_samples(
    *,
    state: float = 0.0,
    animal: float = 0.0,
    trial: float = 0.0,
    before: bool = False,
    animals: int = 4,
    trials: int = 6,
    labels: np.ndarray | None = None,
    states: tuple[str, ...] = ("calm", "startled"),
    seed: int = 0,
) -> Samples:
    """Frames of `animals` x `trials`, half of each animal's in either state.

    `state`, `animal` and `trial` say how far features are moved by the state (the first one), by
    which animal it is and by which trial (all of them), in units of their noise.
    """
    rng = np.random.default_rng(seed)
    names = np.repeat([f"mouse {k}" for k in range(animals)], trials)
    known = np.tile(np.arange(trials) % 2, animals) if labels is None else labels
    own = animal * rng.normal(size=(animals, 10)).repeat(trials, axis=0)
    own = own + trial * rng.normal(size=(len(names), 10))
    values = own[:, None] + rng.normal(size=(len(names), FRAMES, 10))
    values[..., 0] += state * known[:, None]
    return Samples(
        values.reshape(-1, 10).astype(np.float32),
        np.repeat(np.arange(len(names)), FRAMES),
        known,
        states,
        {"animal": names, "trial": np.array([f"trial {k}" for k in range(len(names))])},
        own.astype(np.float32) if before else None,
    )


@pytest.fixture(scope="session")
def samples_of() -> Callable[..., Samples]:
    return make_samples
