"""From what a classifier says of animals it has not seen to probabilities that are true of them.

A forest that has never seen an animal is unsure of it, and often unsure to one side: its scores
keep their order and lose their scale. One factor and an offset for each state, fitted on groups
that were left out, give it back (Platt 1999; for several states Guo et al. 2017, arXiv:1706.04599).
States count the same, however often each was filmed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.record import Record

#: Scores below it are taken to be it: no classifier is that sure of an animal it has not seen.
_LEAST = 1e-3
#: Of a curve of reliability.
_BINS = 10


@dataclass(frozen=True)
class Calibration(Record):
    """How scores become probabilities of states, or numbers.

    Attributes
    ----------
    slope : float
        At least 0, so that a higher score is never a lower probability.
    offsets : tuple of float
        One for each state; of numbers, one.
    doubt : float
        Share of a probability that is spread over all states: n trials cannot make anyone surer
        than n in n + 1.
    """

    slope: float
    offsets: tuple[float, ...]
    doubt: float = 0.0

    @classmethod
    def none(cls, outputs: int) -> Calibration:
        """The one that changes nothing."""
        return cls(1.0, (0.0,) * outputs)

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) probabilities of scores, or (N, 1) numbers; rows of NaN stay so."""
        if len(self.offsets) == 1:
            return self.slope * scores + self.offsets[0]
        sure = _softmax(self.slope * _log(scores) + np.array(self.offsets))
        return (1 - self.doubt) * sure + self.doubt / len(self.offsets)


@dataclass(frozen=True)
class Reliability(Record):
    """Probabilities that were said beside how often they were right, by bins of a tenth.

    Bins in which nothing was said are left out.

    Attributes
    ----------
    predicted : tuple of float
        Mean probability in each bin: of the second of two states, else of each state.
    observed : tuple of float
        Share of them that were so.
    counts : tuple of int
    error : float
        Expected calibration error (Naeini et al. 2015): the mean distance between the two, by
        counts.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    counts: tuple[int, ...]
    error: float

    @classmethod
    def of(cls, said: NDArray[np.float64], labels: NDArray[np.int64]) -> Reliability:
        """Of probabilities (N, K) of what was held out, and the states that they were."""
        states = said.shape[1]
        columns = slice(1, None) if states == 2 else slice(None)
        chances = said[:, columns].ravel()
        right = (labels[:, None] == np.arange(states))[:, columns].ravel()
        bins = np.clip((chances * _BINS).astype(int), 0, _BINS - 1)
        counts = np.bincount(bins, minlength=_BINS)
        there = counts > 0
        predicted = np.bincount(bins, chances, _BINS)[there] / counts[there]
        observed = np.bincount(bins, right, _BINS)[there] / counts[there]
        error = np.average(np.abs(predicted - observed), weights=counts[there])
        return cls(
            tuple(predicted.tolist()),
            tuple(observed.tolist()),
            tuple(counts[there].tolist()),
            float(error),
        )


def calibrate_states(
    scores: NDArray[np.float64], labels: NDArray[np.int64], trials: int
) -> Calibration:
    """Fit to scores (N, K) of frames or trials that the classifier had not seen.

    Parameters
    ----------
    trials : int
        That they are of.

    Notes
    -----
    As Platt does, a label is not taken to be certain: with few trials the slope would have no end.
    """
    from scipy.optimize import minimize

    logs = _log(scores)
    states = scores.shape[1]
    counts = np.bincount(labels, minlength=states)
    sure = (counts + 1) / (counts + states)
    wanted = np.repeat(((1 - sure) / (states - 1))[labels][:, None], states, axis=1)
    wanted[np.arange(len(labels)), labels] = sure[labels]
    weights = (1 / np.maximum(counts, 1))[labels] / np.count_nonzero(counts)

    def loss(chosen: NDArray[np.float64]) -> float:
        said = _softmax(chosen[0] * logs + np.concatenate([[0.0], chosen[1:]]))
        return float(-(weights[:, None] * wanted * np.log(said + 1e-12)).sum())

    start = np.concatenate([[1.0], np.zeros(states - 1)])
    bounds = [(0.0, 50.0)] + [(-50.0, 50.0)] * (states - 1)
    slope, *offsets = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x.tolist()
    middle = sum(offsets) / states
    return Calibration(
        slope, tuple(each - middle for each in (0.0, *offsets)), states / (trials + states)
    )


def calibrate_numbers(
    scores: NDArray[np.float64], labels: NDArray[np.float64], trials: int
) -> Calibration:
    """Fit a line to numbers (N, 1): estimates for unseen animals are drawn to the mean."""
    said = scores[:, 0]
    spread = said.var()
    slope = max(0.0, float(np.cov(said, labels, bias=True)[0, 1] / spread)) if spread else 0.0
    return Calibration(slope, (float(labels.mean() - slope * said.mean()),))


def _log(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.clip(scores, _LEAST, None))


def _softmax(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(sums - sums.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
