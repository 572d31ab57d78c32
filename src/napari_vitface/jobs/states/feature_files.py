"""Where features of a video are kept, what they are of, and which need not be computed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.outputs import output_path
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.settings.features import FeatureKind

if TYPE_CHECKING:
    from napari_vitface.states.features.extractor import Extractor, Material
    from napari_vitface.states.features.file import About, FeatureFile


def file_of(
    kind: FeatureKind, video: Path, model: str | os.PathLike[str], folder: Path | None = None
) -> Path:
    """The file of one kind of feature of a video; default folder: where its results are."""
    from napari_vitface.model.checkpoint import find_model
    from napari_vitface.states.features.file import ENDING

    name = find_model(model).stem if "model" in kind.needs else None
    ending = ENDING.format(kind=kind.name)
    return output_path(video, ending, model=name, folder=folder)


def described(
    kind: FeatureKind,
    extractor: Extractor,
    material: Material,
    stamp: VideoStamp,
    model: str | os.PathLike[str],
) -> About:
    """What must be the same for features to be the same, as plain data; its frames beside."""
    from napari_vitface.model.checkpoint import file_digest, find_model
    from napari_vitface.states.features.following import digest_of

    video = material.video
    about: About = {
        "video": {
            "name": video.path.name,
            "bytes": stamp.size,
            "frames": len(video),
            "size": list(video.shape[1:3]),
            "frame_rate": video.frame_rate,
        },
        "crop": material.crop.described(),
        "white": video.white,
        "feature": kind.described(),
        "layout": extractor.about,
    }
    if "model" in kind.needs:
        about["model"] = file_digest(find_model(model))
    if "poses" in kind.needs and material.poses is not None:
        about["keypoints"] = digest_of(material.poses)
    return about


def stored(
    kind: FeatureKind,
    extractor: Extractor,
    material: Material,
    frames: Sequence[int],
    model: str | os.PathLike[str],
) -> FeatureFile | None:
    """The file beside a video, if it holds just what would be computed of these frames.

    One that is older than its video, damaged, or of other settings is left alone.
    """
    from napari_vitface.states.features.file import FeatureFile

    video = material.video.path
    path = file_of(kind, video, model)
    try:
        if path.stat().st_mtime_ns < video.stat().st_mtime_ns:
            return None
        file = FeatureFile(path)
    except (OSError, VitFaceError):
        return None
    try:
        file.check(described(kind, extractor, material, VideoStamp.of(video), model))
        if all(frame in file.frames for frame in frames):
            return file
    except VitFaceError:
        pass
    file.close()
    return None
