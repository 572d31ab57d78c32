"""The sample movie: frames rendered when they are asked for, with the poses that they show."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.sample.face_motion import FaceMotion
from napari_vitface.sample.identity import fit_inside, random_identity, random_pose
from napari_vitface.sample.renderer import FaceParameters, face_keypoints, render
from napari_vitface.steps import result_of
from napari_vitface.words import counted

#: How different the mice of the sample movies are from the reference face (1: as in training).
_MOVIE_VARIETY = 0.4


def random_face(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One face of a new mouse, pose, lamp, background and camera, for training.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : (int, int)
        Height and width.

    Returns
    -------
    image : (H, W) uint8
    xy : (12, 2) float32
        Keypoints of `MOUSE_FACE` in pixels, all inside the image.
    """
    pose = random_pose(rng)
    # Plain faces are drawn as often as odd ones, so that training sees enough of what is common.
    variety = float(rng.uniform(0.4, 1.0))
    parameters = replace(random_identity(rng, variety), pose=pose)
    parameters = fit_inside(parameters, size, [pose])
    return render(parameters, size, rng)


class MouseFaceSample:
    """A movie of one drawn mouse face, a sequence of grey frames rendered on demand.

    Parameters
    ----------
    seed : int
        Determines mouse, set-up and movement. A longer movie of a seed starts like a shorter one.
    frames : int
        Length.
    size : (int, int)
        Height and width.
    frame_rate : float
        Frames a second.

    Attributes
    ----------
    shape : (frames, H, W)
    dtype : uint8
    keypoints : KeypointSet
        `MOUSE_FACE`.
    poses : PoseTable
        The exact positions, as labelled points.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(
        self,
        seed: int = 0,
        frames: int = 200,
        size: tuple[int, int] = (480, 640),
        frame_rate: float = 100.0,
    ) -> None:
        self.seed = int(seed)
        self.frame_rate = float(frame_rate)
        self.keypoints: KeypointSet = MOUSE_FACE
        self.shape = (int(frames), int(size[0]), int(size[1]))
        self._motion = FaceMotion(self.seed)
        # The extremes that movement can reach have to fit, whatever part of it is shown.
        rng = np.random.default_rng([self.seed, 2])
        extremes = [self._motion.at(0.05 * k) for k in range(200)] + [random_pose(rng)]
        identity = random_identity(np.random.default_rng([self.seed, 0]), _MOVIE_VARIETY)
        self._identity = fit_inside(identity, self.shape[1:], extremes)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of elements, as of an array."""
        return int(np.prod(self.shape))

    def parameters(self, frame: int) -> FaceParameters:
        """Everything that determines a frame but its noise; `IndexError` outside the movie."""
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is not in a movie of {counted(len(self), 'frame')}")
        return replace(self._identity, pose=self._motion.at(frame / self.frame_rate))

    @cached_property
    def poses(self) -> PoseTable:
        """The exact keypoints of every frame; nothing is rendered for it."""
        xy = np.stack(
            [face_keypoints(self.parameters(i), self.shape[1:]) for i in range(len(self))]
        )
        state = np.full(xy.shape[:2], PointState.LABELLED, dtype=np.uint8)
        return PoseTable(self.keypoints, xy, state=state)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """A frame (H, W) for an integer, (T, H, W) for a slice; numpy's tuples of them too."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, slice):
            indices = range(*first.indices(len(self)))
            frames = np.empty((len(indices), *self.shape[1:]), dtype=np.uint8)
            for row, i in enumerate(indices):
                frames[row] = self._frame(i)
            return frames[(slice(None), *rest)]
        index = int(first)
        return self._frame(index + len(self) if index < 0 else index)[tuple(rest)]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self._frame(i) for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self[:]
        return array if dtype is None else array.astype(dtype)

    def _frame(self, index: int) -> NDArray[np.uint8]:
        noise = np.random.default_rng([self.seed, 3, index])
        return render(self.parameters(index), self.shape[1:], noise)[0]


def write_sample_video(
    path: str | os.PathLike[str],
    seed: int = 0,
    frames: int = 200,
    size: tuple[int, int] = (480, 640),
    frame_rate: float = 100.0,
) -> PoseTable:
    """Write a sample movie as a video file and return its exact poses.

    Parameters
    ----------
    path : path of the video; its ending chooses the container
    seed, frames, size, frame_rate : as for `MouseFaceSample`
    """
    return result_of(writing_sample_video(path, MouseFaceSample(seed, frames, size, frame_rate)))


def writing_sample_video(
    path: str | os.PathLike[str], movie: MouseFaceSample
) -> Generator[int, None, PoseTable]:
    """As `write_sample_video`, yielding after each frame how many are done."""
    from napari_vitface.video import VideoWriter

    with VideoWriter(path, size=movie.shape[1:], frame_rate=movie.frame_rate) as writer:
        for done, frame in enumerate(movie, start=1):
            writer.write(frame)
            yield done
    return movie.poses
