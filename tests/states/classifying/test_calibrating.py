"""Scores of animals never seen become probabilities that are true of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.states.calibrating import (
    Calibration,
    Reliability,
    calibrate_numbers,
    calibrate_states,
)
from napari_vitface.states.scores import balanced_accuracy


def drawn(count: int, *, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose true log odds are `slope` times theirs, plus `offset`."""
    rng = np.random.default_rng(0)
    odds = rng.uniform(-1, 1, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-(slope * odds + offset)))).astype(np.int64)
    second = 1 / (1 + np.exp(-odds))
    return np.stack([1 - second, second], axis=1), labels


def test_scores_that_are_shifted_and_flat_are_put_right() -> None:
    scores, labels = drawn(40_000, slope=4, offset=0)
    found = calibrate_states(scores, labels, 40_000)
    assert found.slope == pytest.approx(4, rel=0.05)
    assert found.offsets[1] - found.offsets[0] == pytest.approx(0, abs=0.1)
    said = found.apply(scores)
    sure = said[:, 1] > 0.9
    assert labels[sure].mean() == pytest.approx(said[sure, 1].mean(), abs=0.02)


def test_a_score_that_leans_to_one_state_is_moved_back() -> None:
    scores, labels = drawn(10_000, slope=8, offset=4)
    said = calibrate_states(scores, labels, 10_000).apply(scores)
    before, after = (balanced_accuracy(labels, each.argmax(axis=1)) for each in (scores, said))
    assert after > before + 0.01


def test_a_higher_score_is_never_a_lower_probability() -> None:
    scores, labels = drawn(200, slope=-5, offset=0)
    assert calibrate_states(scores, labels, 200).slope == 0


def test_a_few_trials_that_are_all_told_right_make_nobody_certain() -> None:
    scores = np.array([[0.9, 0.1]] * 6 + [[0.1, 0.9]] * 6)
    found = calibrate_states(scores, np.repeat([0, 1], 6), 12)
    sure = found.apply(np.array([[1.0, 0.0]]))
    assert 0.9 < sure[0, 0] <= 13 / 14
    np.testing.assert_allclose(sure.sum(), 1)


def test_three_states_keep_their_sum() -> None:
    rng = np.random.default_rng(1)
    scores = rng.dirichlet([1, 1, 1], 300)
    said = calibrate_states(scores, scores.argmax(axis=1), 300).apply(scores)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) == scores.argmax(axis=1)).mean() > 0.95


def test_estimates_that_are_drawn_to_the_mean_are_spread_again() -> None:
    labels = np.array([0.0, 100, 200, 300])
    found = calibrate_numbers((150 + (labels - 150) / 4)[:, None], labels, 4)
    np.testing.assert_allclose(found.apply(np.array([[112.5], [187.5]]))[:, 0], [0, 300])


def test_nothing_is_changed_without_anything_to_go_by() -> None:
    scores = np.array([[0.2, 0.8]])
    np.testing.assert_allclose(Calibration.none(2).apply(scores), scores)


def test_probabilities_stand_beside_how_often_they_were_right() -> None:
    said = np.array([[0.75, 0.25]] * 8 + [[0.05, 0.95]] * 4)
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0])
    found = Reliability.of(said, labels)
    np.testing.assert_allclose(found.predicted, [0.25, 0.95])
    np.testing.assert_allclose(found.observed, [0.25, 0.5])
    assert found.counts == (8, 4)
    assert found.error == pytest.approx(0.45 * 4 / 12)


def test_of_several_states_each_counts() -> None:
    found = Reliability.of(np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 2, 2]))
    assert found.counts == (8, 4)
    assert found.error == 0
