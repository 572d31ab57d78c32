"""Labels that are probably wrong, from predictions of models that were not trained on them.

Distances are in pixels of the video. What is odd is judged for each keypoint by what is usual for
it: a model that is good at the eye and poor at the lip finds smaller mistakes at the eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.words import listed

#: Score from which labels are called probably wrong, and not only worth a look.
PROBABLY = 2.0
#: A label is odd this many robust standard deviations beyond the usual distance ...
_ODD = 5.0
#: ... and at least this share of the diagonal of what the model is given away from the prediction.
_FAR = 0.0125
#: The spread is taken to be at least these shares of the usual distance and of the diagonal, for
#: a few frames can agree by chance.
_SPREAD, _SPREAD_DIAGONAL = 0.3, 0.0015
#: What a label on another keypoint has to gain, in units of the limit: points that lie near each
#: other must not change places for a trifle.
_STAYS = 0.25
#: Permutations explain several odd labels at once; so much more are they worth looking at.
_EXPLAINS = 2.0


@dataclass(frozen=True)
class Finding:
    """Labels of one frame that look wrong.

    Attributes
    ----------
    row : int
        Of the labels.
    kind : {"swapped", "shifted", "mixed up", "elsewhere", "far"}
        "elsewhere": the label lies on another keypoint that has none.
    keypoints : tuple of int
        Whose labels look wrong.
    score : float
        How many times farther than is odd, more for what explains several labels at once.
    why : str
        In words.
    moves : tuple of (int, int or None)
        The fix: each of these keypoints gets the label that the second one has now; none with
        None. Empty if there is no fix.
    """

    row: int
    kind: str
    keypoints: tuple[int, ...]
    score: float
    why: str
    moves: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True)
class Usual:
    """What is usual for each of K keypoints.

    Attributes
    ----------
    distance : (K,) array
        Median distance between label and prediction.
    limit : (K,) array
        Beyond it, a label is odd. NaN for keypoints without labels.
    confidence : (K,) array
        Median.
    """

    distance: NDArray[np.float64]
    limit: NDArray[np.float64]
    confidence: NDArray[np.float64]


def find_mistakes(
    names: Sequence[str],
    labelled: NDArray[np.floating],
    predicted: NDArray[np.floating],
    confidence: NDArray[np.floating],
    diagonal: float,
) -> tuple[list[Finding], Usual]:
    """Labels that are probably wrong, the likeliest first.

    Parameters
    ----------
    names : sequence of K str
    labelled : (N, K, 2) array
        NaN where there is no label.
    predicted : (N, K, 2) array
        By a model that was not trained on the row.
    confidence : (N, K) array
    diagonal : float
        Of the part of the frames that the model is given.
    """
    errors = np.linalg.norm(labelled.astype(np.float64) - predicted, axis=-1)
    usual = _usual(errors, confidence, diagonal)
    findings = []
    for row in range(len(errors)):
        moved = _moved_labels(labelled[row], predicted[row], errors[row], usual.limit)
        # At least one label of each must be odd where it is: others may lie within the limit of
        # two keypoints.
        odd = errors[row] > usual.limit
        parts = [part for part in _parts(moved) if any(odd[label] for label, _ in part)]
        findings += [_permuted(row, part, errors[row], usual, names) for part in parts]
        explained = {k for part in parts for pair in part for k in pair}
        for k in np.flatnonzero(odd):
            if int(k) not in explained:
                findings.append(_far(row, int(k), errors[row], confidence[row], usual, names))
    findings.sort(key=lambda finding: (-finding.score, finding.row, finding.keypoints))
    return findings, usual


def _usual(errors: NDArray[np.float64], confidence: NDArray[np.floating], diagonal: float) -> Usual:
    count = errors.shape[1]
    distance, limit, sure = (np.full(count, np.nan) for _ in range(3))
    for k in range(count):
        there = errors[:, k][np.isfinite(errors[:, k])]
        if there.size:
            distance[k] = np.median(there)
            spread = 1.4826 * np.median(np.abs(there - distance[k]))
            spread = max(spread, _SPREAD * distance[k], _SPREAD_DIAGONAL * diagonal)
            limit[k] = max(distance[k] + _ODD * spread, _FAR * diagonal)
        sure[k] = np.median(confidence[:, k])
    return Usual(distance, limit, sure)


def _moved_labels(
    labelled: NDArray[np.floating],
    predicted: NDArray[np.floating],
    errors: NDArray[np.float64],
    limit: NDArray[np.float64],
) -> dict[int, int]:
    """Labels that lie on another keypoint than their own: label -> keypoint.

    The best assignment of labels to predicted points, where a label that is beyond the limit of a
    keypoint costs the same however far it is: one wild label or prediction must not push others
    about.
    """
    from scipy.optimize import linear_sum_assignment

    there = np.flatnonzero(np.isfinite(errors))
    if not (errors[there] > limit[there]).any():
        return {}
    apart = np.linalg.norm(labelled[there, None].astype(np.float64) - predicted[None], axis=-1)
    # A keypoint that is labelled nowhere has no limit; it takes what is as near as others are.
    reach = np.where(np.isfinite(limit), limit, np.nanmedian(limit))
    cost = np.minimum(apart / reach, 1.0)
    cost[np.arange(len(there)), there] -= _STAYS
    labels, keypoints = linear_sum_assignment(cost)
    return {
        int(there[label]): int(keypoint)
        for label, keypoint in zip(labels, keypoints, strict=True)
        if there[label] != keypoint and apart[label, keypoint] < reach[keypoint]
    }


def _parts(moved: dict[int, int]) -> list[list[tuple[int, int]]]:
    """Chains and cycles of moves (label, keypoint), each in its order, chains from their start."""
    left = dict(moved)
    parts = []
    while left:
        starts = [label for label in left if label not in left.values()]
        label = min(starts or left)
        part = []
        while label in left:
            keypoint = left.pop(label)
            part.append((label, keypoint))
            label = keypoint
        parts.append(part)
    return parts


def _permuted(
    row: int,
    part: list[tuple[int, int]],
    errors: NDArray[np.float64],
    usual: Usual,
    names: Sequence[str],
) -> Finding:
    labels = [label for label, _ in part]
    targets = [keypoint for _, keypoint in part]
    cycle = set(labels) == set(targets)
    score = _EXPLAINS * max(float(errors[k] / usual.limit[k]) for k in labels)
    steps = {keypoint - label for label, keypoint in part}
    said = [names[k] for k in labels]
    if cycle and len(part) == 2:
        kind, why = "swapped", f"{said[0]} and {said[1]} look swapped"
    elif len(part) > 1 and len(steps) == 1 and steps <= {1, -1}:
        kind = "shifted"
        where = "next" if steps == {1} else "previous"
        between = " and " if len(part) == 2 else " ... "
        ordered = sorted(labels)
        why = (
            f"{names[ordered[0]]}{between}{names[ordered[-1]]} are shifted by one: each lies on "
            f"the {where} keypoint"
        )
    elif len(part) == 1:
        kind, why = "elsewhere", f"{said[0]} lies on {names[targets[0]]}"
    else:
        kind, why = "mixed up", f"{listed(said)} look mixed up"
    # A keypoint whose label goes elsewhere and that gets none is left without.
    moves: list[tuple[int, int | None]] = [(keypoint, label) for label, keypoint in part]
    moves += [(label, None) for label in labels if label not in targets]
    everyone = tuple(sorted(set(labels) | set(targets)))
    return Finding(row, kind, everyone, score, why, tuple(sorted(moves)))


def _far(
    row: int,
    k: int,
    errors: NDArray[np.float64],
    confidence: NDArray[np.floating],
    usual: Usual,
    names: Sequence[str],
) -> Finding:
    why = (
        f"{names[k]} is {errors[k]:.0f} px from where a model that did not see it puts it "
        f"(usually {usual.distance[k]:.0f} px)"
    )
    # A model that is less sure than usual is likelier to be wrong itself.
    trust = min(1.0, float(confidence[k] / max(usual.confidence[k], 1e-6)))
    return Finding(row, "far", (k,), trust * float(errors[k] / usual.limit[k]), why)
