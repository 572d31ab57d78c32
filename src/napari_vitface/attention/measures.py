"""A map in three numbers: how spread it is, how much is at the keypoint, how much has no place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: From this entropy on a map is so even that it points nowhere.
EVEN = 0.95
#: A keypoint counts as tracked from this confidence on.
TRACKED = 0.5
#: Points a side of each patch at which it is tested whether it lies within the radius.
_SAMPLES = 8

VERDICTS = ("near", "elsewhere", "even", "unsure")


@dataclass(frozen=True)
class MapMeasures:
    """Numbers of M maps in each of T frames, all (T, M).

    Attributes
    ----------
    entropy : float64
        Of the map as a distribution over patches, as a share of that of an even one: 0 is one
        patch, 1 an even spread.
    near : float64
        Share of the map within the radius of the keypoint.
    near_even : float64
        What an even spread would have there.
    prefix : float64
        Share of attention taken by prefix tokens, before the map.
    confidence : float64
    """

    entropy: NDArray[np.float64]
    near: NDArray[np.float64]
    near_even: NDArray[np.float64]
    prefix: NDArray[np.float64]
    confidence: NDArray[np.float64]

    @property
    def gain(self) -> NDArray[np.float64]:
        """How many times as much lies at the keypoint as an even spread would put there."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.near_even > 0, self.near / self.near_even, np.nan)

    @property
    def verdict(self) -> NDArray[np.uint8]:
        """Position in `VERDICTS`.

        unsure
            The keypoint is not tracked (its confidence is below `TRACKED`).
        even
            The map is spread so evenly that it points nowhere (entropy from `EVEN` on).
        elsewhere
            The keypoint is tracked while its map holds less about it than an even spread would.
        near
            All others.
        """
        found = np.full(self.entropy.shape, VERDICTS.index("near"), dtype=np.uint8)
        found[np.nan_to_num(self.gain, nan=1.0) < 1] = VERDICTS.index("elsewhere")
        found[np.nan_to_num(self.entropy, nan=1.0) >= EVEN] = VERDICTS.index("even")
        found[~(self.confidence >= TRACKED)] = VERDICTS.index("unsure")
        return found


def measure_maps(
    maps: NDArray[np.float32],
    prefix_share: NDArray[np.float32],
    xy: ArrayLike,
    confidence: ArrayLike,
    *,
    scale: tuple[float, float],
    translate: tuple[float, float],
    radius: float,
) -> MapMeasures:
    """Measure the maps of keypoints.

    Parameters
    ----------
    maps : (T, M, gh, gw)
        Negative values count as 0.
    prefix_share : (T, M)
    xy : (T, M, 2)
        The keypoint of each map, video pixels.
    confidence : (T, M)
    scale, translate : (y, x) float
        Patch (i, j) is centred on ``(i, j) * scale + translate`` video pixels.
    radius : float
        Video pixels.
    """
    weights = np.clip(np.asarray(maps, dtype=np.float64), 0, None)
    total = weights.sum(axis=(2, 3), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, weights / total, np.nan)
        terms = np.where(share > 0, -share * np.log(share), share * 0)
    patches = max(2, maps.shape[2] * maps.shape[3])
    covered = covered_shares(
        np.asarray(xy, dtype=np.float64), (maps.shape[2], maps.shape[3]), scale, translate, radius
    )
    return MapMeasures(
        entropy=terms.sum(axis=(2, 3)) / np.log(patches),
        near=(share * covered).sum(axis=(2, 3)),
        near_even=covered.mean(axis=(2, 3)),
        prefix=np.asarray(prefix_share, dtype=np.float64),
        confidence=np.asarray(confidence, dtype=np.float64),
    )


def covered_shares(
    xy: NDArray[np.float64],
    grid: tuple[int, int],
    scale: tuple[float, float],
    translate: tuple[float, float],
    radius: float,
) -> NDArray[np.float64]:
    """Which share of each patch lies within `radius` of points (..., 2): (..., gh, gw).

    All zero where a point is NaN.
    """
    offsets = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    squares = []
    for axis, count in enumerate(grid):
        places = (np.arange(count)[:, None] + offsets) * scale[axis] + translate[axis]
        squares.append((places.ravel() - xy[..., 1 - axis, None]) ** 2)
    inside = squares[0][..., :, None] + squares[1][..., None, :] <= radius**2
    return inside.reshape(*xy.shape[:-1], grid[0], _SAMPLES, grid[1], _SAMPLES).mean(axis=(-3, -1))
