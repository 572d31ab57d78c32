"""Frames of recordings that are compared: which, with which labels, by which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.features.file import THINNED, FeatureFile, thinned_rows

#: Onset and offset (the first frame after it) of each interval of a label.
Intervals = Mapping[str, Sequence[Sequence[int]]]
#: What features are of, that have to be the same to be compared.
_ALIKE = ("feature", "layout", "model")


@dataclass(frozen=True)
class Compared:
    """Some frames of a recording, or of several, one after the other.

    Attributes
    ----------
    frames : (n,) int64
        Increasing in each recording.
    values : (n, D) float32
        See `Comparable`. NaN rows are of frames without features.
    labels : (n,) array of str
        Empty for frames outside of all intervals.
    source : (n,) int16
        Which recording each is of.
    """

    frames: NDArray[np.int64]
    values: NDArray[np.float32]
    labels: NDArray[np.str_]
    source: NDArray[np.int16]


def compared(recordings: Sequence[tuple[FeatureFile, Intervals]], most: int = THINNED) -> Compared:
    """Frames to compare: evenly spread ones, and up to as many again within the intervals.

    An hour has some hundred frames of an event among a million, of which few would be seen
    otherwise. Each label has the same share of them, and each recording.

    Raises
    ------
    VitFaceError
        Features of several recordings were not made alike.
    """
    first = recordings[0][0]
    for file, _ in recordings[1:]:
        if any(file.about.get(key) != first.about.get(key) for key in _ALIKE):
            raise VitFaceError(
                f"The features in {file.path.name} were not made as those in {first.path.name}: "
                "their settings, model or size of the crop differ; compute them alike, or compare "
                "one video alone."
            )
    chosen = [_chosen(file, spans, most // len(recordings)) for file, spans in recordings]
    # By the evenly spread ones, so that events that are sampled more often weigh no more.
    spread = np.concatenate([file.thinned()[1] for file, _ in recordings])
    scale = Comparable.of(spread, mixed=first.kind.mixed)
    labels = [
        frame_labels(frames, spans)
        for (frames, _), (_, spans) in zip(chosen, recordings, strict=True)
    ]
    counts = [len(frames) for frames, _ in chosen]
    return Compared(
        np.concatenate([frames for frames, _ in chosen]),
        scale(np.concatenate([values for _, values in chosen])),
        np.concatenate(labels),
        np.repeat(np.arange(len(recordings), dtype=np.int16), counts),
    )


def _chosen(
    file: FeatureFile, intervals: Intervals, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
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
    return frames, values


@dataclass(frozen=True)
class Comparable:
    """Makes features comparable; called with rows (N, D) it gives others of the same shape.

    A number that a frame lacks (a keypoint was not seen) is the median of that number; frames that
    lack all stay NaN.

    Attributes
    ----------
    middle : (D,) float32
        Medians.
    mean, spread : (D,) float32
        What each number is brought to 0 and 1 by.
    """

    middle: NDArray[np.float32]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, values: NDArray[np.float32], *, mixed: bool) -> Comparable:
        """As rows (N, D) want it.

        If `mixed`, each number is brought to mean 0 and standard deviation 1; those that are always
        the same become 0.
        """
        width = values.shape[1]
        seen = np.isfinite(values)
        some = seen.any(axis=0)
        middle = np.zeros(width, np.float32)
        middle[some] = np.nanmedian(np.where(seen, values, np.nan)[:, some], axis=0)
        if not mixed:
            return cls(middle, np.zeros(width, np.float32), np.ones(width, np.float32))
        rows = np.where(seen, values, middle)[seen.any(axis=1)]
        spread = rows.std(axis=0)
        return cls(middle, rows.mean(axis=0), np.where(spread > 0, spread, 1))

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = np.isfinite(values)
        scaled = (np.where(seen, values, self.middle) - self.mean) / self.spread
        scaled[~seen.any(axis=1)] = np.nan
        return scaled.astype(np.float32)


def comparable(values: NDArray[np.float32], *, mixed: bool) -> NDArray[np.float32]:
    """Features as `Comparable` makes them comparable with each other."""
    return Comparable.of(values, mixed=mixed)(values)


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
