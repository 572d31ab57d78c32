"""What is unlike anything seen is told, and a new animal alone is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_vitface.states.novelty import Novelty
from napari_vitface.states.samples import Samples
from napari_vitface.states.trial_splits import split_by


def faces(samples: Samples, seed: int = 0) -> Samples:
    """Features of pictures that have much in common, as faces do."""
    common = np.random.default_rng(seed).normal(size=10) * 6
    return replace(samples, values=(samples.values + common).astype(np.float32))


def test_about_one_in_a_hundred_frames_of_animals_left_out_is_unlike_the_others(samples_of) -> None:
    samples = faces(samples_of(animal=1, animals=6, trials=8))
    novelty = Novelty.of(samples, split_by(samples, "animal"))
    novelty.check(10)
    new = faces(samples_of(animal=1, animals=12, seed=7))
    assert (novelty.distances(new.values) > 1).mean() < 0.08


def test_frames_of_something_else_are_unlike_all(samples_of) -> None:
    samples = faces(samples_of(animal=1, animals=6))
    novelty = Novelty.of(samples, split_by(samples, "animal"))
    other = faces(samples_of(animal=1, animals=6), seed=9)
    flat = np.full((5, 10), 0.3, np.float32)
    assert (novelty.distances(other.values) > 1).mean() > 0.95
    assert (novelty.distances(flat) > 1).all()


def test_of_a_single_feature_what_is_far_is_unlike(samples_of) -> None:
    samples = replace(samples_of(), values=samples_of().values[:, :1])
    novelty = Novelty.of(samples, split_by(samples, "animal"))
    found = novelty.distances(np.array([[0.0], [30.0], [-30.0]], np.float32)) > 1
    assert found.tolist() == [False, True, True]
