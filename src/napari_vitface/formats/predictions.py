"""Predictions as they go from one file to another: points, and what is said of all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.words import counted

About = Mapping[str, Any]

#: What a file can hold beside where points are, and how it is called in a sentence.
PARTS = {
    "confidence": "the confidence of points",
    "variance": "the variance of points",
    "occlusion": "which points are occluded",
    "hidden places": "where occluded points may be",
    "skeleton": "the skeleton",
    "gaps": "which frames were left out",
    "frame rate": "the frame rate",
    "video": "the name of the video",
    "scorer": "who made the points",
}

#: By how much a confidence may be beyond 0 and 1 without a word.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Heading:
    """What is said once in a file of predictions.

    Attributes
    ----------
    keypoints : KeypointSet
        In the order of the columns.
    scorer : str
        Who predicts: the model's name.
    video : str
        Name or path of the video; empty if unknown.
    frame_rate : float or None
        Frames a second.
    variance : bool
        Whether each point has the variances of x and of y.
    about : mapping or None
        How the points were made, as plain data.
    """

    keypoints: KeypointSet
    scorer: str = ""
    video: str = ""
    frame_rate: float | None = None
    variance: bool = False
    about: About | None = None

    @property
    def width(self) -> int:
        """Numbers a point: x, y, confidence, and with a variance those of x and y."""
        return 5 if self.variance else 3


@dataclass(frozen=True)
class Predictions:
    """What a file of predictions says of one animal.

    Attributes
    ----------
    poses : PoseTable
        With the skeleton, if the file has one.
    scorer, video, frame_rate
        As in `Heading`.
    variance : (T, K, 2) float32 or None
        Of x and y, in squared pixels; NaN where unknown.
    left_behind : tuple of str
        What the file holds that is not read: "motion energy".
    problems : tuple of str
        Sentences about what was read otherwise than it stands in the file.
    """

    poses: PoseTable
    scorer: str = ""
    video: str = ""
    frame_rate: float | None = None
    variance: NDArray[np.float32] | None = None
    left_behind: tuple[str, ...] = field(default=())
    problems: tuple[str, ...] = field(default=())

    def heading(self) -> Heading:
        """What is said once."""
        variance = self.variance is not None
        return Heading(self.poses.keypoints, self.scorer, self.video, self.frame_rate, variance)

    def unread(self) -> Iterator[str]:
        """A sentence for each thing that stands otherwise in the file, or is not read."""
        yield from self.problems
        for what in self.left_behind:
            yield f"Not read, so left behind: {what}."

    def parts(self) -> Iterator[str]:
        """The `PARTS` that there are to lose."""
        poses = self.poses
        present = np.isfinite(poses.xy).all(axis=-1)
        there = {
            "confidence": bool((poses.confidence[present] != 1).any()),
            "variance": self.variance is not None,
            "occlusion": bool((poses.state == PointState.OCCLUDED).any()),
            # Of predictions nobody guesses it.
            "hidden places": False,
            "skeleton": bool(poses.keypoints.skeleton),
            "gaps": bool((poses.frames != np.arange(len(poses))).any()),
            "frame rate": self.frame_rate is not None,
            "video": bool(self.video),
            "scorer": bool(self.scorer),
        }
        return (part for part in PARTS if there[part])


def confidence_of(
    values: NDArray[np.floating[Any]], xy: NDArray[np.floating[Any]], *, keep_absent: bool = False
) -> tuple[NDArray[np.floating[Any]], tuple[str, ...]]:
    """Confidence as it counts here, and a sentence if that is not what stands in the file.

    Parameters
    ----------
    values : (T, K) array
        As in the file; NaN counts as 0.
    xy : (T, K, 2) array
        The points; NaN where there is none.
    keep_absent : bool
        Keep the confidence where there is no point; else it counts as 0.
    """
    present = np.isfinite(xy).all(axis=-1)
    values = np.where(np.isnan(values) | ~(present | keep_absent), 0.0, values)
    outside = present & ((values > 1 + _ROUNDING) | (values < -_ROUNDING))
    kept = np.clip(values, 0.0, 1.0)
    if not outside.any():
        return kept, ()
    # One digit more than the limit, so that none of them is said to be 1.
    least, most = (f"{end:.4g}" for end in (values[outside].min(), values[outside].max()))
    span = least if least == most else f"{least} to {most}"
    count = int(outside.sum())
    return kept, (
        f"The confidence of {count} of {counted(int(present.sum()), 'point')} is not between 0 and "
        f"1 ({span}): above 1 it is read as 1, and below 0 as 0.",
    )


@dataclass(frozen=True)
class Choice:
    """What is wanted of a file that holds more than one thing.

    Attributes
    ----------
    animal : str or None
        Name of the animal, where there are several.
    table : str or None
        Name of the table or video, where there are several.
    frame_rate : float or None
        Frames a second, where the file counts time and does not say.
    video_rate : float or None
        Frames a second of the video, where no rate is found in the times of the file either.
    """

    animal: str | None = None
    table: str | None = None
    frame_rate: float | None = None
    video_rate: float | None = None
    _asked: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def of_animals(self, names: Sequence[str], path: object) -> str:
        """The animal that is meant; `LabelError` naming the option if that cannot be told."""
        self._asked.add("animal")
        return _one(self.animal, names, f"{path}", "animal")

    def of_tables(self, names: Sequence[str], path: object) -> str:
        """The table that is meant; `LabelError` naming the option if that cannot be told.

        A video that is named with its folders may be meant by the name of its file alone.
        """
        self._asked.add("table")
        meant = [name for name in names if re.split(r"[\\/]", name)[-1] == self.table]
        wanted = meant[0] if len(meant) == 1 and self.table not in names else self.table
        return _one(wanted, names, f"{path}", "table")

    def check_asked(self, path: object) -> None:
        """Raise `LabelError` if what is wanted of a file was not asked for while it was read."""
        for what, wanted in (("animal", self.animal), ("table", self.table)):
            if wanted is not None and what not in self._asked:
                raise LabelError(
                    f"{path} is read whole, for there is no choice of {what}s in it: leave "
                    f"--{what} {wanted} out."
                )


def _one(wanted: str | None, names: Sequence[str], path: str, what: str) -> str:
    known = ", ".join(names)
    if wanted in names:
        return str(wanted)
    if wanted is not None:
        raise LabelError(f"{path} holds no {what} {wanted!r}; there is {known}.")
    if len(names) > 1:
        raise LabelError(
            f"{path} holds several {what}s ({known}), and one is worked with: take one out with "
            f"napari-vitface convert --{what} NAME."
        )
    return names[0]


#: Whatever there is one of.
ANY = Choice()
