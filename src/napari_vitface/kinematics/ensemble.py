"""Smoothing over time by how far the models of an ensemble agree: an ensemble Kalman smoother.

After that for single cameras in Biderman et al., "Lightning Pose", Nature Methods 21 (2024): a
point moves as a random walk, the median of the models is what is seen of it, and their variance in
that frame says how well it is seen. How fast the walk is, is chosen by maximum likelihood.

It differs in three things, each of which was better on models that were left out:

* The variance of a few models is a poor estimate in a single frame, so it is drawn towards the
  median one of the recording, which counts as much as `_PRIOR` more models would.
* What differs from frame to frame by chance is found together with the speed of the walk, as a
  share of that variance, for the median of several models is better than one of them.
* Models of an ensemble disagree for many frames on end, of which smoothing takes nothing away. So
  the variance of their mean is added to that of the smoothed point.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.steps import Steps

_PRIOR = 4
#: Frames from the middle of a recording that the noise is fitted to.
_FITTED = 10_000
#: Of the walk, in variances between the models a frame, and of what is seen, as a share of these.
_SPEEDS = np.logspace(-5, 2, 29)
_SHARES = 2.0 ** np.arange(-6, 2)
#: Squared pixels: models that give equal whole numbers are not sure to the last bit.
_LEAST_VARIANCE = 1e-4
_LEAST_CONFIDENCE = 0.01


@dataclass(frozen=True)
class Smoothed:
    """Keypoints of an ensemble, smoothed.

    Attributes
    ----------
    xy : (T, K, 2) array of float64
        Also of frames in which no model has a point; NaN where none has one in any frame.
    variance : (T, K, 2) array of float64
        Of x and of y, in squared pixels.
    """

    xy: NDArray[np.float64]
    variance: NDArray[np.float64]


def smooth_ensemble(xy: NDArray[np.float32], confidence: NDArray[np.float32]) -> Steps[Smoothed]:
    """Smooth keypoints that several models predicted; see the module.

    Parameters
    ----------
    xy : (M, T, K, 2) array of float
        Of each of two or more models; NaN where it has no point.
    confidence : (M, T, K) array of float
        In [0, 1].

    Yields
    ------
    str
        What is being done.
    """
    yield "Comparing the models"
    parts = [middle_of(xy[:, :, k], confidence[:, :, k]) for k in range(xy.shape[2])]
    middle, variance = (np.stack(part, axis=1) for part in zip(*parts, strict=True))
    if not len(middle):
        return Smoothed(middle, variance)
    yield "Fitting the noise"
    start = max(0, (len(middle) - _FITTED) // 2)
    span = slice(start, start + _FITTED)
    speed, share = _fitted(middle[span], variance[span])
    yield "Smoothing"
    walked, posterior = _smooth(middle, variance * share, speed)
    count = np.isfinite(xy[..., :1]).sum(axis=0)
    return Smoothed(walked, posterior + variance / np.maximum(count, 1))


def middle_of(
    xy: NDArray[np.float32], confidence: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What an ensemble says of a keypoint in each frame, and how far its models differ.

    Parameters
    ----------
    xy : (M, T, 2) array of float
        Of each model; NaN where it has no point.
    confidence : (M, T) array of float
        In [0, 1].

    Returns
    -------
    middle : (T, 2) array of float64
        The median of the models that have a point; NaN where none has.
    variance : (T, 2) array of float64
        Of one model, in squared pixels, larger where the models are unsure.
    """
    points = xy.astype(np.float64)
    there = np.isfinite(points[..., 0])
    count = there.sum(axis=0)[:, None]
    with warnings.catch_warnings():
        # Of frames without a point.
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(points, axis=0)
        spread = np.nanvar(points, axis=0, ddof=1)
        sure = np.nanmean(np.where(there, confidence, np.nan), axis=0)[:, None]
        usual = np.nanmedian(spread, axis=0)
    usual = np.maximum(np.nan_to_num(usual), _LEAST_VARIANCE)
    others = np.maximum(count - 1, 0)
    variance = (_PRIOR * usual + others * np.nan_to_num(spread)) / (_PRIOR + others)
    return middle, variance / np.clip(np.nan_to_num(sure, nan=1.0), _LEAST_CONFIDENCE, 1.0)


def _fitted(
    seen: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each coordinate the likeliest variance of a step, and of what is seen as a share."""
    usual = np.median(variance, axis=0)
    pairs = np.array([(speed, share) for speed in _SPEEDS for share in _SHARES])
    steps = pairs[:, 0, None, None] * usual
    shares = pairs[:, 1, None, None]
    loss = np.zeros_like(steps)
    mean, spread = (each + loss for each in _beginning(seen))
    for point, noise in zip(seen, variance, strict=True):
        spread = spread + steps
        there = np.isfinite(point)
        total = spread + noise * shares
        off = np.where(there, point - mean, 0.0)
        loss += np.where(there, np.log(total) + off * off / total, 0.0)
        gain = np.where(there, spread / total, 0.0)
        mean = mean + gain * off
        spread = spread - gain * spread
    best = loss.argmin(axis=0)
    return pairs[best, 0] * usual, pairs[best, 1]


def _smooth(
    seen: NDArray[np.float64], noise: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of random walks, given all that is seen (Rauch, Tung and Striebel)."""
    means, spreads = np.empty_like(seen), np.empty_like(seen)
    mean, spread = _beginning(seen)
    there = np.isfinite(seen)
    offered = np.nan_to_num(seen)
    for row in range(len(seen)):
        spread = spread + step
        gain = np.where(there[row], spread / (spread + noise[row]), 0.0)
        mean = mean + gain * (offered[row] - mean)
        spread = spread - gain * spread
        means[row], spreads[row] = mean, spread
    for row in range(len(seen) - 2, -1, -1):
        back = spreads[row] / (spreads[row] + step)
        means[row] += back * (means[row + 1] - means[row])
        spreads[row] += back * back * (spreads[row + 1] - spreads[row] - step)
    return means, spreads


def _beginning(seen: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a walk may begin: anywhere that its point is seen; NaN where that is nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(seen, axis=0), np.nanvar(seen, axis=0) + _LEAST_VARIANCE
