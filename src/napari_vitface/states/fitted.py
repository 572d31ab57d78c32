"""Classifiers that have been fitted: arrays, and what they say of features.

What scikit-learn fits is turned into these at once, so that what is judged is what is stored: a
file of arrays needs no version of scikit-learn to be read, and reading it runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

#: Frames that go through a forest together: few enough that they stay in the cache.
_BLOCK = 4096


class Fitted(Protocol):
    """A fitted classifier.

    Attributes
    ----------
    kind : str
        Under which it is found in files.
    """

    kind: ClassVar[str]

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, K) probabilities of the states, or (N, 1) numbers, of (N, D) features."""
        ...

    def check(self, features: int, outputs: int) -> None:
        """Raise `ValueError` unless its arrays make a classifier of so many features."""
        ...


class Tuned(Fitted, Protocol):
    """A network that ends in a classifier of its class token.

    Attributes
    ----------
    head : Fitted
        Of these tokens.
    """

    @property
    def head(self) -> Fitted: ...

    def tokens(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C) class tokens of what enters the network, (N, D)."""
        ...


def opened(fitted: Fitted, values: NDArray[np.float32]) -> tuple[Fitted, NDArray[np.float32]]:
    """A classifier of features and these (N, D); of a network its head and the tokens."""
    if hasattr(fitted, "tokens"):
        tuned = cast(Tuned, fitted)
        return tuned.head, tuned.tokens(values)
    return fitted, values


@dataclass(frozen=True)
class Forest:
    """Decision trees, one after the other in the arrays.

    Attributes
    ----------
    roots : (trees,) int32
        The first node of each.
    feature : (nodes,) int32
        Column that a node looks at; -1 in leaves.
    threshold : (nodes,) float64
        Values up to it go left.
    left, right : (nodes,) int32
        Where they go.
    value : (nodes, K) float32
        What leaves say: probabilities of the states, or a number.
    """

    kind: ClassVar[str] = "forest"

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        total = np.zeros((len(values), self.value.shape[1]))
        for start in range(0, len(values), _BLOCK):
            part = np.ascontiguousarray(values[start : start + _BLOCK], np.float32)
            for root in self.roots.tolist():
                total[start : start + _BLOCK] += self.value[self._leaves(part, root)]
        return total / len(self.roots)

    def _leaves(self, values: NDArray[np.float32], root: int) -> NDArray[np.intp]:
        node = np.full(len(values), root, np.intp)
        going = np.arange(len(values))
        while len(going):
            here = node[going]
            feature = self.feature[here]
            inner = feature >= 0
            going, here, feature = going[inner], here[inner], feature[inner]
            low = values[going, feature] <= self.threshold[here]
            node[going] = np.where(low, self.left[here], self.right[here])
        return node

    def check(self, features: int, outputs: int) -> None:
        nodes = len(self.feature)
        own = self.threshold, self.left, self.right
        if (
            not nodes
            or self.value.shape != (nodes, outputs)
            or any(x.shape != (nodes,) for x in own)
        ):
            raise ValueError("its trees are incomplete")
        if not len(self.roots) or self.roots.min() < 0 or self.roots.max() >= nodes:
            raise ValueError("its trees have no roots")
        inner = np.flatnonzero(self.feature >= 0)
        children = np.stack([self.left[inner], self.right[inner]])
        # Children come after their parents, so that no walk through a tree is without end.
        if (
            (children <= inner).any()
            or (children >= nodes).any()
            or (self.feature >= features).any()
        ):
            raise ValueError("its trees lead nowhere")
        if not np.isfinite(self.value).all():
            raise ValueError("its trees say nothing")


@dataclass(frozen=True)
class Linear:
    """Sums of scaled features: logistic regression, ridge regression.

    Attributes
    ----------
    mean, scale : (D,) float64
        Of the features it was fitted on: they are scaled to mean 0 and deviation 1.
    weights : (D, K) float64
    offset : (K,) float64
    """

    kind: ClassVar[str] = "linear"

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._sums(values)

    def _sums(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return (values - self.mean) / self.scale @ self.weights + self.offset

    def check(self, features: int, outputs: int) -> None:
        shapes = self.mean.shape, self.scale.shape, self.weights.shape, self.offset.shape
        if shapes != ((features,), (features,), (features, len(self.offset)), (len(self.offset),)):
            raise ValueError("its weights do not fit its features")
        if not all(np.isfinite(getattr(self, each.name)).all() for each in fields(self)):
            raise ValueError("its weights are no numbers")
        if not (self.scale > 0).all():
            raise ValueError("its features have no scale")
        if self._outputs() != outputs:
            raise ValueError("its weights do not fit what it tells apart")

    def _outputs(self) -> int:
        return len(self.offset)


@dataclass(frozen=True)
class Logistic(Linear):
    """Probabilities of states: softmax of the sums."""

    kind: ClassVar[str] = "logistic"

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = self._sums(values)
        odds = np.exp(sums - sums.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Steps(Linear):
    """A number by the chance that it is above each step (Frank and Hall 2001).

    Attributes
    ----------
    levels : (K + 1,) float64
        The numbers that there are, in order; sum k is for being above the k-th.
    """

    kind: ClassVar[str] = "steps"

    levels: NDArray[np.float64]

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        above = 1 / (1 + np.exp(-np.clip(self._sums(values), -500, 500)))
        return self.levels[0] + (above @ np.diff(self.levels))[:, None]

    def check(self, features: int, outputs: int) -> None:
        super().check(features, outputs)
        if self.levels.shape != (len(self.offset) + 1,) or not (np.diff(self.levels) > 0).all():
            raise ValueError("its steps are not in order")

    def _outputs(self) -> int:
        return 1


#: What can stand in a file.
FITTED: Mapping[str, type[Forest] | type[Linear]] = {
    each.kind: each for each in (Forest, Linear, Logistic, Steps)
}


def arrays_of(fitted: Fitted) -> dict[str, NDArray[np.generic]]:
    """The arrays of a fitted classifier, by name."""
    assert isinstance(fitted, Forest | Linear)
    return {each.name: getattr(fitted, each.name) for each in fields(fitted)}
