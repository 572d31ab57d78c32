"""Fitting the calibration of a model on frames that it was not trained on.

The probability that a point lies within a radius of where a person would put it is a logistic
function of the logit of its raw confidence: one slope for all keypoints (Platt, "Probabilistic
outputs for support vector machines", 1999) and one offset for each, drawn towards a common one, so
that a handful of frames suffices. A free curve through the shares (isotonic regression) needs
hundreds of points a keypoint before it scatters less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.model.metadata import Calibration

#: Confidences are kept this far from 0 and 1, where the logit is infinite.
_MARGIN = 1e-3
#: The table is linear between the raw confidences at these logits.
_LOGITS = np.linspace(np.log(_MARGIN / (1 - _MARGIN)), -np.log(_MARGIN / (1 - _MARGIN)), 29)
#: Variances of the normal priors: of the slope about 1, of the common offset, and of each
#: keypoint's offset about the common one.
_PRIOR_SLOPE, _PRIOR_OFFSET, _PRIOR_KEYPOINT = 1.0, 9.0, 1.0
#: Points below which a model keeps its raw confidence.
FEWEST_POINTS = 20


def fit_calibration(
    confidence: ArrayLike, errors: ArrayLike, radius: float, frame_size: tuple[int, int]
) -> Calibration | None:
    """A table for `calibrate` that turns raw confidence into the chance of a small error.

    Parameters
    ----------
    confidence : (N, K) array of float
        Raw, in [0, 1].
    errors : (N, K) array of float
        Of the same points in video pixels, on frames that the model was not trained on; NaN where
        there is no label.
    radius : float
        Video pixels within which a point counts as right.
    frame_size : (H, W)
        Of the videos that the radius belongs to.

    Returns
    -------
    Calibration or None
        One rising table a keypoint, with ``radius``, ``frame_size`` and the number of ``points``;
        None with fewer than `FEWEST_POINTS` of them.
    """
    raw = np.asarray(confidence, dtype=np.float64)
    distance = np.asarray(errors, dtype=np.float64)
    judged = ~np.isnan(distance)
    points = int(judged.sum())
    if points < FEWEST_POINTS:
        return None
    keypoint = np.nonzero(judged)[1]
    slope, offsets = _fit(_logit(raw[judged]), distance[judged] <= radius, keypoint, raw.shape[1])
    # np.interp is flat beyond the ends of the table.
    x = 1 / (1 + np.exp(-_LOGITS))
    tables = [
        {"x": x.tolist(), "y": (1 / (1 + np.exp(-(offset + slope * _LOGITS)))).tolist()}
        for offset in offsets
    ]
    return {
        "keypoints": tables,
        "radius": float(radius),
        "frame_size": [int(side) for side in frame_size],
        "points": points,
    }


def default_radius(frame_size: tuple[int, int]) -> float:
    """The radius that confidence is about unless another is asked for: 1 % of the diagonal.

    In whole pixels; 11 for frames of 864 x 646, which is a tenth of a mouse's eye in a close-up
    of its face, the measure of the seed project.
    """
    return float(max(1, round(0.01 * float(np.hypot(*frame_size)))))


def _fit(
    x: NDArray[np.float64], right: NDArray[np.bool_], keypoint: NDArray[np.intp], count: int
) -> tuple[float, NDArray[np.float64]]:
    """Slope and offset of each keypoint: the mode of the posterior, by Newton's method."""
    design = np.zeros((len(x), 2 + count))
    design[:, 0], design[:, 1] = x, 1.0
    design[np.arange(len(x)), 2 + keypoint] = 1.0
    centre = np.zeros(2 + count)
    centre[0] = 1.0
    precision = np.concatenate(
        [[1 / _PRIOR_SLOPE, 1 / _PRIOR_OFFSET], np.full(count, 1 / _PRIOR_KEYPOINT)]
    )
    weights = _newton(design, right.astype(float), centre, precision)
    if weights[0] < 0:
        # A model that is right where it is unsure: then confidence says nothing, rather than less.
        rest = _newton(design[:, 1:], right.astype(float), centre[1:], precision[1:])
        weights = np.concatenate([[0.0], rest])
    return float(weights[0]), weights[1] + weights[2:]


def _newton(
    design: NDArray[np.float64],
    right: NDArray[np.float64],
    centre: NDArray[np.float64],
    precision: NDArray[np.float64],
) -> NDArray[np.float64]:
    def loss(weights: NDArray[np.float64]) -> float:
        score = design @ weights
        likelihood = np.logaddexp(0.0, score) - right * score
        return float(likelihood.sum() + (precision * (weights - centre) ** 2).sum() / 2)

    weights = centre.copy()
    value = loss(weights)
    for _ in range(100):
        share = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        gradient = design.T @ (share - right) + precision * (weights - centre)
        curvature = (design * (share * (1 - share))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        # The loss is convex, and a Newton step that is too long is halved.
        while loss(weights - step) > value and np.abs(step).max() > 1e-9:
            step /= 2
        weights -= step
        value = loss(weights)
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _logit(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(confidence, _MARGIN, 1 - _MARGIN)
    return np.log(clipped / (1 - clipped))
