"""Labels as they are trained on: points that a person placed, and the images they are placed on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.table import PointState, PoseTable


@dataclass(frozen=True)
class Labels:
    """Labelled images, in the order of their tables.

    Attributes
    ----------
    keypoints : KeypointSet
        The K keypoints, with the skeleton, swap pairs and colours of the project.
    xy : (N, K, 2) array of float64
        x, y in image pixels, exactly as in the file; NaN where the person placed no point.
    images : tuple of Path
        The image of each row; all exist.
    videos : (N,) array of str
        Name of the video that each image was taken from (the folder's name).
    frames : (N,) array of int64
        Frame number in that video, from the image's name; -1 where the name holds none.
    scorer : str
        Who placed the labels.
    problems : tuple of str
        Sentences for the user about what is odd but did not keep the labels from being read.
    occluded : (N, K) array of bool
        Points that the person called hidden, all False unless given. They have no place in `xy`:
        where they are is a guess, not something to learn from.
    guesses : (N, K, 2) array of float64
        Where occluded points may be, as far as the person said it; NaN elsewhere, all of it unless
        given.
    embedded : mapping of Path to callable
        Of images that the file of the labels holds itself: gives one as PNG. Such an image need not
        be there.
    """

    keypoints: KeypointSet
    xy: NDArray[np.float64]
    images: tuple[Path, ...]
    videos: NDArray[np.str_]
    frames: NDArray[np.int64]
    scorer: str
    problems: tuple[str, ...] = field(default=())
    occluded: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    guesses: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 2)))
    embedded: Mapping[Path, Callable[[], bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.occluded.shape != self.xy.shape[:2]:
            if self.occluded.size:
                raise ValueError(f"occluded is {self.occluded.shape}, not {self.xy.shape[:2]}")
            object.__setattr__(self, "occluded", np.zeros(self.xy.shape[:2], dtype=bool))
        if self.guesses.shape != self.xy.shape:
            if self.guesses.size:
                raise ValueError(f"guesses is {self.guesses.shape}, not {self.xy.shape}")
            object.__setattr__(self, "guesses", np.full(self.xy.shape, np.nan))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def count(self) -> int:
        """Number of labelled points."""
        return int(np.isfinite(self.xy).all(axis=-1).sum())

    def take(self, rows: Any) -> Labels:
        """The labels of some rows: positions, a slice or a boolean mask of N."""
        chosen = np.arange(len(self))[rows]
        return Labels(
            self.keypoints,
            self.xy[chosen],
            tuple(self.images[i] for i in chosen),
            self.videos[chosen],
            self.frames[chosen],
            self.scorer,
            self.problems,
            self.occluded[chosen],
            self.guesses[chosen],
        )

    def of_keypoints(self, kept: Sequence[int], keypoints: KeypointSet) -> Labels:
        """The labels of some keypoints, by their places, which are called `keypoints` then."""
        return replace(
            self,
            keypoints=keypoints,
            xy=self.xy[:, kept],
            occluded=self.occluded[:, kept],
            guesses=self.guesses[:, kept],
        )

    def table(self, video: str) -> PoseTable:
        """The labels of one video as a `PoseTable`, sorted by frame number."""
        rows = np.flatnonzero((self.videos == video) & (self.frames >= 0))
        rows = rows[np.argsort(self.frames[rows])]
        labelled = np.isfinite(self.xy[rows]).all(axis=-1)
        state = np.where(self.occluded[rows], PointState.OCCLUDED, PointState.ABSENT)
        state = np.where(labelled, PointState.LABELLED, state)
        return PoseTable(self.keypoints, self.xy[rows], None, state, self.frames[rows])


def frame_number(image_name: str) -> int:
    """The frame of a video that an image shows, by its name; -1 where the name holds no number.

    No number is one of more than 18 digits, which is beyond 64 bits.
    """
    stem = Path(image_name).stem
    # DeepLabCut's own names first; then the last number, as other tools take it.
    found = re.search(r"img(\d+)", stem) or re.search(r"(\d+)\D*$", stem)
    return int(found[1]) if found and len(found[1]) <= 18 else -1


def named_from(folder: Path, image: Path) -> str:
    """The name of an image in a file in a folder: from there if it lies below, with slashes."""
    image, folder = image.absolute(), folder.absolute()
    return (image.relative_to(folder) if image.is_relative_to(folder) else image).as_posix()


def joined(parts: Sequence[Labels]) -> Labels:
    """Several labels one after the other, with the keypoints of all by their names."""
    names: list[str] = []
    for part in parts:
        meant = match_names(part.keypoints.names, names)
        names += [name for name in part.keypoints.names if name not in meant]
    xy = np.full((sum(map(len, parts)), len(names), 2), np.nan)
    occluded, guesses = np.zeros(xy.shape[:2], bool), np.full(xy.shape, np.nan)
    start = 0
    for part in parts:
        rows = slice(start, start := start + len(part))
        meant = match_names(part.keypoints.names, names)
        columns = [names.index(meant[name]) for name in part.keypoints.names]
        xy[rows, columns] = part.xy
        occluded[rows, columns] = part.occluded
        guesses[rows, columns] = part.guesses
    scorers = [name for part in parts for name in part.scorer.split(", ")]
    problems = [sentence for part in parts for sentence in part.problems]
    return Labels(
        _keypoints(names, [part.keypoints for part in parts]),
        xy,
        tuple(image for part in parts for image in part.images),
        np.concatenate([part.videos for part in parts]),
        np.concatenate([part.frames for part in parts]),
        ", ".join(dict.fromkeys(scorers)),
        tuple(dict.fromkeys(problems)),
        occluded,
        guesses,
    )


def _keypoints(names: list[str], told: list[KeypointSet]) -> KeypointSet:
    """The keypoints with what the first part that says something says of them."""
    if all(one.names == tuple(names) for one in told):
        return told[0]
    return KeypointSet(
        tuple(names),
        next((one.skeleton for one in told if one.skeleton), ()),
        next((one.swaps for one in told if one.swaps), ()),
    )
