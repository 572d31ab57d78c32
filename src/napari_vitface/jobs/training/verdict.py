"""What a training achieved, on frames that it did not see: figures, and one plain sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.results.evaluation import Comparison, Confidence
from napari_vitface.pose.bootstrap import Gain, chance_calibration_error, intervals, paired_gain
from napari_vitface.pose.metrics import (
    Figures,
    calibration_error,
    confidence_bins,
    figures,
    pixel_errors,
)
from napari_vitface.words import counted


@dataclass(frozen=True)
class Judged:
    """Frames that judge, with what several predictors say about them; all in video pixels.

    Attributes
    ----------
    names : tuple of str
        The K keypoints.
    truth : (N, K, 2) array
        Labels, NaN where there is none.
    sizes : (N, 2) array
        Height and width of each frame.
    """

    names: tuple[str, ...]
    truth: NDArray[np.float64]
    sizes: NDArray[np.int64]

    def figures(self, predicted: NDArray[np.float64]) -> Figures:
        """`napari_vitface.pose.metrics.figures` with intervals of the errors."""
        whole = np.broadcast_to(predicted, self.truth.shape)
        errors = pixel_errors(whole, self.truth)
        found = figures(whole, self.truth, self.names, self.sizes)
        return replace(found, intervals=intervals(errors))

    def gain(
        self, before: NDArray[np.float64], after: NDArray[np.float64], columns: Any = slice(None)
    ) -> Gain:
        """By how much `after` is nearer to the labels than `before`, for some keypoints."""
        return paired_gain(
            pixel_errors(np.broadcast_to(before, self.truth.shape), self.truth)[:, columns],
            pixel_errors(np.broadcast_to(after, self.truth.shape), self.truth)[:, columns],
        )


def compare(
    judged: Judged, before: NDArray[np.float64], after: NDArray[np.float64], than: str
) -> Comparison:
    """The verdict on a change, with a sentence, and the same for each keypoint.

    Parameters
    ----------
    judged : Judged
    before, after : (N, K, 2) arrays
        Points that both predict count; NaN in `before` where it knows no such keypoint.
    than : str
        What `before` is, as it stands in a sentence: "mouse-face", "the mean pose".
    """
    whole = judged.gain(before, after)
    return Comparison(
        **vars(whole),
        than=than,
        sentence=sentence(whole, than),
        per_keypoint={name: judged.gain(before, after, [k]) for k, name in enumerate(judged.names)},
    )


def sentence(gain: Gain, than: str) -> str:
    """A verdict in plain words."""
    if gain.gain is None or gain.before is None or gain.after is None:
        return f"There is no point by which it could be compared with {than}."
    judged = f"on {counted(gain.frames, 'frame')} kept apart ({counted(gain.points, 'point')})"
    moved = f"the mean error is {_px(gain.after)} pixels, and that of {than} {_px(gain.before)}"
    if gain.interval is None:
        return (
            f"{judged.capitalize()} {moved}. These are too few frames to tell a gain from chance; "
            "label some more."
        )
    low, high = gain.interval
    span = f"(95 % interval of the gain {_px(low)} to {_px(high)} pixels)"
    if gain.better is None:
        return f"{judged.capitalize()} {moved}: no more than chance could do {span}."
    word = "better" if gain.better else "worse"
    return f"{judged.capitalize()} {moved}: {word} by more than chance {span}."


def _px(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def calibration_figures(
    confidence: NDArray[np.float32],
    errors: NDArray[np.float64],
    radius: float | None,
    limits: NDArray[np.float64] | None,
) -> Confidence:
    """How true confidence is, and the error against it.

    Parameters
    ----------
    confidence, errors : (N, K) arrays
        Errors in video pixels; NaN where there is no label.
    radius : float, optional
        Distance that confidence is about, in the usual frame.
    limits : (N, 1) array, optional
        The same in each frame.
    """
    bins = confidence_bins(confidence, errors, limits)
    judged = ~np.isnan(errors)
    found = Confidence(
        radius=radius,
        calibration_error=None,
        calibration_error_by_chance=None,
        confidence_bins=bins,
    )
    if limits is None or not judged.any():
        return found
    limit = np.broadcast_to(np.asarray(limits, dtype=np.float64), errors.shape)
    sure = confidence[judged]
    return replace(
        found,
        calibration_error=calibration_error(sure, errors[judged] <= limit[judged]),
        calibration_error_by_chance=chance_calibration_error(sure, calibration_error),
    )


def aligned(
    xy: NDArray[np.float64], names: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.float64]:
    """Points of keypoints `names` as those of `wanted`; NaN for names that are not there."""
    result = np.full((len(xy), len(wanted), 2), np.nan)
    for k, name in enumerate(wanted):
        if name in names:
            result[:, k] = xy[:, list(names).index(name)]
    return result
