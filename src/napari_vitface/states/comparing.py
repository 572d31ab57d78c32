"""Frames of a recording that are compared: which, with which labels, by which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.features.file import THINNED, FeatureFile, thinned_rows

#: Onset and offset (the first frame after it) of each interval of a label.
Intervals = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Compared:
    """Some frames of a recording.

    Attributes
    ----------
    frames : (n,) int64
        Increasing.
    values : (n, D) float32
        Comparable: see `comparable`. NaN rows are of frames without features.
    labels : (n,) array of str
        Empty for frames outside of all intervals.
    """

    frames: NDArray[np.int64]
    values: NDArray[np.float32]
    labels: NDArray[np.str_]


def compared(file: FeatureFile, intervals: Intervals, most: int = THINNED) -> Compared:
    """Frames to compare: evenly spread ones, and up to as many again within the intervals.

    An hour has some hundred frames of an event among a million, of which few would be seen
    otherwise. Each label has the same share of them.
    """
    frames, values = file.thinned()
    if len(frames) > most:
        kept = thinned_rows(len(frames), most)
        frames, values = frames[kept], values[kept]
    known = np.asarray(file.frames)
    wanted = [frames[:0]]
    for spans in intervals.values():
        inside = known[np.flatnonzero(_within(known, spans))]
        wanted.append(inside[thinned_rows(len(inside), most // len(intervals))])
    more = np.setdiff1d(np.concatenate(wanted), frames)
    if len(more):
        values = np.concatenate([values, file.at(more)])
        frames = np.concatenate([frames, more])
        order = np.argsort(frames)
        frames, values = frames[order], values[order]
    return Compared(
        frames, comparable(values, mixed=file.kind.mixed), frame_labels(frames, intervals)
    )


def comparable(values: NDArray[np.float32], *, mixed: bool) -> NDArray[np.float32]:
    """Features whose rows can be compared.

    A number that a frame lacks (a keypoint was not seen) is the median of that number; frames that
    lack all stay NaN. If `mixed`, each number is brought to mean 0 and standard deviation 1; those
    that are always the same become 0.
    """
    whole = np.isfinite(values).any(axis=1)
    seen = values[whole]
    gaps = ~np.isfinite(seen)
    if gaps.any():
        seen = np.where(gaps, np.nan, seen)
        some = ~gaps.all(axis=0)
        middle = np.zeros(seen.shape[1], np.float32)
        middle[some] = np.nanmedian(seen[:, some], axis=0)
        seen = np.where(gaps, middle, seen)
    if mixed and len(seen):
        spread = seen.std(axis=0)
        seen = (seen - seen.mean(axis=0)) / np.where(spread > 0, spread, 1)
    result = np.full_like(values, np.nan)
    result[whole] = seen
    return result


def frame_labels(frames: NDArray[np.int64], intervals: Intervals) -> NDArray[np.str_]:
    """The label (N,) of each frame; where several hold, the one that is named first."""
    found = np.full(len(frames), "", dtype=f"<U{max(map(len, intervals), default=1)}")
    for name, spans in reversed([*intervals.items()]):
        found[_within(frames, spans)] = name
    return found


def _within(frames: NDArray[np.int64], spans: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(frames), np.bool_)
    for onset, offset in spans:
        # Frames increase, so that each interval is a piece of them.
        first, last = np.searchsorted(frames, (onset, offset))
        inside[first:last] = True
    return inside
