"""What speaks for looking at a frame: signs of doubt in its pose, each with its reason in words.

All scores are in [0, 1]. A score of `SPEAKS` is where a sign begins to be worth a word; below it,
it only orders frames that nothing else tells apart. Distances are in pixels of the video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Confidence below which a point is doubtful.
UNSURE = 0.6
#: Score from which a sign is named.
SPEAKS = 0.25
#: Share of the frame's diagonal below which no movement is odd.
_STILL = 0.01
#: A jump is this many robust standard deviations above the usual step.
_JUMP = 8.0
#: Much moves where motion energy is this many robust standard deviations above the usual one.
_LIVELY = 4.0
#: A point moves oddly under a change of the image if it does so this much more than usual.
_ODD = 3.0
#: Keypoints named in one reason.
_NAMED = 2


@dataclass(frozen=True)
class Sign:
    """One kind of doubt about N frames.

    Attributes
    ----------
    score : (N,) float64
        In [0, 1].
    reasons : tuple of N str
        In words; empty where the score is below `SPEAKS`.
    """

    score: NDArray[np.float64]
    reasons: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> Sign:
        """What is said of some of the frames."""
        return Sign(self.score[rows], tuple(self.reasons[row] for row in rows))


def no_sign(count: int) -> Sign:
    """Nothing speaks for any of the frames."""
    return Sign(np.zeros(count), ("",) * count)


def low_confidence(confidence: NDArray[np.floating], names: Sequence[str]) -> Sign:
    """Points that the model is unsure of, and less sure than it usually is of this keypoint.

    Parameters
    ----------
    confidence : (N, K) array
        NaN where nothing was predicted.
    names : sequence of K str
    """
    usual = np.fmin(UNSURE, _median(confidence))
    short = np.nan_to_num(np.clip(1 - confidence / np.maximum(usual, 1e-6), 0, 1))
    # The worst point counts most; others make a frame worth more, for it teaches more.
    score = 0.7 * short.max(axis=1) + 0.3 * short.mean(axis=1)
    reasons = []
    for row, value in zip(np.nan_to_num(confidence, nan=1.0), score, strict=True):
        below = [int(k) for k in np.argsort(row, kind="stable") if row[k] < UNSURE]
        named = [f"{names[k]} at {row[k]:.2f}" for k in below[:_NAMED]]
        reasons.append(f"low confidence: {_listed(named, below)}" if value >= SPEAKS else "")
    return Sign(score, tuple(reasons))


def jumps(
    frames: NDArray[np.int64],
    xy: NDArray[np.floating],
    confidence: NDArray[np.floating],
    names: Sequence[str],
    diagonal: float,
) -> Sign:
    """Points that move much farther from one frame to the next than they usually do.

    Of the two frames of a jump, the one whose point is less sure is blamed.

    Parameters
    ----------
    frames : (N,) array
        Increasing; only frames that follow each other are compared.
    xy : (N, K, 2) array
    confidence : (N, K) array
    names : sequence of K str
    diagonal : float
        Of the frame.
    """
    count = len(frames)
    if count < 2:
        return no_sign(count)
    step = np.hypot(*np.moveaxis(np.diff(xy.astype(np.float64), axis=0), -1, 0))
    step[np.diff(frames) != 1] = np.nan
    usual = _median(step)
    limit = np.fmax(usual + _JUMP * 1.4826 * _median(np.abs(step - usual)), _STILL * diagonal)
    ratio = np.nan_to_num(step / limit)
    earlier = np.nan_to_num(confidence[:-1]) < np.nan_to_num(confidence[1:])
    blamed = np.zeros((count, len(names)))
    pixels = np.zeros((count, len(names)))
    for rows, mask in ((slice(0, -1), earlier), (slice(1, None), ~earlier)):
        there = np.where(mask, ratio, 0.0)
        pixels[rows] = np.where(there > blamed[rows], np.nan_to_num(step), pixels[rows])
        blamed[rows] = np.maximum(blamed[rows], there)
    return _moved(blamed, pixels, names, lambda name, moved: f"{name} jumps by {moved:.0f} px")


def lively(energy: NDArray[np.floating], regions: Sequence[str]) -> Sign:
    """Frames in which much more moves than usual, so that pictures blur and poses are rare.

    Parameters
    ----------
    energy : (N, R) array
        Motion energy of each region, in grey levels; NaN where it is not known.
    regions : sequence of R str
        Empty for the whole frame.
    """
    usual = _median(energy)
    limit = np.fmax(usual + _LIVELY * 1.4826 * _median(np.abs(energy - usual)), 1e-6)

    def words(region: str, level: float) -> str:
        return f"much moves{f' in {region}' if region else ''} ({level:.1f} grey levels)"

    return _moved(np.nan_to_num(energy / limit), np.nan_to_num(energy), regions, words)


def disagreement(
    moved: NDArray[np.floating], changes: Sequence[str], names: Sequence[str], diagonal: float
) -> Sign:
    """Points that the model puts elsewhere when the image is changed a little.

    Parameters
    ----------
    moved : (V, N, K) array
        How far each change of the image moves each point, mapped back.
    changes : sequence of V str
        "shifted", "shrunk", "darkened", as they follow "when the image is".
    names : sequence of K str
    diagonal : float
        Of the frame.
    """
    most = np.nan_to_num(moved.max(axis=0))
    which = np.nan_to_num(moved).argmax(axis=0)
    limit = np.fmax(_ODD * _median(most), _STILL * diagonal)
    ratio = most / limit
    worst = ratio.argmax(axis=1)
    change = [changes[which[row, k]] for row, k in enumerate(worst)]
    sign = _moved(ratio, most, names, lambda name, far: f"{name} moves by {far:.0f} px")
    reasons = [
        f"{reason} when the image is {how}" if reason else ""
        for reason, how in zip(sign.reasons, change, strict=True)
    ]
    return Sign(sign.score, tuple(reasons))


def unlike(distances: NDArray[np.floating], usual: float) -> Sign:
    """Frames whose features are far from those of all labelled frames.

    Parameters
    ----------
    distances : (N,) array
        To the nearest labelled frame, between features.
    usual : float
        What two frames of this video are usually apart.
    """
    score = np.clip(distances / max(usual, 1e-9) * SPEAKS, 0, 1).astype(np.float64)
    reasons = tuple("looks unlike labelled frames" if s >= SPEAKS else "" for s in score)
    return Sign(score, reasons)


def together(signs: Sequence[Sign], weights: Sequence[float]) -> NDArray[np.float64]:
    """One score of several signs: each adds to what the others leave open."""
    rest = np.ones_like(signs[0].score)
    for sign, weight in zip(signs, weights, strict=True):
        rest *= 1 - weight * sign.score
    return 1 - rest


def _moved(
    ratio: NDArray[np.float64],
    pixels: NDArray[np.floating],
    names: Sequence[str],
    words: Callable[[str, float], str],
) -> Sign:
    """Of distances relative to their limits: at the limit, a movement begins to speak."""
    score = np.clip(ratio * SPEAKS, 0, 1).max(axis=1)
    reasons = []
    for row, value in enumerate(score):
        k = int(ratio[row].argmax())
        reasons.append(words(names[k], float(pixels[row, k])) if value >= SPEAKS else "")
    return Sign(score, tuple(reasons))


def _median(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Median of each column over the rows that have a value; NaN for a column without any."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([np.median(column) if column.size else np.nan for column in columns])


def _listed(named: list[str], all_of_them: list[int]) -> str:
    rest = len(all_of_them) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")
