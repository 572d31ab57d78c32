"""Which frames of a project are labelled, saved or not yet: what a training would begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.formats.labelled_images import frame_number
from napari_vitface.pose.table import PointState
from napari_vitface.project.label_reading import read_labels

if TYPE_CHECKING:
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project


def _no_names() -> NDArray[np.str_]:
    return np.empty(0, dtype=np.str_)


@dataclass(frozen=True)
class LabelledFrames:
    """The labelled frames of one or more videos.

    Attributes
    ----------
    names : tuple of str
        The K keypoints.
    videos : (N,) array of str
    frames : (N,) array of int64
        Frame numbers as the names of the images have them.
    placed : (N, K) array of bool
        Keypoints that a person placed. A frame without any, in which points are called hidden, is
        labelled too.
    """

    names: tuple[str, ...] = ()
    videos: NDArray[np.str_] = field(default_factory=_no_names)
    frames: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    placed: NDArray[np.bool_] = field(default_factory=lambda: np.empty((0, 0), dtype=bool))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def points(self) -> int:
        """Number of points that are placed."""
        return int(self.placed.sum())

    def by_video(self) -> dict[str, int]:
        """Number of frames of each video, in order of names."""
        names, counts = np.unique(self.videos, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}

    def digest(self) -> str:
        """Changes when another point is placed or taken away; not when one is moved."""
        parts = [repr((self.names, self.videos.tolist(), self.frames.tolist())).encode()]
        parts.append(np.packbits(self.placed).tobytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    @classmethod
    def joined(cls, parts: Iterable[LabelledFrames], first: Sequence[str]) -> LabelledFrames:
        """All frames of several videos; the keypoints `first`, then any others."""
        parts = [part for part in parts if len(part)]
        names = tuple(dict.fromkeys([*first, *(name for part in parts for name in part.names)]))
        placed = np.zeros((sum(map(len, parts)), len(names)), dtype=bool)
        row = 0
        for part in parts:
            columns = [names.index(name) for name in part.names]
            placed[row : row + len(part), columns] = part.placed
            row += len(part)
        if not parts:
            return cls(names, placed=placed)
        return cls(
            names,
            np.concatenate([part.videos for part in parts]),
            np.concatenate([part.frames for part in parts]),
            placed,
        )


def of_document(document: LabelDocument) -> LabelledFrames:
    """The labels of an open document as they are now, saved or not."""
    frames, _, states = document.labels.arrays()
    numbers = [frame_number(document.frame_names.name(frame)) for frame in frames.tolist()]
    video = document.files.images.name
    return LabelledFrames(
        document.keypoints.names,
        np.full(len(frames), video),
        np.array(numbers, dtype=np.int64),
        states == PointState.LABELLED,
    )


def stamps(project: Project) -> tuple[tuple[str, int, int], ...]:
    """Changes when a table of labels does."""
    places = [project.folder, *(entry.folder for entry in project.videos)]
    names = ("CollectedData*", "visibility_*.csv")
    files = sorted({file for place in places for name in names for file in place.glob(name)})
    found = []
    for file in files:
        status = file.stat()
        found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(found)


def on_disk(project: Project) -> LabelledFrames:
    """The labels in the files of a project; none if there are no files yet.

    Raises
    ------
    LabelError
        A table cannot be read, or an image that it names is not there.
    """
    source = project.labels_path
    tables = [path for path, *_ in stamps(project) if Path(path).name.startswith("Collected")]
    if source.is_dir() and not tables:
        return LabelledFrames(project.keypoints.names)
    labels = read_labels(source)
    placed = np.asarray(np.isfinite(labels.xy).all(axis=-1))
    said = np.asarray((placed | labels.occluded).any(axis=1))
    return LabelledFrames(
        labels.keypoints.names, labels.videos[said], labels.frames[said], placed[said]
    )


def without(labels: LabelledFrames, videos: Iterable[str]) -> LabelledFrames:
    """The labels of all other videos."""
    others = ~np.isin(labels.videos, list(videos))
    return LabelledFrames(
        labels.names, labels.videos[others], labels.frames[others], labels.placed[others]
    )
