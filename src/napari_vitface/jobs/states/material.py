"""What features are computed of: the video, its crop, and the keypoints and the model they need."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event
from napari_vitface.jobs.outputs import find_predictions, model_stem
from napari_vitface.jobs.resources import Resources
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import FeatureKind

if TYPE_CHECKING:
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.states.features.extractor import Material
    from napari_vitface.video import Video

#: How a crop goes with the face: it moves, or it is turned and scaled as well.
Follow = Literal["position", "pose"]


def material_of(
    stack: ExitStack,
    resources: Resources,
    video: Video,
    kinds: Sequence[FeatureKind],
    *,
    crop: tuple[int, int, int, int] | None = None,
    follow: Follow | None = None,
    predictions: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] = "mouse-face",
    computing: Computing = Computing(),  # noqa: B008, it is frozen
) -> Generator[Event, None, Material]:
    """What the kinds need of a video, lent until the stack is closed; arguments as of `features`.

    Raises
    ------
    VitFaceError
        The crop is not inside the frame, or what is needed is not there.
    """
    from napari_vitface.states.features.crop import Crop, FixedCrop
    from napari_vitface.states.features.extractor import Material
    from napari_vitface.states.features.following import FollowingCrop

    needs = frozenset().union(*(kind.needs for kind in kinds))
    poses = None
    if follow is not None or "poses" in needs:
        poses = poses_of(video, predictions, model)
    network = None
    if "model" in needs:
        network = yield from resources.loading(stack, model, computing)
    window: Crop
    if follow is None or poses is None:
        window = FixedCrop.of(video, crop)
    else:
        window = FollowingCrop(video, poses, crop, turning=follow == "pose")
    return Material(video, window, poses, network)


def poses_of(
    video: Video, predictions: str | os.PathLike[str] | None, model: str | os.PathLike[str]
) -> PoseTable:
    from napari_vitface.formats.poses import read_poses

    return read_poses(poses_file(video, predictions, model)).dense(len(video))


def poses_file(
    video: Video, predictions: str | os.PathLike[str] | None, model: str | os.PathLike[str]
) -> str | os.PathLike[str]:
    """The table that was named, or else the one that the model left; VitFaceError without any."""
    path = predictions or find_predictions(video.path, os.fspath(model))
    if path is None:
        raise VitFaceError(
            f"There are no predictions by the model {model_stem(os.fspath(model))} beside "
            f"{video.path.name}; predict it first (or name the file with --predictions)."
        )
    return path
