"""The table that the traces of a video are plotted over."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.trajectories.trace_store import TraceStore, untracked
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo

_NO_FRAMES = untracked(0)


class PlottedTable:
    """Predictions, else frames alone if anything was measured of the video, else none.

    Parameters
    ----------
    store : TraceStore
        Draws from it.
    """

    def __init__(self, opened: OpenVideo, store: TraceStore) -> None:
        self._opened = opened
        self._store = store

    @property
    def now(self) -> PoseTable:
        """The table as things stand."""
        if self._opened.predictions is not None:
            return self._opened.predictions
        return self._untracked if self._opened.traces else _NO_FRAMES

    @cached_property
    def _untracked(self) -> PoseTable:
        return untracked(len(self._opened.video))

    def begin(self, times: NDArray[np.float64] | None) -> None:
        """Have traces drawn from it, at times of its rows in seconds."""
        table, opened = self.now, self._opened
        variance = opened.shown_variance if table is opened.predictions else None
        self._store.set_table(table, times, variance)

    def take(self) -> None:
        """Have them drawn from another one, if it is one by now."""
        if self.now is not self._store.table:
            self.begin(self._store.times)

    def end(self) -> None:
        """Have nothing drawn any more."""
        self._store.set_table(_NO_FRAMES, None)
