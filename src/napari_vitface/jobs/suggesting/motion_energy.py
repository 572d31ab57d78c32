"""Motion energy of a video, as its table of traces has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.video import Video

_NAME = "motion energy "


@dataclass(frozen=True)
class MotionEnergy:
    """Of the regions of a video.

    Attributes
    ----------
    frames : (N,) int64
        Increasing.
    regions : tuple of str
        Names; empty for the whole frame.
    values : (N, R) float32
        Grey levels; NaN where it is not known.
    """

    frames: NDArray[np.int64]
    regions: tuple[str, ...]
    values: NDArray[np.float32]

    @classmethod
    def read(cls, path: Path, video: Video) -> MotionEnergy:
        """From a table of traces; `VitFaceError` if it has none, or is of another video."""
        from napari_vitface.formats.trace_table import read_traces
        from napari_vitface.traces.measure import WHOLE

        table = read_traces(path)
        columns = [at for at, name in enumerate(table.names) if name.startswith(_NAME)]
        if not columns:
            raise VitFaceError(
                f"{path} has no motion energy: make a table with napari-vitface traces --kinds "
                "motion."
            )
        if len(table.frames) and table.frames[-1] >= len(video):
            raise VitFaceError(
                f"{path} goes on to frame {table.frames[-1]}, but {video.path.name} has "
                f"{counted(len(video), 'frame')}: it is of another video."
            )
        names = [table.names[at].removeprefix(_NAME) for at in columns]
        regions = tuple("" if name == WHOLE else name for name in names)
        return cls(table.frames, regions, table.values[:, columns])

    def of(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, R) of some frames."""
        values = np.full((len(frames), len(self.regions)), np.nan, np.float32)
        _, here, there = np.intersect1d(frames, self.frames, return_indices=True)
        values[here] = self.values[there]
        return values
