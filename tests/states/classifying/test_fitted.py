"""What is stored says what scikit-learn says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from napari_vitface.settings.states import CLASSIFIERS
from napari_vitface.states.classifiers import _PENALTY, as_forest, fit
from napari_vitface.states.fitted import Forest
from napari_vitface.states.scores import roc_area


@pytest.fixture
def frames() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(300, 7)).astype(np.float32) * [1, 5, 0.1, 1, 1, 1, 20]
    return values.astype(np.float32), np.digitize(values[:, 0] + values[:, 1] / 5, [-1, 1])


def test_a_stored_forest_says_what_scikit_learn_s_says(frames) -> None:
    values, labels = frames
    grown = RandomForestClassifier(30, random_state=0, class_weight="balanced").fit(values, labels)
    stored = as_forest([tree.tree_ for tree in grown.estimators_])
    new = np.random.default_rng(4).normal(size=(9000, 7)).astype(np.float32)
    np.testing.assert_allclose(stored.predict(new), grown.predict_proba(new), atol=1e-6)
    stored.check(7, 3)


def test_a_stored_forest_of_numbers_says_what_scikit_learn_s_says(frames) -> None:
    values, labels = frames
    grown = RandomForestRegressor(30, random_state=0).fit(values, labels * 10.0)
    stored = as_forest([tree.tree_ for tree in grown.estimators_])
    np.testing.assert_allclose(stored.predict(values)[:, 0], grown.predict(values), rtol=1e-6)


@pytest.mark.parametrize("states", [2, 3])
def test_stored_logistic_regression_says_what_scikit_learn_s_says(frames, states) -> None:
    values, labels = frames
    labels = np.minimum(labels, states - 1)
    model = LogisticRegression(C=1 / _PENALTY, class_weight="balanced", max_iter=1000)
    pipeline = make_pipeline(StandardScaler(), model).fit(values, labels)
    stored = fit(CLASSIFIERS["logistic"], values, labels)
    np.testing.assert_allclose(stored.predict(values), pipeline.predict_proba(values), atol=1e-6)


def test_stored_ridge_regression_says_what_scikit_learn_s_says(frames) -> None:
    values, labels = frames
    model = Ridge(alpha=_PENALTY * 0.7)
    pipeline = make_pipeline(StandardScaler(), model).fit(values, labels * 10.0)
    stored = fit(CLASSIFIERS["ridge"], values, labels * 10.0)
    np.testing.assert_allclose(stored.predict(values)[:, 0], pipeline.predict(values), atol=1e-4)


def test_an_ordinal_estimate_is_the_expected_level(frames) -> None:
    values, labels = frames
    levels = np.array([0.0, 50.0, 500.0])[labels]
    stored = fit(CLASSIFIERS["ordinal"], values, levels)
    said = stored.predict(values)[:, 0]
    assert said.min() >= 0
    assert said.max() <= 500
    above = []
    for level in (0, 50):
        model = LogisticRegression(C=1 / _PENALTY, class_weight="balanced", max_iter=1000)
        step = make_pipeline(StandardScaler(), model).fit(values, levels > level)
        above.append(step.predict_proba(values)[:, 1])
    np.testing.assert_allclose(said, 50 * above[0] + 450 * above[1], atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"left": np.array([0, 0, 0], np.int32)},
        {"right": np.array([3, 0, 0], np.int32)},
        {"feature": np.array([7, -1, -1], np.int32)},
        {"roots": np.array([3], np.int32)},
        {"value": np.full((3, 2), np.nan, np.float32)},
        {"threshold": np.zeros(2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_trees_that_cannot_be_walked_through_are_refused(change) -> None:
    forest = Forest(
        roots=np.array([0], np.int32),
        feature=np.array([6, -1, -1], np.int32),
        threshold=np.zeros(3),
        left=np.array([1, 0, 0], np.int32),
        right=np.array([2, 0, 0], np.int32),
        value=np.ones((3, 2), np.float32),
    )
    forest.check(7, 2)
    with pytest.raises(ValueError, match="trees"):
        replace(forest, **change).check(7, 2)


def test_areas_by_ranks_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    said, truth = rng.integers(0, 9, 200) / 8, rng.random(200) < 0.3
    assert roc_area(truth, said) == pytest.approx(roc_auc_score(truth, said))
