"""Faithfulness of a map: does the keypoint move when what the map points at is blanked?

A deletion curve (Petsiuk et al. 2018, Samek et al. 2017), for keypoints: the patches that a map
holds strongest are turned grey, a growing share of them, and the distance is measured at which the
keypoint is then found from where it was. Two other curves are what it has to be compared with:
blanking the same number of random patches, which a map must beat to explain anything, and blanking
the patches nearest to the keypoint, which needs no map at all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.attention.blanking import Blanker, patches_in, patches_to_pixels
from napari_vitface.attention.seeds import GLOBAL

#: Shares of the frame's patches that are blanked.
SHARES = (0.02, 0.05, 0.1, 0.2)
#: Random sets of patches for each share.
DRAWS = 8
#: A map explains something from this score on: its curve is half as high again as the random one.
WORTH = 0.2
#: ... and if it beats this share of the random draws.
BEATEN = 0.9


@dataclass(frozen=True)
class DeletionCurves:
    """How far keypoints move when parts of the frame are blanked.

    Attributes
    ----------
    names : tuple of str
        What each map explains; ``"global"`` is the mean over keypoints.
    shares : (S,) float
        Shares of the frame's patches that are blanked.
    attended : (M, S) float64
        Move when the patches that the map holds strongest are blanked, in video pixels.
    random : (M, D, S) float64
        Move when as many random patches are, for D draws.
    nearest : (M, S) float64
        Move when the patches nearest to the keypoint are.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    attended: NDArray[np.float64]
    random: NDArray[np.float64]
    nearest: NDArray[np.float64]

    @property
    def score(self) -> NDArray[np.float64]:
        """(M,): (a - r) / (a + r), where a and r are the mean heights of the attended and random
        curves: 0 for a map no better than chance, towards 1 for one that finds all that matters,
        below 0 for one that points at what does not matter. NaN where nothing moves at all.
        """
        return _contrast(self.attended.mean(axis=1), self.random.mean(axis=(1, 2)))

    @property
    def nearest_score(self) -> NDArray[np.float64]:
        """(M,): the same for blanking what is nearest to the keypoint, without any map."""
        return _contrast(self.nearest.mean(axis=1), self.random.mean(axis=(1, 2)))

    @property
    def beaten(self) -> NDArray[np.float64]:
        """(M,): share of the random draws whose curve lies below the map's; a tie is half a win."""
        random, attended = self.random.mean(axis=2), self.attended.mean(axis=1)[:, None]
        return (random < attended).mean(axis=1) / 2 + (random <= attended).mean(axis=1) / 2

    @property
    def explains(self) -> NDArray[np.bool_]:
        """(M,): the score is at least `WORTH`, and nearly all random draws are beaten."""
        return (np.nan_to_num(self.score) >= WORTH) & (self.beaten >= BEATEN)


def mean_curves(curves: Sequence[DeletionCurves]) -> DeletionCurves:
    """The mean over frames, of curves of the same maps."""

    def mean(name: str) -> NDArray[np.float64]:
        return np.mean([getattr(each, name) for each in curves], axis=0)

    first = curves[0]
    return DeletionCurves(
        first.names, first.shares, mean("attended"), mean("random"), mean("nearest")
    )


def deletion_curves(
    blanker: Blanker,
    names: Sequence[str],
    maps: NDArray[np.float32],
    xy: NDArray[np.float32],
    *,
    shares: Sequence[float] = SHARES,
    draws: int = DRAWS,
    pixel: tuple[float, float] = (1.0, 1.0),
    seed: int = 0,
) -> Generator[tuple[int, int], None, DeletionCurves]:
    """Measure the maps of one image.

    Parameters
    ----------
    blanker : Blanker
    names : sequence of str
        M keypoints of the model or ``"global"``.
    maps : (M, gh, gw)
    xy : (K, 2)
        What the network finds in the whole image, input pixels.
    shares : sequence of float
    draws : int
    pixel : (x, y) float
        Video pixels an input pixel.
    seed : int
        Of the random patches.

    Yields
    ------
    (done, total) : int
        Forward passes.

    Returns
    -------
    DeletionCurves
    """
    size = tuple(blanker.image.shape[1:])
    grid = maps.shape[1:]
    inside = np.flatnonzero(patches_in(blanker.area, (grid[0], grid[1]), (size[0], size[1])))
    counts = [max(1, round(share * len(inside))) for share in shares]
    orders = [_strongest_first(each.ravel()[inside]) for each in maps]
    orders += [_nearest_first(inside, grid, size, xy, m) for m in _rows(names, blanker)]
    generator = np.random.default_rng(seed)
    orders += [generator.permutation(len(inside)) for _ in range(draws)]

    def masks() -> Iterator[NDArray[np.bool_]]:
        for order in orders:
            for count in counts:
                patches = np.zeros(grid[0] * grid[1], dtype=bool)
                patches[inside[order[:count]]] = True
                yield patches_to_pixels(patches.reshape(grid), (size[0], size[1]))

    total = len(orders) * len(counts)
    flat = np.empty((total, len(xy)))
    done = 0
    for found, _ in blanker.find(masks()):
        part = slice(done, done + len(found))
        flat[part] = np.linalg.norm((found - xy) * np.asarray(pixel), axis=2)
        done = part.stop
        yield done, total
    moves = flat.reshape(len(orders), len(counts), -1)
    rows = _rows(names, blanker)

    def of(index: int, row: int | None) -> NDArray[np.float64]:
        return moves[index].mean(axis=1) if row is None else moves[index][:, row]

    count = len(names)
    return DeletionCurves(
        names=tuple(names),
        shares=tuple(shares),
        attended=np.stack([of(m, row) for m, row in enumerate(rows)]),
        nearest=np.stack([of(count + m, row) for m, row in enumerate(rows)]),
        random=np.stack([[of(2 * count + d, row) for d in range(draws)] for row in rows]),
    )


def _rows(names: Sequence[str], blanker: Blanker) -> list[int | None]:
    """Which keypoint each map is of; None for all."""
    known = blanker.model.keypoints
    return [None if name == GLOBAL else known.index(name) for name in names]


def _strongest_first(values: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.argsort(-values, kind="stable")


def _nearest_first(
    inside: NDArray[np.int64],
    grid: tuple[int, ...],
    size: tuple[int, ...],
    xy: NDArray[np.float32],
    row: int | None,
) -> NDArray[np.int64]:
    """Patches by their distance from the keypoint, or from the nearest of all."""
    rows, columns = np.unravel_index(inside, grid)
    centres = np.stack(
        [
            (columns + 0.5) * size[1] / grid[1] - 0.5,
            (rows + 0.5) * size[0] / grid[0] - 0.5,
        ],
        axis=1,
    )
    points = xy if row is None else xy[row : row + 1]
    distances = np.linalg.norm(centres[:, None] - points[None], axis=2).min(axis=1)
    return np.argsort(distances, kind="stable")


def _contrast(height: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    both = height + chance
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(both > 0, (height - chance) / both, np.nan)
