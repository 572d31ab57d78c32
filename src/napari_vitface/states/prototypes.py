"""Prototypes: the features of the face that is most typical of a label.

As in Dolensek et al. (2020, doi:10.1126/science.aaz9468) a prototype is the mean of the features of
few frames in which an expression is plainest, made of the training animals' trials alone, and a
frame is judged by its correlation with it. A rule says which frames these are: "typical" takes
those that are most like the mean of their label and least like that of the frames without any,
"least-neutral" the ten that correlate least with the mean of the frames without any. The second is
what two public programs do that came of the paper's code (doi:10.5281/zenodo.3618395), which itself
was not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.states import PrototypeRule
from napari_vitface.states.similarity import similarity

#: Share of a label's frames that its prototype is the mean of, by the rule "typical".
SHARE = 0.1
#: Frames of each animal that it is the mean of, by the rule "least-neutral".
_LEAST_NEUTRAL = 10


@dataclass(frozen=True)
class Prototypes:
    """The typical features of each label.

    Attributes
    ----------
    labels : tuple of str
    values : (L, D) float32
    rows : tuple of (n,) int64
        Of which rows each is the mean.
    """

    labels: tuple[str, ...]
    values: NDArray[np.float32]
    rows: tuple[NDArray[np.int64], ...]

    def similarity(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, L): correlation of frames (N, D) with each prototype."""
        return similarity(values, self.values)


def check_prototypes(share: float, rule: str) -> None:
    """Refuse what `prototypes` cannot be made by: `VitFaceError`."""
    if not 0 < share <= 1:
        raise VitFaceError(f"The share of typical frames is above 0 and up to 1, not {share}.")
    if rule not in get_args(PrototypeRule):
        rules = " or ".join(get_args(PrototypeRule))
        raise VitFaceError(f"Prototypes are made by the rule {rules}, not {rule!r}.")


def prototypes(
    values: NDArray[np.float32],
    labels: ArrayLike,
    *,
    training: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    share: float = SHARE,
    rule: PrototypeRule = "typical",
) -> Prototypes:
    """The prototype of each label.

    Parameters
    ----------
    values : (N, D) float32
        Rows with NaN are left out.
    labels : (N,) array of str
        Empty of frames that have none.
    training : (N,) array of bool, optional
        Frames of the animals that prototypes may be made of; default all. Frames of the others do
        not change them.
    groups : (N,) array, optional
        The animal of each frame: each has its own most typical frames, and all weigh the same in a
        prototype, however strong their expressions are.
    share : float
        Of a label's frames, the most typical ones, in (0, 1]; at least one. By the rule "typical".
    rule : "typical" or "least-neutral"
        Which frames it is made of; see the module.

    Raises
    ------
    VitFaceError
        There is no such share or rule; no training frame has a label; or, by the rule
        "least-neutral", some animal has no frame without one.
    """
    check_prototypes(share, rule)
    told = np.asarray(labels)
    usable = np.isfinite(values).all(axis=1)
    if training is not None:
        usable &= np.asarray(training, np.bool_)
    names = tuple(str(name) for name in np.unique(told[usable]) if name)
    if not names:
        raise VitFaceError("No frame of the training animals has a label and features.")
    of = np.zeros(len(told), np.int64)
    if groups is not None:
        of = np.unique(np.asarray(groups), return_inverse=True)[1]
    means, rows = [], []
    for name in names:
        found = [
            _typical(values, usable & (of == group), told, name, share)
            if rule == "typical"
            else _least_neutral(values, usable & (of == group), told, name)
            for group in np.unique(of[usable & (told == name)])
        ]
        rows.append(np.sort(np.concatenate(found)))
        means.append(np.mean([values[each].mean(axis=0) for each in found], axis=0))
    return Prototypes(names, np.array(means, np.float32), tuple(rows))


def _typical(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    told: NDArray[np.str_],
    name: str,
    share: float,
) -> NDArray[np.int64]:
    """Rows that are most like the mean of a label, and least like that of frames without one."""
    mine, neutral = np.flatnonzero(usable & (told == name)), usable & (told == "")
    own = values[mine]
    typical = similarity(own, own.mean(axis=0, keepdims=True))[:, 0]
    if neutral.any():
        typical = typical - similarity(own, values[neutral].mean(axis=0, keepdims=True))[:, 0]
    count = max(1, round(share * len(mine)))
    # Stable, so that equal ones are taken as they come.
    best = np.argsort(-np.nan_to_num(typical, nan=-np.inf), kind="stable")[:count]
    return np.sort(mine[best])


def _least_neutral(
    values: NDArray[np.float32],
    usable: NDArray[np.bool_],
    told: NDArray[np.str_],
    name: str,
) -> NDArray[np.int64]:
    """Rows of a label that are least like the mean of the frames without one."""
    mine, neutral = np.flatnonzero(usable & (told == name)), usable & (told == "")
    if not neutral.any():
        raise VitFaceError(
            f"Frames of {name} that are least neutral are told by frames without a label, and "
            "there are none."
        )
    like = similarity(values[mine], values[neutral].mean(axis=0, keepdims=True))[:, 0]
    least = np.argsort(np.nan_to_num(like, nan=np.inf), kind="stable")[:_LEAST_NEUTRAL]
    return np.sort(mine[least])
