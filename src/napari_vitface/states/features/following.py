"""A crop that goes with the face: by its keypoints, smoothed, turned and scaled if asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics.smoothing import median_filter, savgol_filter
from napari_vitface.pose.table import PoseTable
from napari_vitface.states.features.crop import CropDescription
from napari_vitface.states.features.shape import lie_of, points_of
from napari_vitface.video.scale import ImageScaler, Scale, as_uint8, luma

if TYPE_CHECKING:
    from napari_vitface.video import Video

#: Frames of the filters that take leaps of keypoints, and their trembling, out of the crop.
_LEAP = 5
_WINDOW = 9
#: Of the extent of the keypoints, around them, where no rectangle says how much is face.
_MARGIN = 0.25


class FollowingCrop:
    """A window that goes with the face.

    Parameters
    ----------
    video : Video
    poses : PoseTable
        Whose frames are the video's.
    rectangle : (x, y, w, h), optional
        The window on the usual face, in video pixels: where the face mostly is. Default: around all
        keypoints, and a quarter of their extent more.
    turning : bool
        Also turn and scale it with the face, so that tilt and distance are the same in all frames.

    Raises
    ------
    VitFaceError
        There are too few keypoints to follow.
    """

    def __init__(
        self,
        video: Video,
        poses: PoseTable,
        rectangle: Sequence[int] | None = None,
        *,
        turning: bool = False,
    ) -> None:
        poses = poses.dense(len(video))
        lie = lie_of(points_of(poses), poses.confidence)
        if rectangle is None:
            there = lie.usual[np.isfinite(lie.usual)]
            low = np.array([there.real.min(), there.imag.min()])
            extent = np.array([there.real.max(), there.imag.max()]) - low
            corner, size = low - _MARGIN * extent, (1 + 2 * _MARGIN) * extent
            rectangle = [*np.floor(corner).astype(int), *np.maximum(8, np.ceil(size)).astype(int)]
        x, y, w, h = map(int, rectangle)
        if min(w, h) < 1:
            raise VitFaceError(f"The crop {x},{y},{w},{h} has no area; give one that has.")
        self.rectangle = (x, y, w, h)
        self.turning = turning
        # From the face's centre to the window's, on the usual face.
        offset = complex(x + (w - 1) / 2, y + (h - 1) / 2) - lie.middle
        turn = lie.turn if turning else np.ones(len(video), np.complex128)
        angle = _smooth(np.unwrap(_filled(np.angle(turn))))
        zoom = np.exp(_smooth(_filled(np.log(np.abs(turn)))))
        self._turn = zoom * np.exp(1j * angle)
        face = _smooth(_filled(lie.centre.real)) + 1j * _smooth(_filled(lie.centre.imag))
        self._centre = face + self._turn * offset
        self._digest = digest_of(poses)

    @property
    def size(self) -> tuple[int, int]:
        return self.rectangle[3], self.rectangle[2]

    def described(self) -> CropDescription:
        return {
            "rectangle": list(self.rectangle),
            "follows": "pose" if self.turning else "position",
            "keypoints": self._digest,
        }

    def placement(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        centre, turn = self._centre[frames], self._turn[frames]
        return np.stack(
            [centre.real, centre.imag, np.angle(turn, deg=True), np.abs(turn)], axis=1
        ).astype(np.float32)

    def cut(self, image: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        """The window (h, w) of a grey frame; what is outside of it is as its edge."""
        from scipy.ndimage import affine_transform

        (h, w), turn, centre = self.size, self._turn[frame], self._centre[frame]
        # Rows and columns of the frame of those of the window.
        matrix = np.array([[turn.real, turn.imag], [-turn.imag, turn.real]])
        middle = np.array([(h - 1) / 2, (w - 1) / 2])
        offset = np.array([centre.imag, centre.real]) - matrix @ middle
        cut: NDArray[np.uint8] = affine_transform(
            image, matrix, offset, (h, w), order=1, mode="nearest"
        )
        return cut

    def read(
        self, video: Video, frames: Sequence[int], scales: Sequence[Scale]
    ) -> Iterator[tuple[int, tuple[NDArray[np.uint8], ...] | None]]:
        scalers = [ImageScaler(each) for each in scales]
        source = video.frames(frames)
        with closing(source):  # type: ignore[type-var]
            for number, image in source:
                if image is None:
                    yield number, None
                    continue
                image = as_uint8(image, video.white)
                window = self.cut(image if image.ndim == 2 else luma(image), number)
                yield number, tuple(scaler(window) for scaler in scalers)


def digest_of(poses: PoseTable) -> str:
    """What tells positions of keypoints from others: SHA-256, in hexadecimal."""
    return hashlib.sha256(poses.frames.tobytes() + poses.xy.tobytes()).hexdigest()


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Straight lines over what is missing, and the nearest at the ends."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise VitFaceError(
            "The face cannot be followed by these predictions: no frame has enough keypoints. "
            "Give a fixed crop."
        )
    return np.interp(np.arange(len(values)), known, values[known])


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Single leaps taken out, then the parabola through each window."""
    if len(values) == 1:
        return values
    # Turned about its ends, or a face that is moving there would be drawn back.
    padded = np.pad(values, _WINDOW, mode="reflect", reflect_type="odd")
    return savgol_filter(median_filter(padded, _LEAP), _WINDOW, 2)[_WINDOW:-_WINDOW]
