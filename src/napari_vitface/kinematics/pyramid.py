"""Minima and maxima of a long trace at several scales, so that any stretch is drawn at once.

A line of a million samples on a thousand pixels looks the same as, in each pixel column, a stroke
from the smallest to the largest sample. A `Pyramid` keeps these two for runs of 32 frames, of 128,
of 512 and so on; a stretch is then drawn from the coarsest level that is still finer than a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

#: Gives the float32 samples of frames start to stop (exclusive).
Read = Callable[[int, int], NDArray[np.float32]]

#: Frames that `build` reads at once; a multiple of all but the coarsest levels' bins.
_BLOCK = 1 << 14


class Pyramid:
    """Minima and maxima of one trace; NaN where nothing is known or all samples are missing.

    Parameters
    ----------
    length : int
        Number of samples.
    finest : int
        Samples in a bin of the lowest level.
    factor : int
        Bins of one level in a bin of the next.
    """

    def __init__(self, length: int, finest: int = 32, factor: int = 4) -> None:
        self.length = length
        self.finest = finest
        self.factor = factor
        #: (2, bins) float32 each: minima and maxima.
        self.levels: list[NDArray[np.float32]] = []
        bins = -(-length // finest)
        while True:
            self.levels.append(np.full((2, bins), np.nan, dtype=np.float32))
            if bins <= 1:
                break
            bins = -(-bins // factor)

    def fill(self, start: int, samples: NDArray[np.float32]) -> None:
        """Take in the samples from `start` on, again if they were known.

        `start` is a multiple of `finest`, and so is the number of samples, unless they reach to the
        end of the trace.
        """
        stop = start + len(samples)
        if start % self.finest or (stop % self.finest and stop != self.length):
            raise ValueError(f"samples {start} to {stop} do not fill bins of {self.finest}")
        first, last = start // self.finest, -(-stop // self.finest)
        self.levels[0][:, first:last] = _reduced(samples, samples, self.finest)
        for below, level in zip(self.levels, self.levels[1:], strict=False):
            first, last = first // self.factor, -(-last // self.factor)
            children = below[:, first * self.factor : last * self.factor]
            level[:, first:last] = _reduced(children[0], children[1], self.factor)

    def envelope(
        self, start: int, stop: int, columns: int, read: Read
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """A line that looks like the samples from `start` to `stop` on so many pixel columns.

        Parameters
        ----------
        start, stop : int
            Frames; cut to the trace.
        columns : int
            Pixel columns that the frames are spread over.
        read : callable
            Gives samples, for stretches that are finer than the lowest level.

        Returns
        -------
        x, y : (N,) arrays
            Frames and values of the line's corners, at most about six a column; NaN where the
            line is interrupted. All samples in the stretch lie between its lowest and highest
            corner, and these are samples (of the stretch, or of the bins at its ends).
        """
        start, stop = max(0, start), min(stop, self.length)
        if stop <= start:
            return np.empty(0), np.empty(0, dtype=np.float32)
        per_column = (stop - start) / max(1, columns)
        if per_column < 2:
            return _plain(start, read(start, stop))
        level, size = None, 1
        for index in range(len(self.levels)):
            if self.finest * self.factor**index <= per_column:
                level, size = index, self.finest * self.factor**index
        together = int(per_column // size)
        # Bins begin at multiples of their size, or they would flicker as the stretch moves.
        size *= together
        first, last = start // size, -(-stop // size)
        if level is None:
            samples = read(first * size, min(last * size, self.length))
            low, high = _reduced(samples, samples, size)
        else:
            bins = self.levels[level][:, first * together : last * together]
            low, high = _reduced(bins[0], bins[1], together)
        x = np.empty(2 * len(low))
        middle = (np.arange(len(low)) + first + 0.5) * size - 0.5
        # Apart, so that a column of one value is a short stroke and not nothing.
        x[0::2], x[1::2] = middle - 0.25 * size, middle + 0.25 * size
        y = np.empty(2 * len(low), dtype=np.float32)
        y[0::2], y[1::2] = low, high
        return x, y


def build(
    pyramids: Sequence[tuple[Pyramid, Read]],
    start: int = 0,
    stop: int | None = None,
    on_block: Callable[[int], None] | None = None,
) -> None:
    """Fill pyramids of equal length from the samples of frames `start` to `stop`, block by block.

    Together, because traces of one table lie interleaved in memory: a block of the table is fetched
    once for all of them. `on_block` is told the frame that all is known up to; what it raises ends
    the building.
    """
    if not pyramids:
        return
    length, finest = pyramids[0][0].length, pyramids[0][0].finest
    stop = length if stop is None else min(stop, length)
    start = start // finest * finest
    while start < stop:
        end = min((start // _BLOCK + 1) * _BLOCK, length)
        if end > stop:
            end = min(-(-stop // finest) * finest, length)
        for pyramid, read in pyramids:
            pyramid.fill(start, read(start, end))
        start = end
        if on_block is not None:
            on_block(end)


def _reduced(low: NDArray[np.float32], high: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(2, N) least of `low` and greatest of `high` in runs of `size`; the last may be shorter."""
    whole = len(low) // size * size
    bins = -(-len(low) // size)
    result = np.empty((2, bins), dtype=np.float32)
    full = whole // size
    np.fmin.reduce(low[:whole].reshape(full, size), axis=1, out=result[0, :full])
    np.fmax.reduce(high[:whole].reshape(full, size), axis=1, out=result[1, :full])
    if full < bins:
        result[0, full] = np.fmin.reduce(low[whole:])
        result[1, full] = np.fmax.reduce(high[whole:])
    return result


def _plain(
    start: int, samples: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The samples themselves; one that stands alone becomes a stroke, as a dot is no line."""
    there = np.isfinite(samples)
    x = np.arange(start, start + len(samples), dtype=np.float64)
    neighbours = np.zeros(len(there), dtype=bool)
    neighbours[1:] |= there[:-1]
    neighbours[:-1] |= there[1:]
    alone = np.flatnonzero(there & ~neighbours)
    if not alone.size:
        return x, samples
    y = np.insert(samples, alone, samples[alone])
    x = np.insert(x, alone, x[alone])
    # Each insertion moved the ones after it.
    first = alone + np.arange(len(alone))
    x[first] -= 0.4
    x[first + 1] += 0.4
    return x, y
