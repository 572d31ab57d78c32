"""Numbers for each frame and keypoint that another part of the window measured, to be plotted with
the trajectories."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.kinematics import Trace

if TYPE_CHECKING:
    from napari_vitface.pose.table import PoseTable


@dataclass(frozen=True, eq=False)
class MeasuredTrace(Trace):
    """A trace that holds its own values; two of them are never the same.

    Attributes
    ----------
    kind : str
        Key of the panel that it belongs to.
    samples : (T,) float32
        One for each frame of the video; NaN where nothing was measured.
    of : str
        Unit.
    colour : str
        ``#rrggbb``; empty for that of the keypoint.
    dashed : bool
        Whether its line is, so that it is not taken for one of the others.
    """

    samples: NDArray[np.float32] = field(kw_only=True)
    of: str = ""
    colour: str = ""
    dashed: bool = False

    def __post_init__(self) -> None:
        """Any kind will do."""

    @property
    def label(self) -> str:
        return self.name

    def of_length(self, count: int) -> MeasuredTrace:
        """The same over as many frames: cut, or with nothing measured in the others."""
        samples = np.full(count, np.nan, np.float32)
        samples[: len(self.samples)] = self.samples[:count]
        return replace(self, samples=samples)

    def unit(self, timed: bool = True) -> str:
        return self.of

    def fits(self, table: PoseTable) -> bool:
        return len(self.samples) == len(table)

    def values(
        self,
        table: PoseTable,
        start: int = 0,
        stop: int | None = None,
        times: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.samples[start:stop])

    def measure(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Nothing: positions alone do not say it."""
        return np.full(len(np.asarray(xy)), np.nan, np.float32)
