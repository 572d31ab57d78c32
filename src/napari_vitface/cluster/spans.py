"""How the frames of videos are cut into spans, one a task.

Positions count the frames of a run, which need not be all frames of the video. A run on one
machine takes the first frame alone and then full batches (`napari_vitface.jobs.frame_batches`);
spans are whole numbers of these batches, so that every frame goes through the model in the company
that it has there, and its points are the same to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: First position, and the one behind the last.
Span = tuple[int, int]

#: Spans for each worker.
_EACH = 32
#: Spans for each worker that are left at any time: those of the end are the shorter for it, so that
#: no worker has one for long when the others have nothing.
_LEFT = 4
#: Seconds of a span: in shorter ones opening the video counts, and longer ones are much to lose.
_SHORTEST, _LONGEST = 10.0, 600.0
#: Spans of one video at most: each stands in the table's metadata, which HDF5 keeps in 64 KiB.
_MOST = 1200


def possible_starts(frames: range, key_frames: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
    """(N,) Positions where a span may begin: the first batch at or behind each key frame.

    The decoder begins at the key frame, so that less than a batch is decoded in vain.
    """
    # Of a key frame, the position of the first frame of the run that is not before it.
    behind = -((frames.start - key_frames) // frames.step)
    behind = behind[(behind >= 0) & (behind < len(frames))]
    # Batches begin at 0, 1, 1 + batch, 1 + 2 * batch, ...
    starts = np.where(behind > 0, 1 + -(-(behind - 1) // batch) * batch, 0)
    return np.unique(np.append(starts[starts < len(frames)], 0))


def seconds_of_span(seconds: float, workers: int) -> float:
    """How long a span should take, of work that takes one worker so long in all."""
    return float(np.clip(seconds / (max(workers, 1) * _EACH), _SHORTEST, _LONGEST))


def shorter_to_the_end(
    spans: Sequence[tuple[str, Span]],
    starts: Mapping[str, NDArray[np.int64]],
    seconds: Mapping[str, float],
    workers: int,
) -> list[tuple[str, Span]]:
    """Cut the last ones of the spans of several videos again (guided self-scheduling).

    Parameters
    ----------
    spans : sequence of (video, span)
        In the order in which they are handed out.
    starts : mapping
        Of each video, where spans may begin.
    seconds : mapping
        Of each video, what a frame takes; 0 where that is not known.
    """
    left = sum(seconds[key] * (stop - first) for key, (first, stop) in spans)
    total = Counter[str]()
    for key, (first, stop) in spans:
        total[key] += stop - first
    found: list[tuple[str, Span]] = []
    for key, span in spans:
        frames = span[1] - span[0]
        if not seconds[key]:
            found.append((key, span))
            continue
        target = max(left / (max(workers, 1) * _LEFT), _SHORTEST)
        size = max(target / seconds[key], total[key] / _MOST)
        found += [(key, each) for each in cut([span], starts[key], size)]
        left -= seconds[key] * frames
    return found


def gaps(done: Sequence[Span], total: int) -> list[Span]:
    """What is left of `total` positions."""
    found, position = [], 0
    for first, stop in sorted(done):
        if first > position:
            found.append((position, first))
        position = max(position, stop)
    if position < total:
        found.append((position, total))
    return found


def cut(left: Sequence[Span], starts: NDArray[np.int64], size: float) -> list[Span]:
    """Cut what is left into spans of about `size` frames that begin at some of `starts`."""
    size = max(size, sum(stop - first for first, stop in left) / _MOST, 1)
    spans: list[Span] = []
    for first, stop in left:
        inside = starts[(starts > first) & (starts < stop)]
        count = max(1, round((stop - first) / size))
        # As even as the places allow.
        wanted = first + np.arange(1, count) * (stop - first) / count
        ends = [first, *_nearest(inside, wanted), stop]
        spans += pairwise(ends)
    return spans


def _nearest(places: NDArray[np.int64], wanted: NDArray[np.float64]) -> list[int]:
    if not len(places) or not len(wanted):
        return []
    right = np.clip(np.searchsorted(places, wanted), 0, len(places) - 1)
    left = np.clip(right - 1, 0, None)
    nearer = np.where(wanted - places[left] <= places[right] - wanted, left, right)
    return [int(place) for place in np.unique(places[nearer])]
