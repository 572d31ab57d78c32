"""The labelled video of a run: its frames with points, names, skeleton and trails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Progress
from napari_vitface.jobs.pace import Counter
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.video import Video

#: Earlier positions that are drawn behind each point.
TRAIL = 12
#: Frames per second where the source has no times (a folder of images).
_DEFAULT_RATE = 25.0
_STAGE = "Writing the labelled video"


def write_overlay(
    path: Path,
    video: Video,
    frames: range,
    poses: Iterable[NDArray[np.void]],
    keypoints: KeypointSet,
) -> Iterator[Event]:
    """Write the frames of a run with their poses drawn in; yields `Progress`.

    A frame that could not be decoded is black, so that the labelled video keeps the time of the
    original. `poses` are the records of the run, in pieces.

    Raises
    ------
    VitFaceError
        If the video cannot be written.
    """
    from napari_vitface.video import Scale, VideoWriter, draw_poses

    size = (video.shape[1], video.shape[2])
    # Straight to 8 bits, whatever the video has.
    whole = Scale(crop=None, size=size, grey=len(video.shape) == 3)
    rate = (video.frame_rate or _DEFAULT_RATE) / frames.step
    counter = Counter(len(frames), _STAGE)
    yield counter.at(0)
    images = video.frames(frames, scale=whole, ahead=16)
    try:
        with VideoWriter(path, size=size, frame_rate=rate) as writer:
            drawn_poses = _with_trails(poses, len(keypoints))
            for done, ((_, image), (xy, confidence, trail)) in enumerate(
                zip(images, drawn_poses, strict=True), 1
            ):
                if image is None:
                    drawn = np.zeros((*size, 3), dtype=np.uint8)
                else:
                    drawn = draw_poses(
                        image, xy, confidence, keypoints, names=True, skeleton=True, trail=trail
                    )
                writer.write(drawn)
                yield from counter.now_and_then(done)
    except OSError as error:
        raise VitFaceError(
            f"{path} could not be written ({error.strerror or error}); the tables are complete. "
            "Make room and run the same again to write the labelled video."
        ) from error
    finally:
        images.close()  # type: ignore[attr-defined]
    yield Progress(len(frames), len(frames), 0.0, _STAGE)


def _with_trails(
    poses: Iterable[NDArray[np.void]], keypoints: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """For each record: xy (K, 2), confidence (K,) and the positions before, oldest first."""
    past = np.empty((0, keypoints, 2), dtype=np.float32)
    for rows in poses:
        for row in rows:
            yield row["xy"], np.nan_to_num(row["confidence"], nan=0.0), past
            past = np.concatenate([past[-(TRAIL - 1) :], row["xy"][None]])
