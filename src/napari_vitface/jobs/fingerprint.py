"""What a prediction was asked for: by it a run knows the part file that it may go on from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.jobs.frame_range import limits_of
from napari_vitface.jobs.part_file import read_fingerprint
from napari_vitface.jobs.video_stamp import VideoStamp

if TYPE_CHECKING:
    from napari_vitface.model.face_search import Face
    from napari_vitface.video import Video


def face_of(part: Path, fingerprint: Mapping[str, object]) -> Face | None:
    """The face that an earlier run of the same kind found, so that this one goes on with its crop.

    Another precision might find one that lies a pixel aside.
    """
    from napari_vitface.model.face_search import Face

    earlier = read_fingerprint(part)
    found = earlier.pop("crop", None)
    if earlier != fingerprint or not isinstance(found, dict):
        return None
    crop = found["crop"]
    return Face(**{**found, "crop": None if crop is None else tuple(crop)})


def fingerprint_of(
    video: Video, stamp: VideoStamp, model: str, frames: range, keypoints: tuple[str, ...]
) -> dict[str, object]:
    """What must be the same for a run to go on from an earlier one's part file, but the crop.

    Device, precision and batch size are not part of it: they move points by fractions of a pixel,
    and hours of work are not thrown away for that. `model` is the digest of its file.
    """
    return {
        "video": [stamp.size, stamp.changed, len(video), list(video.shape[1:3])],
        "model": model,
        "frames": list(limits_of(frames)),
        "keypoints": list(keypoints),
        "white": video.white,
    }
