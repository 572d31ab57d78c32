"""What a prediction was asked for: by it a run knows what it may go on from, and what is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from napari_vitface.jobs.frame_range import limits_of
from napari_vitface.jobs.part_file import read_fingerprint
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.record import from_plain, plain_data

if TYPE_CHECKING:
    from napari_vitface.model.face_search import Face
    from napari_vitface.settings.computing import Looking
    from napari_vitface.video import Video


class Asked(TypedDict):
    """What a prediction was asked for, as JSON has it; tables keep it."""

    #: Bytes, time of the last change, frames, and height and width.
    video: list[Any]
    #: The digest of its file.
    model: str
    frames: list[int]
    white: int | None
    #: The fields of `Looking`.
    looking: Mapping[str, Any]


def face_of(part: Path, fingerprint: Mapping[str, object]) -> Face | None:
    """The face that an earlier run of the same kind found, so that this one goes on with its crop.

    Another precision might find one that lies a pixel aside.
    """
    from napari_vitface.model.face_search import Face

    earlier = read_fingerprint(part)
    found = earlier.pop("crop", None)
    if earlier != fingerprint or not isinstance(found, dict):
        return None
    return from_plain(Face, found)


def fingerprint_of(
    video: Video, stamp: VideoStamp, model: str, frames: range, keypoints: tuple[str, ...]
) -> dict[str, object]:
    """What must be the same for a run to go on from an earlier one's part file, but the crop.

    Device, precision and batch size are not part of it: they move points by fractions of a pixel,
    and hours of work are not thrown away for that. `model` is the digest of its file.
    """
    return {**_what_of_what(video, stamp, model, frames), "keypoints": list(keypoints)}


def asked_of(video: Video, stamp: VideoStamp, model: str, frames: range, looking: Looking) -> Asked:
    """The same with all settings, as they were given."""
    asked = {**_what_of_what(video, stamp, model, frames), "looking": plain_data(looking)}
    return json.loads(json.dumps(asked))  # type: ignore[no-any-return]


def _what_of_what(video: Video, stamp: VideoStamp, model: str, frames: range) -> dict[str, object]:
    return {
        "video": [stamp.size, stamp.changed, len(video), list(video.shape[1:3])],
        "model": model,
        "frames": list(limits_of(frames)),
        "white": video.white,
    }
