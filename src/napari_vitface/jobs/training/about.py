"""What is known of a training before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_vitface.model.metadata import FramesOf, TrainingSummary


@dataclass
class Before:
    """What the model that training starts from says about the frames that judge.

    Attributes
    ----------
    name : str
    names : list of str
        Its keypoints.
    xy : (n, K, 2) array
        Video pixels.
    """

    name: str
    names: list[str]
    xy: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a training before its first step; kept with the run as JSON.

    Attributes
    ----------
    init : str
        What it starts from.
    why : str
        Why it computes where and in which numbers it does.
    kept, fresh, left_out : tuple of str
        Keypoints that the start knows, that are learnt from nothing, and that cannot be learnt.
    mean_pose : (K, 2) lists of float or None
        Of the frames trained on, in pixels of frames of `mean_pose_frame_size` (height, width).
    trained_frames, held_out, tuned_on : tuple of FramesOf
        Frames by use; those trained on with those of the start.
    start : TrainingSummary
        What is handed on of what the start says of its own training.
    white : mapping of str to int
        Value of white by folder of labelled images.
    """

    init: str
    why: str
    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]
    mean_pose: Sequence[Sequence[float | None]]
    mean_pose_frame_size: tuple[int, int]
    trained_frames: Sequence[FramesOf]
    held_out: Sequence[FramesOf]
    tuned_on: Sequence[FramesOf]
    start: TrainingSummary
    white: Mapping[str, int] = field(default_factory=dict)


def handed_on(training: TrainingSummary) -> TrainingSummary:
    """What a model says of the training of the one that it started from."""
    told: TrainingSummary = {}
    for key in ("licence", "citations", "summary"):
        if key in training:
            told[key] = training[key]  # type: ignore[literal-required]
    return told


def joined(old: list[FramesOf], new: list[FramesOf]) -> list[FramesOf]:
    """Trained frames of a model and those of the models that it comes from."""
    result = [part.copy() for part in old]
    for part in new:
        same = [one for one in result if one["video"] == part["video"]]
        if not same:
            result.append(part.copy())
        elif "frames" in same[0]:
            same[0]["frames"] = sorted({*same[0]["frames"], *part["frames"]})
        else:
            same[0]["all_but"] = sorted({*same[0]["all_but"]} - {*part["frames"]})
    return result
