"""Ensembles smoothed over time: nearer to what is true, and as sure as they may be."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.formats.poses import read_poses
from napari_vitface.kinematics.ensemble import Smoothed, smooth_ensemble
from napari_vitface.steps import result_of


def smoothed(xy: NDArray, confidence: NDArray | None = None) -> Smoothed:
    sure = np.ones(xy.shape[:3]) if confidence is None else confidence
    return result_of(smooth_ensemble(xy.astype(np.float32), sure.astype(np.float32)))


@pytest.fixture(scope="module")
def networks(real_data: Path) -> NDArray[np.float32]:
    """Four points of a pupil by five networks of one kind: (5, 2000, 4, 2)."""
    files = sorted((real_data / "eks" / "ibl-pupil").glob("*.csv"))
    if not files:
        pytest.skip("no ensemble in the real data")
    return np.stack([read_poses(file).xy for file in files])


def test_a_network_that_was_left_out_is_nearer_than_to_the_median(networks: NDArray) -> None:
    for out in (0, 3):
        others = np.delete(networks, out, axis=0)

        def error(points: NDArray, truth: NDArray = networks[out]) -> NDArray:
            return np.linalg.norm(points - truth, axis=-1)

        median, result = error(np.median(others, axis=0)), error(smoothed(others).xy)
        assert result.mean() < 0.995 * median.mean()
        assert np.percentile(result, 95) < np.percentile(median, 95)
        assert result.mean() < 0.85 * error(others).mean()


def test_halves_of_an_ensemble_differ_as_much_as_their_variances_say(networks: NDArray) -> None:
    inside = []
    for two in list(combinations(range(5), 2))[::3]:
        a, b = smoothed(networks[list(two)]), smoothed(np.delete(networks, two, axis=0))
        inside.append(np.abs(a.xy - b.xy) < 1.96 * np.sqrt(a.variance + b.variance))
    assert 0.9 < np.mean(inside) < 0.97


def walk(frames: int = 400) -> tuple[NDArray, NDArray]:
    """A walk (T, 1, 2), and five models (5, T, 1, 2) that see it with noise of one pixel."""
    random = np.random.default_rng(0)
    truth = random.normal(0, 0.3, (frames, 1, 2)).cumsum(axis=0)
    return truth, truth + random.normal(0, 1, (5, frames, 1, 2))


def test_the_truth_is_nearer_than_the_median_and_within_the_variance() -> None:
    truth, models = walk()
    result = smoothed(models)
    off = result.xy - truth
    assert np.abs(off).mean() < 0.8 * np.abs(np.median(models, axis=0) - truth).mean()
    # The variance of the mean of the models counts too, so it is on the safe side.
    assert np.mean(np.abs(off) < 1.96 * np.sqrt(result.variance)) > 0.95


def test_where_models_differ_a_point_is_less_sure_and_follows_its_neighbours() -> None:
    truth, models = walk()
    models[:2, 200] += 40
    result = smoothed(models)
    assert result.variance[200].min() > 3 * np.median(result.variance)
    off = np.abs(result.xy - truth)[200].max()
    assert off < np.abs(np.median(models, axis=0) - truth)[200].max() + 1


def test_gaps_are_bridged_and_the_less_sure_the_longer_they_are() -> None:
    truth, models = walk()
    models[:, 100:120] = np.nan
    models[1:, 300] = np.nan
    result = smoothed(models)
    variance = result.variance[:, 0, 0]
    assert variance[110] > variance[101] > np.median(variance)
    assert variance[300] > np.median(variance)
    assert np.abs(result.xy - truth)[100:120].max() < 4


def test_a_point_that_no_model_has_is_nowhere_and_unsure_models_count_less() -> None:
    _, models = walk(50)
    both = np.concatenate([models, np.full_like(models, np.nan)], axis=2)
    result = smoothed(both)
    assert np.isnan(result.xy[:, 1]).all()
    np.testing.assert_allclose(result.xy[:, :1], smoothed(models).xy)
    unsure = smoothed(models, np.full(models.shape[:3], 0.1))
    assert (unsure.variance > smoothed(models).variance).all()
    assert smoothed(models[:, :0]).xy.shape == (0, 1, 2)
