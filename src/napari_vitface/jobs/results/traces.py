"""What measuring traces begins and ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Result, Settings


@dataclass(frozen=True, kw_only=True)
class TracesSettings(Settings):
    """What traces are measured.

    Attributes
    ----------
    video : str
    traces : tuple of mapping
        Of each kind its name and settings.
    regions : mapping
        x, y, width and height of each part of the frame whose motion is measured.
    frames : (start, stop, step)
    """

    video: str
    traces: tuple[Mapping[str, object], ...]
    regions: Mapping[str, object]
    frames: tuple[int, int, int]
    fresh_from: int
    kept_in: str


@dataclass(frozen=True, kw_only=True)
class TracesResult(Result):
    """Traces of a video.

    Attributes
    ----------
    video, table : str
        Paths.
    traces : tuple of str
        Names of the table's columns.
    components : str or None
        The file of spatial components, if there are any.
    nwb : str or None
        The NWB file with the same traces, if it was asked for.
    frames : int
        Rows of the table.
    broken : tuple of (first, last)
        Frames that could not be decoded.
    seconds : float
    frames_per_second : float or None
        None if no frame was read now.
    made : bool
        False where an earlier run that was asked for the same had left them.
    """

    video: str
    table: str
    traces: tuple[str, ...]
    components: str | None
    nwb: str | None
    frames: int
    broken: tuple[tuple[int, int], ...]
    seconds: float
    frames_per_second: float | None
    made: bool = True


@dataclass(frozen=True, kw_only=True)
class ComponentPictureResult(Result):
    """A spatial component of a region of a video.

    Attributes
    ----------
    counts : mapping of str to int
        How many components there are of each region of the file: "motion pad".
    picture : (h, w) float32
    corner : (x, y)
        Where its region begins in the frame.
    bin : int
        Side of the square of the frame that one of its pixels stands for.
    """

    counts: Mapping[str, int]
    picture: NDArray[np.float32]
    corner: tuple[int, int]
    bin: int
