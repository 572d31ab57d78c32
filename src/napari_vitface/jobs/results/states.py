"""What jobs on states end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Result, Settings
from napari_vitface.record import Record


@dataclass(frozen=True)
class FeatureTable(Record):
    """A file of features.

    Attributes
    ----------
    kind : str
        Name of the kind.
    path : str
    columns : int
        Numbers a frame.
    made : bool
        Now; else it was there already, with the same settings.
    """

    kind: str
    path: str
    columns: int
    made: bool


@dataclass(frozen=True, kw_only=True)
class FeaturesSettings(Settings):
    """What features are computed.

    Attributes
    ----------
    video : str
    features : tuple of mapping
        Of each kind its name and settings.
    crop : mapping or None
        The part of the frames that is looked at, as it is described in files.
    frames : (start, stop, step)
    """

    video: str
    features: tuple[Mapping[str, object], ...]
    crop: object
    frames: tuple[int, int, int]
    fresh_from: int
    kept_in: str


@dataclass(frozen=True, kw_only=True)
class FeaturesResult(Result):
    """Features of a video.

    Attributes
    ----------
    video : str
    files : tuple of FeatureTable
    frames : int
        Rows of each file.
    broken : tuple of (first, last)
        Frames that could not be decoded: their rows are NaN.
    seconds : float
        That computing took.
    frames_per_second : float or None
        None if nothing was computed.
    """

    video: str
    files: tuple[FeatureTable, ...]
    frames: int
    broken: tuple[tuple[int, int], ...]
    seconds: float
    frames_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class CompareFramesResult(Result):
    """Frames of a recording beside each other, or of several.

    Attributes
    ----------
    paths : tuple of str
        The files of features.
    kind, title : str
        The name of their kind and what it is called.
    videos : tuple of str
        Those that they are of.
    source : (n,) int16
        Position in `videos` of each frame's.
    frames : (n,) int64
    labels : tuple of str
        Those that there are.
    label : (n,) int16
        Position in `labels` of each frame's; -1 for none.
    similarity : (n, n) float16
        Correlation of features.
    clusters : (n,) int64
        The order in which hierarchical clustering joins frames.
    points : (n, 2) float32
        The map.
    explained : tuple of float or None
        Share of the variance along its axes; None if they mean nothing.
    """

    paths: tuple[str, ...]
    kind: str
    title: str
    videos: tuple[str, ...]
    source: NDArray[np.int16]
    frames: NDArray[np.int64]
    labels: tuple[str, ...]
    label: NDArray[np.int16]
    similarity: NDArray[np.float16]
    clusters: NDArray[np.int64]
    points: NDArray[np.float32]
    explained: tuple[float, ...] | None

    def order(self, by: str) -> NDArray[np.int64]:
        """The frames' places in "time", by "label" (those without one last), or by "clusters"."""
        if by == "label":
            last = np.where(self.label < 0, len(self.labels), self.label)
            return np.argsort(last, kind="stable")
        return self.clusters if by == "clusters" else np.arange(len(self.frames))


@dataclass(frozen=True, kw_only=True)
class MeanFaceResult(Result):
    """The mean face of some frames, and what sets it apart from others.

    Attributes
    ----------
    mean : (h, w) float32
        Grey levels.
    contrast : (h, w) float32 or None
        By how many grey levels the frames inside are brighter than those outside; None without any
        outside.
    inside, outside : int
        Frames that were averaged.
    corner : (x, y)
        Where its first pixel lies in the video, in video pixels; of a crop that follows the face,
        on the usual face.
    """

    mean: NDArray[np.float32]
    contrast: NDArray[np.float32] | None
    inside: int
    outside: int
    corner: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class HogPictureResult(Result):
    """What HOG sees of a frame.

    Attributes
    ----------
    frame : int
    picture : (h, w) float32
        Strokes along the edges of each cell, from 0 to 1.
    corner : (x, y)
        Where its first pixel lies in the frame.
    """

    frame: int
    picture: NDArray[np.float32]
    corner: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class LikenessResult(Result):
    """How like the prototype of each label every frame is.

    Attributes
    ----------
    labels : tuple of str
    frames : (start, stop, step)
        Of the N rows.
    similarity : (N, L) float32
        Correlation of features; NaN for frames without any.
    """

    labels: tuple[str, ...]
    frames: tuple[int, int, int]
    similarity: NDArray[np.float32]
