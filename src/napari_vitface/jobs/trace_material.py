"""What traces are measured of: the video, its regions, and the keypoints that they need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.traces import DRAW_EYE, EYE, TraceKind

if TYPE_CHECKING:
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.traces.measure import Measure, Rectangle, TraceMaterial
    from napari_vitface.video import Video


def traced_material(
    video: Video,
    frames: range,
    times: NDArray[np.float64],
    regions: Mapping[str, Rectangle] | None,
    roles: Mapping[str, Sequence[str]] | None,
    kinds: Sequence[TraceKind],
    predictions: str | os.PathLike[str] | None,
    model: str,
) -> TraceMaterial:
    """What the kinds need of a video; arguments as of `napari_vitface.jobs.traces.traces`.

    Raises
    ------
    VitFaceError
        A region is not inside the frame, or predictions are needed and not there.
    """
    from napari_vitface.jobs.states.material import poses_of
    from napari_vitface.pose.roles import roles_of
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.traces.measure import TraceMaterial
    from napari_vitface.traces.motion import regions_of

    needs = frozenset().union(*(kind.needs for kind in kinds))
    named = regions_of(video, regions)
    for each in named.values():
        FixedCrop.of(video, each)
    poses = None
    if "poses" in needs:
        poses = poses_of(video, predictions, model)
    elif "eye" in needs and EYE not in named:
        try:
            poses = poses_of(video, predictions, model)
        except VitFaceError as error:
            raise VitFaceError(f"{error} Or say where the eye is {DRAW_EYE}.") from error
    found: dict[str, tuple[str, ...]] = {}
    if poses is not None:
        try:
            found = roles_of(poses.keypoints.names, roles)
        except ValueError as error:
            raise VitFaceError(f"Roles of keypoints cannot be told: {error}.") from error
    return TraceMaterial(video, frames, times[frames.start : frames.stop], named, poses, found)


def window_of(material: TraceMaterial, measures: Sequence[Measure]) -> FixedCrop:
    """The smallest part of the frame that holds what is looked at, of one measure at least."""
    from napari_vitface.states.features.crop import FixedCrop

    seen = [each for measure in measures for each in measure.rectangles]
    left, top = min(x for x, *_ in seen), min(y for _, y, *_ in seen)
    right, bottom = max(x + w for x, _, w, _ in seen), max(y + h for _, y, _, h in seen)
    return FixedCrop.of(material.video, (left, top, right - left, bottom - top))
