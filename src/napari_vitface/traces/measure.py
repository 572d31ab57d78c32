"""What computes a kind of trace, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_vitface.steps import Steps

if TYPE_CHECKING:
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.states.features.extractor import Extractor
    from napari_vitface.video import Video

#: x, y, width and height in video pixels.
Rectangle = tuple[int, int, int, int]

#: Name of the region that is the whole frame.
WHOLE = "frame"


class Column(NamedTuple):
    """A trace: its name, and the unit of its numbers (empty where they have none)."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class TraceMaterial:
    """What traces of a video are made of.

    Attributes
    ----------
    video : Video
    frames : range
        Those that are measured, each after the other.
    times : (N,) float64
        Seconds of each of these.
    regions : mapping of str to Rectangle
        Parts of the frame whose motion is measured; all of it where none was named.
    poses : PoseTable, optional
        A row for each frame of the video.
    roles : mapping of str to tuple of str
        The keypoints of each of `napari_vitface.pose.roles.ROLES`, where there are poses.
    """

    video: Video
    frames: range
    times: NDArray[np.float64]
    regions: Mapping[str, Rectangle]
    poses: PoseTable | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What was kept of the frames while the video was read.

    Attributes
    ----------
    count : int
        Of the frames.
    read : callable
        ``read(start, stop)`` gives the (stop - start, R) float32 of rows, as the measure's
        extractor made them; NaN where a frame could not be decoded.
    """

    count: int
    read: Callable[[int, int], NDArray[np.float32]]


@dataclass(frozen=True)
class Components:
    """Spatial components of a region.

    Attributes
    ----------
    of : str
        "motion" or "movie".
    region : str
    rectangle : Rectangle
        Of the video that they lie on.
    masks : (K, h, w) float32
        Orthonormal; one pixel is a square of `bin` x `bin` of the video.
    singular_values : (K,) float32
        Of the frames that they were found from.
    mean : (h, w) float32
        That was taken away before.
    bin : int
    """

    of: str
    region: str
    rectangle: Rectangle
    masks: NDArray[np.float32]
    singular_values: NDArray[np.float32]
    mean: NDArray[np.float32]
    bin: int


class Measure(Protocol):
    """One kind of trace of one video.

    A `TraceKind` names the function that makes it: ``function(kind, material)``. While the video is
    read, once for all kinds, its extractor makes some numbers of each frame, which are kept on the
    disk; of these the traces are made. `MeasureOfFrames` has what most share.

    Attributes
    ----------
    rectangles : sequence of Rectangle
        Parts of the frame that it looks at; none if it looks at no picture.
    columns : sequence of Column
        Its D traces, known after `prepare`.
    components : sequence of Components
        What it found beside them, known after `prepare`.
    notices : sequence of str
        Sentences for the user, known after `prepare`.
    """

    rectangles: Sequence[Rectangle]
    columns: Sequence[Column]
    components: Sequence[Components]
    notices: Sequence[str]

    def extractor(self, window: FixedCrop) -> Extractor:
        """What is kept of each frame, where there are rectangles.

        It is given a window of the video that holds `rectangles`. Equal ones are kept once. Where
        its `about` has ``"stored": "uint16"``, its numbers are whole and from 0 to 65534.
        """
        ...

    def prepare(self, kept: Kept) -> Steps[None]:
        """Find what only all frames together say."""
        ...

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, D) traces of frames; NaN where nothing is known."""
        ...


class MeasureOfFrames:
    """A measure that keeps what it makes of each frame, and needs no other to know it."""

    rectangles: Sequence[Rectangle] = ()
    columns: Sequence[Column] = ()
    components: Sequence[Components] = ()
    notices: Sequence[str] = ()

    def extractor(self, window: FixedCrop) -> Extractor:
        raise NotImplementedError

    def prepare(self, kept: Kept) -> Steps[None]:
        return
        yield

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        return kept.read(start, stop)


def within(window: FixedCrop, rectangle: Rectangle) -> tuple[slice, slice]:
    """Where a part of the frame lies in the picture of a window, as rows and columns."""
    left, top = window.rectangle[:2]
    x, y, w, h = rectangle
    return slice(y - top, y - top + h), slice(x - left, x - left + w)
