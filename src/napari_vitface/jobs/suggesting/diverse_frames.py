"""Choosing among many frames a few that differ from each other."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

#: Directions of the feature space that are looked at: those along which frames differ most.
_DIRECTIONS = 20


def principal(
    features: NDArray[np.floating], *others: NDArray[np.floating]
) -> list[NDArray[np.float64]]:
    """Frames as a few numbers each: their features along the directions of largest spread.

    Parameters
    ----------
    features : (N, D) array
        The directions are those of these frames.
    *others : (M, D) arrays
        Seen along the same directions.

    Returns
    -------
    list of (N or M, d) arrays
    """
    data = features.astype(np.float64)
    centre = data.mean(axis=0)
    _, _, directions = np.linalg.svd(data - centre, full_matrices=False)
    directions = directions[:_DIRECTIONS]
    # The sign of a direction is arbitrary: its largest part is made positive.
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    directions = directions * np.where(signs == 0, 1, signs)[:, None]
    return [(part.astype(np.float64) - centre) @ directions.T for part in (features, *others)]


def nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each of N points to the nearest of M others; infinite if there are none."""
    if not len(others):
        return np.full(len(points), np.inf)
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def usual_distance(points: NDArray[np.float64]) -> float:
    """Median distance between two of the points."""
    if len(points) < 2:
        return 0.0
    squares = (points**2).sum(1)[:, None] + (points**2).sum(1) - 2 * points @ points.T
    apart = np.sqrt(np.maximum(squares[np.triu_indices(len(points), 1)], 0))
    return float(np.median(apart))


def choose(
    score: NDArray[np.float64],
    points: NDArray[np.float64],
    frames: NDArray[np.int64],
    count: int,
    gap: int,
) -> list[int]:
    """The best of each of `count` groups of alike frames, the best of all first.

    Parameters
    ----------
    score : (N,) array
        What speaks for each frame.
    points : (N, d) array
        Alike frames are near each other (k-means).
    frames : (N,) array
        Frame numbers; chosen ones are at least `gap` apart.
    count : int
    gap : int

    Returns
    -------
    list of int
        Positions, fewer than `count` only if there are not enough frames so far apart.
    """
    groups = _groups(points, min(count, len(points)))
    order = np.lexsort((frames, -score))
    chosen: list[int] = []
    taken: set[int] = set()

    def far_enough(position: int) -> bool:
        return all(abs(int(frames[position] - frames[other])) >= gap for other in chosen)

    # First one of each group, then whatever is left.
    for repeat in (False, True):
        for position in map(int, order):
            if len(chosen) == count:
                break
            fresh = repeat or int(groups[position]) not in taken
            if position not in chosen and fresh and far_enough(position):
                chosen.append(position)
                taken.add(int(groups[position]))
    return sorted(chosen, key=lambda position: (-score[position], frames[position]))


def spread_best(
    score: NDArray[np.float64], frames: NDArray[np.int64], count: int, gap: int
) -> NDArray[np.intp]:
    """Positions of the best frames at least `gap` apart, and of as many spread over the rest.

    Parameters
    ----------
    score, frames : (N,) arrays
    count : int
        Positions wanted; half of them for their score, as far as it is above 0.
    gap : int

    Returns
    -------
    (n,) array of int
        Sorted, n <= count.
    """
    if len(frames) <= count:
        return np.arange(len(frames))
    best: list[int] = []
    for position in map(int, np.lexsort((frames, -score))):
        if score[position] <= 0 or len(best) == (count + 1) // 2:
            break
        if all(abs(int(frames[position] - frames[other])) >= gap for other in best):
            best.append(position)
    rest = np.setdiff1d(np.arange(len(frames)), best)
    places = np.linspace(0, len(rest) - 1, count - len(best)).round().astype(np.intp)
    return np.union1d(np.array(best, dtype=np.intp), rest[np.unique(places)])


def _groups(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Which of `count` groups each point belongs to: k-means from starts far from each other."""
    from scipy.cluster.vq import kmeans2

    rng = np.random.default_rng(0)
    starts = [int(rng.integers(len(points)))]
    for _ in range(count - 1):
        squares = nearest(points, points[starts]) ** 2
        if squares.sum() <= 0:
            break
        starts.append(int(rng.choice(len(points), p=squares / squares.sum())))
    with warnings.catch_warnings():
        # A group that ends up empty is no harm.
        warnings.simplefilter("ignore", UserWarning)
        _, groups = kmeans2(points, points[starts], iter=50, minit="matrix")
    return np.asarray(groups, dtype=np.intp)
