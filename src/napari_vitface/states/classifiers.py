"""Fitting classifiers with scikit-learn. Scaling is part of the fit, so it sees no other frame.

A function that fits, which a `ClassifierKind` names, takes features (N, D) float32, labels (N,) and
a seed, and returns a `Fitted`. Labels are indices of states, each of which occurs, or numbers.
States weigh the same, however many frames each has. One of a kind that `stops` takes ``stopping``
as well, (N,) bool: the frames of groups of their own, which say when to stop; and one that trains
a network ``start``, see `napari_vitface.training.class_token`.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.settings.states import ClassifierKind
from napari_vitface.states.fitted import Fitted, Forest, Linear, Logistic, Steps

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

#: Trees of a forest, and frames in a leaf: a leaf of fewer holds little but one trial.
TREES, LEAF = 100, 5
#: Trees of a forest that is fitted to shuffled labels, again and again.
_FEW_TREES = 25
_SMALL = 200_000
#: Strength of the penalty on weights of scaled features; of scikit-learn's C its inverse. There are
#: more features than independent frames.
_PENALTY = 100.0


def fit(
    kind: ClassifierKind,
    values: NDArray[np.float32],
    labels: NDArray[Any],
    *,
    seed: int = 0,
    stopping: NDArray[np.bool_] | None = None,
    start: Any = None,
) -> Fitted:
    """Fit a classifier of a kind."""
    more: dict[str, object] = {}
    if kind.stops:
        more["stopping"] = np.zeros(len(values), bool) if stopping is None else stopping
    if kind.network:
        more["start"] = start
    fitted: Fitted = resolve_name(kind.fit)(values, labels, seed, **more)
    return fitted


def forest(values: NDArray[np.float32], labels: NDArray[Any], seed: int) -> Forest:
    """A random forest (Breiman 2001): of trees for states, or for numbers."""
    return _grown(values, labels, seed, TREES)


def small_forest(values: NDArray[np.float32], labels: NDArray[Any], seed: int) -> Forest:
    """One of few trees, for many fits that are compared with each other."""
    return _grown(values, labels, seed, _FEW_TREES)


def _grown(values: NDArray[np.float32], labels: NDArray[Any], seed: int, trees: int) -> Forest:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    states = labels.dtype.kind == "i"
    grown = RandomForestClassifier(class_weight="balanced") if states else RandomForestRegressor()
    grown.set_params(
        n_estimators=trees,
        min_samples_leaf=min(LEAF, max(1, len(values) // 20)),
        random_state=seed,
        max_features="sqrt",
        # Threads cost more than they bring where there is little to do.
        n_jobs=-1 if values.size > _SMALL else None,
    )
    return as_forest([tree.tree_ for tree in grown.fit(values, labels).estimators_])


def as_forest(trees: list[Any]) -> Forest:
    """The arrays of trees of scikit-learn (``tree_``)."""
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    leaf = np.concatenate([tree.children_left for tree in trees]) < 0
    shift = np.repeat(starts[:-1], [tree.node_count for tree in trees])

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    value = joined("value")[:, 0, :] if trees[0].n_classes[0] > 1 else joined("value")[:, :, 0]
    if trees[0].n_classes[0] > 1:
        value = value / value.sum(axis=1, keepdims=True)
    return Forest(
        roots=starts[:-1].astype(np.int32),
        feature=np.where(leaf, -1, joined("feature")).astype(np.int32),
        threshold=np.where(leaf, 0.0, joined("threshold")).astype(np.float64),
        left=np.where(leaf, 0, joined("children_left") + shift).astype(np.int32),
        right=np.where(leaf, 0, joined("children_right") + shift).astype(np.int32),
        value=value.astype(np.float32),
    )


def logistic(values: NDArray[np.float32], labels: NDArray[Any], seed: int) -> Logistic:
    """Logistic regression with a penalty on its weights."""
    mean, scale, weights, offset = _scaled(_logistic_pipeline().fit(values, labels))
    if weights.shape[1] == 1:
        # One sum for two states: the other one has the opposite half of it.
        weights, offset = np.hstack([-weights, weights]) / 2, np.array([-offset[0], offset[0]]) / 2
    return Logistic(mean, scale, weights, offset)


def ridge(values: NDArray[np.float32], labels: NDArray[Any], seed: int) -> Linear:
    """Ridge regression."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Of scaled features a frame's sum of squares is their number: the penalty grows as they do.
    model = Ridge(alpha=_PENALTY * values.shape[1] / 10)
    return Linear(*_scaled(make_pipeline(StandardScaler(), model).fit(values, labels)))


def ordinal(values: NDArray[np.float32], labels: NDArray[Any], seed: int) -> Steps:
    """A logistic regression for being above each value of the label (Frank and Hall 2001)."""
    levels = np.unique(labels)
    steps = [_scaled(_logistic_pipeline().fit(values, labels > level)) for level in levels[:-1]]
    return Steps(
        *steps[0][:2],
        np.hstack([weights for _, _, weights, _ in steps]),
        np.concatenate([offset for *_, offset in steps]),
        levels.astype(np.float64),
    )


def _logistic_pipeline() -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=1 / _PENALTY, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), model)


def _scaled(
    pipeline: Pipeline,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale (D,), weights (D, K) and offsets (K,) of a scaler and a linear model."""
    scaler, model = pipeline[0], pipeline[-1]
    weights = np.atleast_2d(model.coef_).T.astype(np.float64)
    offset = np.atleast_1d(model.intercept_).astype(np.float64)
    return scaler.mean_.astype(np.float64), scaler.scale_.astype(np.float64), weights, offset
