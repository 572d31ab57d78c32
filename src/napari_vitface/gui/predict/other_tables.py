"""Predictions that another program made of a video, to look at beside our own."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.gui.numbers import counted
from napari_vitface.jobs.outputs import FILTERED, output_path
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.table import PoseTable


def read_predictions(
    path: Path, frames: int, rate: float, known: Iterable[KeypointSet]
) -> tuple[PoseTable, NDArray[np.float32] | None, str]:
    """Predictions of ours or of another program, one row for each frame of a video.

    Beside them stand the variance of each point (frames, K, 2), where the table has it, and
    sentences about what is not as it stands in the file.

    Parameters
    ----------
    path : Path
        What `read_poses` takes.
    frames : int
        Length of the video.
    rate : float
        Its frames a second, for tables of times that do not say it; 0 where unknown.
    known : iterable of KeypointSet
        Sets that are worked with: the table's names are taken for those of the first that has all.

    Raises
    ------
    LabelError
        If the table cannot be read or goes beyond the video's end.
    """
    from napari_vitface.formats.format import read_as
    from napari_vitface.formats.predictions import Choice

    found = read_as("predictions", path, Choice(video_rate=rate or None))
    poses, variance = found.poses, None
    _require_length(poses, path, frames)
    poses.keypoints = _known_keypoints(poses.keypoints, known)
    if found.variance is not None:
        variance = np.full((frames, len(poses.keypoints), 2), np.nan, np.float32)
        variance[poses.frames] = found.variance
    return poses.dense(frames), variance, " ".join(found.unread())


def read_other_model(path: Path, video: Path, frames: int, rate: float) -> PoseTable:
    """Predictions of the same video by another model.

    Parameters
    ----------
    path : Path
        What `read_poses` takes.
    video : Path
    frames, rate
        As in `read_predictions`.

    Raises
    ------
    LabelError
        If the table cannot be read, or is of another video.
    """
    from napari_vitface.formats.format import read_as
    from napari_vitface.formats.predictions import Choice

    found = read_as("predictions", path, Choice(video_rate=rate or None))
    if found.video and Path(found.video).name != video.name:
        raise LabelError(f"{path.name} is of {Path(found.video).name}, not of {video.name}.")
    _require_length(found.poses, path, frames)
    return found.poses  # type: ignore[no-any-return]


def other_models(video: Path, folder: Path, own: Path | None) -> list[Path]:
    """Tables of predictions beside those of a model, without what was made of its own.

    Parameters
    ----------
    folder : Path
        Where to look.
    own : Path, optional
        The model's table.
    """
    from napari_vitface.formats.deeplabcut_hdf import DEEPLABCUT_HDF
    from napari_vitface.formats.format import can_open

    tables = folder.glob(f"{glob.escape(output_path(video, '_vitface_').name)}*.h5")
    mine = own.stem if own is not None else ""
    return sorted(
        path
        for path in tables
        if path.stem != mine and not path.stem.endswith(FILTERED) and can_open(DEEPLABCUT_HDF, path)
    )


def _require_length(poses: PoseTable, path: Path, frames: int) -> None:
    if len(poses.frames) and poses.frames[-1] >= frames:
        raise LabelError(
            f"{path.name} goes up to frame {poses.frames[-1]}, but the video has "
            f"{counted(frames, 'frame')}: it is of another video."
        )


def _known_keypoints(found: KeypointSet, known: Iterable[KeypointSet]) -> KeypointSet:
    """The keypoints of a table, which knows names only, with what is known of them."""
    for one in known:
        meant = match_names(found.names, one.names)
        if len(meant) < len(found):
            continue
        names = tuple(meant[name] for name in found.names)
        if names == one.names:
            return one
        skeleton = tuple(pair for pair in one.skeleton if set(pair) <= set(names))
        swaps = tuple(pair for pair in one.swaps if set(pair) <= set(names))
        colours = tuple(one.colours[one.index(name)] for name in names)
        return KeypointSet(names, skeleton, swaps, colours)
    return found
