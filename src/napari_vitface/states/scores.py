"""How good a classifier of states is: figures for frames and for whole trials, beside chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record

#: Groups below which trials are drawn for intervals instead.
FEWEST_GROUPS = 5
DRAWS = 2000
LEVEL = 0.95

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class StateScores(Record):
    """Figures of states that were told apart.

    Attributes
    ----------
    judged : int
        Frames or trials.
    balanced_accuracy : float
        Mean over states of the share that is told right.
    interval : (low, high) or None
        95 %, by drawing whole groups or trials.
    drawn : str
        What was drawn.
    auc : float
        Area under the ROC curve; of several states the mean over each against the others.
    confusion : tuple of tuple of int
        Counts: a row for each state, a column for each that was said.
    roc : tuple of ((float, ...), (float, ...))
        For each state (for two, the second alone) false and true positive rates.
    chance : float
        Balanced accuracy of guessing.
    """

    judged: int
    balanced_accuracy: float
    interval: Interval
    drawn: str
    auc: float
    confusion: tuple[tuple[int, ...], ...]
    roc: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    chance: float

    @property
    def figure(self) -> float:
        """The one figure that is compared; more is better."""
        return self.balanced_accuracy


@dataclass(frozen=True)
class NumberScores(Record):
    """Figures of a graded label.

    Attributes
    ----------
    judged : int
    rmse : float
        Root mean squared error, in the label's unit.
    r : float
        Pearson's correlation; 0 where all is said to be the same.
    interval : (low, high) or None
        95 % of `r`, by drawing whole groups or trials.
    drawn : str
    chance : float
        RMSE of always saying the mean.
    """

    judged: int
    rmse: float
    r: float
    interval: Interval
    drawn: str
    chance: float

    @property
    def figure(self) -> float:
        """The one figure that is compared; more is better."""
        return self.r


Scores = StateScores | NumberScores


def score(
    said: NDArray[np.float64],
    labels: NDArray[np.int64] | NDArray[np.float64],
    trials: NDArray[np.int64],
    groups: NDArray[np.str_],
    *,
    unit: str,
    seed: int = 0,
) -> Scores:
    """Figures of frames or trials.

    Parameters
    ----------
    said : (N, K) float64
        Probabilities, or (N, 1) numbers; rows of NaN are left out.
    labels : (N,) int64 or float64
        States, or numbers.
    trials, groups : (N,)
        What each belongs to.
    unit : str
        What a group is called.
    """
    known = np.isfinite(said).all(axis=1)
    said, labels, trials, groups = said[known], labels[known], trials[known], groups[known]
    drawn = unit if len(np.unique(groups)) >= FEWEST_GROUPS else "trial"
    clusters = groups if drawn == unit else trials
    if said.shape[1] == 1:
        return _score_numbers(said[:, 0], labels.astype(float), clusters, drawn, seed)
    return _score_states(said, labels.astype(np.int64), clusters, drawn, seed)


def _score_states(
    said: NDArray[np.float64],
    labels: NDArray[np.int64],
    clusters: NDArray[np.generic],
    drawn: str,
    seed: int,
) -> StateScores:
    from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

    states = said.shape[1]
    told = said.argmax(axis=1)
    confusion = confusion_matrix(labels, told, labels=range(states))
    shown = [1] if states == 2 else [k for k in range(states) if (labels == k).any()]
    curves, areas = [], []
    for k in shown:
        rest = labels == k
        if rest.all() or not rest.any():
            continue
        areas.append(roc_auc_score(rest, said[:, k]))
        curves.append(_thinned(*roc_curve(rest, said[:, k])[:2]))
    return StateScores(
        judged=len(labels),
        balanced_accuracy=float(balanced_accuracy(labels, told)),
        interval=interval(lambda weights: _balanced(labels, told, weights, states), clusters, seed),
        drawn=drawn,
        auc=float(np.mean(areas)) if areas else float("nan"),
        confusion=tuple(map(tuple, confusion.tolist())),
        roc=tuple(curves),
        chance=1 / states,
    )


def _score_numbers(
    said: NDArray[np.float64],
    labels: NDArray[np.float64],
    clusters: NDArray[np.generic],
    drawn: str,
    seed: int,
) -> NumberScores:
    ones = np.ones((1, len(labels)))
    return NumberScores(
        judged=len(labels),
        rmse=float(np.sqrt(np.mean((said - labels) ** 2))),
        r=float(_correlation(said, labels, ones)[0]),
        interval=interval(lambda weights: _correlation(said, labels, weights), clusters, seed),
        drawn=drawn,
        chance=float(labels.std()),
    )


def roc_area(truth: NDArray[np.bool_], said: NDArray[np.float64]) -> float:
    """Area under the ROC curve by ranks (Mann and Whitney 1947); ties count half.

    As `sklearn.metrics.roc_auc_score`, whose checks of its input take most of the time where it is
    asked thousands of times.
    """
    from scipy.stats import rankdata

    positive = int(np.count_nonzero(truth))
    negative = len(truth) - positive
    above = rankdata(said)[truth].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def balanced_accuracy(labels: NDArray[np.int64], told: NDArray[np.int64]) -> float:
    """Mean over the states that occur of the share that is told right."""
    return float(np.mean([np.mean(told[labels == k] == k) for k in np.unique(labels)]))


def interval(
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    clusters: NDArray[np.generic],
    seed: int = 0,
) -> Interval:
    """95 % interval of a figure, by drawing clusters again and again.

    Parameters
    ----------
    figure : callable
        The figure (B,) under weights (B, N) of the frames or trials.
    clusters : (N,)
        What is drawn as a whole.

    Returns
    -------
    (low, high), or None with fewer than `FEWEST_GROUPS` clusters.
    """
    names, member = np.unique(clusters, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return None
    rng = np.random.default_rng(seed)
    values = []
    # Some draws at a time, so that weights of many frames stay small.
    size = max(1, 4_000_000 // len(member))
    for start in range(0, DRAWS, size):
        count = min(size, DRAWS - start)
        chosen = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), count)
        values.append(figure(chosen[:, member].astype(np.float64)))
    found = np.concatenate(values)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def gain(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    labels: NDArray[np.int64] | NDArray[np.float64],
    clusters: NDArray[np.generic],
    seed: int = 0,
) -> Interval:
    """95 % interval of by how much the first is better than the second, of the same trials.

    Balanced accuracy, or r, by a paired bootstrap over clusters.
    """

    def figure(said: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if said.shape[1] == 1:
            return _correlation(said[:, 0], labels.astype(float), weights)
        return _balanced(labels.astype(np.int64), said.argmax(axis=1), weights, said.shape[1])

    return interval(
        lambda weights: figure(first, weights) - figure(second, weights), clusters, seed
    )


def _balanced(
    labels: NDArray[np.int64], told: NDArray[np.int64], weights: NDArray[np.float64], states: int
) -> NDArray[np.float64]:
    """Balanced accuracy under weights (B, N); states that no weight falls on do not count."""
    state = labels[:, None] == np.arange(states)
    right = weights @ (state & (told == labels)[:, None])
    there = weights @ state
    shares = np.divide(right, there, out=np.full(right.shape, np.nan), where=there > 0)
    return np.nanmean(shares, axis=1)


def _correlation(
    said: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's r under weights (B, N); 0 where either is constant."""
    total = weights.sum(axis=1)
    x, y = said - said.mean(), labels - labels.mean()
    mx, my = weights @ x / total, weights @ y / total
    covariance = weights @ (x * y) / total - mx * my
    spread = (weights @ x**2 / total - mx**2) * (weights @ y**2 / total - my**2)
    spread = np.sqrt(np.maximum(spread, 0))
    return np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 1e-12)


def _thinned(
    false: NDArray[np.float64], true: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A curve of a hundred points: no picture shows more."""
    rows = np.unique(np.linspace(0, len(false) - 1, 100).round().astype(int))
    return tuple(false[rows].tolist()), tuple(true[rows].tolist())
