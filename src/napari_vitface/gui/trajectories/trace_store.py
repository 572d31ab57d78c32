"""Traces of the poses on screen, ready to be drawn at any zoom; built off the main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.kinematics import Pyramid, Trace, build
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session

#: Samples (frames times traces) that are gone through at once rather than in the background.
_AT_ONCE = 1_000_000

#: Standard deviations to each side that a band of uncertainty reaches: 95 %.
_WIDTH = 1.96

#: Samples that the middle of a trace is estimated from.
_SAMPLED = 2000


class _Outdated(Exception):
    """Ends the building of what is not wanted any more."""


def untracked(count: int) -> PoseTable:
    """A table of frames in which nothing was tracked, over which other traces are plotted."""
    return PoseTable.empty(KeypointSet(("nothing tracked",)), count)


class TraceStore:
    """Pyramids of the traces of one table.

    Parameters
    ----------
    session : Session
        Its background threads do the work.
    changed : callable
        Called, on the main thread, when there is more to draw.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self.table = untracked(0)
        self.times: NDArray[np.float64] | None = None
        self._pyramids: dict[Trace, Pyramid] = {}
        self._middles: dict[Trace, float | None] = {}
        self._wanted: list[Trace] = []
        #: First and last frame (exclusive) that changed since a trace was built.
        self._stale: dict[Trace, tuple[int, int]] = {}
        self._generation = 0
        self._working = False
        #: Of the lower and the upper edge of bands, if the table has any.
        self._edges: list[TraceStore] = []

    def set_table(
        self,
        table: PoseTable,
        times: NDArray[np.float64] | None,
        variance: NDArray[np.float32] | None = None,
    ) -> None:
        """Draw from another table, whose row i is frame i, and times of its rows in seconds.

        `variance` (T, K, 2) is that of its positions, drawn as a band.
        """
        self.table = table
        self.times = times
        self._edges = []
        if variance is not None:
            away = np.float32(_WIDTH) * np.sqrt(variance)
            for xy in (table.xy - away, table.xy + away):
                edge = TraceStore(self._session, self._changed)
                edge.set_table(PoseTable(table.keypoints, xy), times)
                self._edges.append(edge)
        self._generation += 1
        self._working = False
        self._pyramids.clear()
        self._middles.clear()
        self._stale.clear()
        self.want(self._wanted)

    def want(self, traces: Iterable[Trace]) -> None:
        """See to it that these can be drawn."""
        self._wanted = list(traces)
        for edge in self._edges:
            edge.want([trace for trace in self._wanted if trace.kind in ("x", "y")])
        for trace in self._wanted:
            if trace not in self._pyramids and trace.fits(self.table):
                self._pyramids[trace] = Pyramid(len(self.table))
                self._stale[trace] = (0, len(self.table))
        self._work()

    def touched(self, start: int, stop: int) -> None:
        """Rows of the table from `start` to `stop` have new values."""
        # The speed in the next frame depends on them, too.
        stop += 1
        for trace in self._pyramids:
            first, last = self._stale.get(trace, (start, stop))
            self._stale[trace] = (min(first, start), max(last, stop))
            self._middles.pop(trace, None)

    def catch_up(self) -> None:
        """Take in what `touched` told of."""
        self._work()

    @property
    def building(self) -> bool:
        """Whether some of what is wanted is still being gone through."""
        return self._working

    def envelope(
        self, trace: Trace, start: int, stop: int, columns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Corners of the line that shows a trace from frame `start` to `stop`; see `Pyramid`."""
        pyramid = self._pyramids.get(trace)
        if pyramid is None:
            return np.empty(0), np.empty(0, dtype=np.float32)
        return pyramid.envelope(start, stop, columns, self._reader(trace))

    def band(
        self, trace: Trace, start: int, stop: int, columns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Corners of the outlines of where a position is with 95 %, one for each run of frames.

        NaN stands between two outlines; there is none where no variance is known.
        """
        if not self._edges or trace.kind not in ("x", "y"):
            return np.empty(0), np.empty(0, dtype=np.float32)
        (x, low), (_, high) = (edge.envelope(trace, start, stop, columns) for edge in self._edges)
        x = np.where(np.isfinite(low), x, np.nan)
        gaps = np.flatnonzero(np.isnan(x))
        runs = [part[np.isfinite(x[part])] for part in np.split(np.arange(len(x)), gaps)]
        runs = [run for run in runs if len(run) > 1]
        outline_x = [np.append(np.concatenate([x[run], x[run[::-1]]]), np.nan) for run in runs]
        outline_y = [
            np.append(np.concatenate([low[run], high[run[::-1]]]), np.float32(np.nan))
            for run in runs
        ]
        if not runs:
            return np.empty(0), np.empty(0, dtype=np.float32)
        return np.concatenate(outline_x), np.concatenate(outline_y)

    def middle(self, trace: Trace) -> float | None:
        """About the median of a position over the whole video; None if it has no values."""
        if trace not in self._middles:
            values = np.empty(0, dtype=np.float32)
            table = self.table
            if trace.fits(table) and len(table):
                rows = np.unique(np.linspace(0, len(table) - 1, _SAMPLED).astype(np.int64))
                columns = [table.keypoints.index(name) for name in trace.keypoints]
                values = trace.measure(table.xy[rows][:, columns])
            values = values[np.isfinite(values)]
            self._middles[trace] = float(np.median(values)) if values.size else None
        return self._middles[trace]

    # ----------------------------------------------------------------- building

    def _reader(self, trace: Trace) -> Callable[[int, int], NDArray[np.float32]]:
        table, times = self.table, self.times
        return lambda start, stop: trace.values(table, start, stop, times)

    def _work(self) -> None:
        """Build what is stale, here if it is little and otherwise on a thread, one at a time."""
        wanted = set(self._wanted)
        todo = {trace: span for trace, span in self._stale.items() if trace in wanted}
        if self._working or not todo:
            return
        for trace in todo:
            del self._stale[trace]
        parts: dict[tuple[int, int], list[Trace]] = {}
        for trace, span in todo.items():
            parts.setdefault(span, []).append(trace)
        jobs = [
            ([(self._pyramids[trace], self._reader(trace)) for trace in traces], *span)
            for span, traces in parts.items()
        ]
        generation = self._generation
        at_once = sum(len(each) * (stop - start) for each, start, stop in jobs) <= _AT_ONCE

        def check(_: int) -> None:
            if generation != self._generation or self._session.closed:
                raise _Outdated
            # The window's thread gets its turn between two blocks.
            time.sleep(0.001)

        def work() -> None:
            for pyramids, start, stop in jobs:
                build(pyramids, start, stop, None if at_once else check)

        if at_once:
            work()
            return
        self._working = True

        def done(result: Any) -> None:
            if generation != self._generation:
                return
            self._working = False
            if isinstance(result, Exception):
                self._session.tell(sentence_of("plotting the trajectories", result), "error")
                return
            self._work()
            self._changed()

        self._session.in_background(work, done)
