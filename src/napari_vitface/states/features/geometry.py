"""The shape of a face from its keypoints: distances, angles, areas and speeds.

All in units of the face: each frame's points are first brought to the usual place, tilt and size
(`shape.lie_of`), so that a mouse that is nearer, or tilts its head, has the same geometry. Nothing
is known of the keypoints but their names and skeleton: what belongs together (an eye, a nose) is
what the skeleton joins, or what has the same first word for a name.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.features.shape import lie_of, points_of

if TYPE_CHECKING:
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.settings.features import Geometry
    from napari_vitface.states.features.extractor import Layout, Material, Pictures


def extractor(kind: Geometry, material: Material) -> GeometryExtractor:
    """The extractor of the keypoints of a video.

    Raises
    ------
    VitFaceError
        There are no keypoints, or fewer than two of them.
    """
    if material.poses is None:
        raise VitFaceError(
            f"Geometry is of keypoints, and there are no predictions of {material.video.path.name}:"
            " predict it first (or name the file with --predictions)."
        )
    points = points_of(material.poses, kind.sure)
    times = material.video.times
    if times[-1] == 0:
        # Images without times: speeds are by the frame.
        times = np.arange(len(times), dtype=np.float64)
    return GeometryExtractor(points, material.poses.keypoints, times if kind.speeds else None)


class GeometryExtractor:
    """Geometry of keypoints.

    Parameters
    ----------
    points : (T, K) complex
        x + iy in video pixels, a row for each frame of the video; NaN where there is none.
    keypoints : KeypointSet
    times : (T,) array of float, optional
        Seconds of each frame, for speeds; without them there are none.
    """

    scale = None
    before = False

    def __init__(
        self,
        points: NDArray[np.complex128],
        keypoints: KeypointSet,
        times: NDArray[np.float64] | None = None,
    ) -> None:
        self._lie = lie_of(points)
        self._points = points
        self._times = times
        present = np.isfinite(self._lie.usual)
        #: Root of the mean squared distance to the centre: the unit.
        self._size = float(
            np.sqrt(np.mean(np.abs(self._lie.usual[present] - self._lie.middle) ** 2))
        )
        names = keypoints.names
        self._pairs = np.array([*combinations(range(len(names)), 2)]).reshape(-1, 2)
        self._groups = [
            _around(group, self._lie.usual)
            for group in groups_of(keypoints)
            if present[group].sum() >= 3
        ]
        self.about: Layout = {"keypoints": list(names), "unit": round(self._size, 3)}
        called = [" ".join(names[i] for i in group) for group in self._groups]
        self.columns = (
            *(f"distance {names[i]} – {names[j]}" for i, j in self._pairs.tolist()),
            *(f"angle {names[i]}" for group in self._groups for i in group),
            *(f"area {name}" for name in called),
            *(f"speed {name}" for name in names if times is not None),
        )

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        frames = pictures.frames
        shape = self._on_face(frames)
        parts = [np.abs(shape[:, self._pairs[:, 0]] - shape[:, self._pairs[:, 1]])]
        for group in self._groups:
            corner = shape[:, group]
            before, after = (
                np.roll(corner, 1, axis=1) - corner,
                np.roll(corner, -1, axis=1) - corner,
            )
            parts.append(np.abs(np.angle(before * after.conj(), deg=True)))
        for group in self._groups:
            corner = shape[:, group]
            cross = (corner.conj() * np.roll(corner, -1, axis=1)).imag.sum(axis=1)
            parts.append(np.abs(cross)[:, None] / 2)
        if self._times is not None:
            earlier = np.maximum(frames - 1, 0)
            passed = self._times[frames] - self._times[earlier]
            moved = np.abs(shape - self._on_face(earlier))
            # Nothing has moved at the first frame.
            parts.append(moved / np.where(passed > 0, passed, np.inf)[:, None])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _on_face(self, frames: NDArray[np.int64]) -> NDArray[np.complex128]:
        """(B, K) where the keypoints are on the usual face, from its centre, in its units."""
        lie = self._lie
        turn = lie.turn[frames][:, None] * self._size
        found: NDArray[np.complex128] = (self._points[frames] - lie.centre[frames][:, None]) / turn
        return found


def groups_of(keypoints: KeypointSet) -> list[list[int]]:
    """Keypoints that belong together: joined by the skeleton, else with the same first word."""
    count = len(keypoints)
    label = list(range(count))
    joined = keypoints.edges() if keypoints.skeleton else _same_first_words(keypoints.names)
    for a, b in joined:
        old, new = label[b], label[a]
        label = [new if each == old else each for each in label]
    return [[i for i in range(count) if label[i] == each] for each in dict.fromkeys(label)]


def _same_first_words(names: tuple[str, ...]) -> list[tuple[int, int]]:
    first = [name.replace("_", " ").split(" ")[0].lower() for name in names]
    return [(i, j) for i, j in combinations(range(len(names)), 2) if first[i] == first[j]]


def _around(group: list[int], usual: NDArray[np.complex128]) -> list[int]:
    """The keypoints of a group that are there, in the order in which they lie around its centre."""
    there = [i for i in group if np.isfinite(usual[i])]
    middle = usual[there].mean()
    return sorted(there, key=lambda i: float(np.angle(usual[i] - middle)))
