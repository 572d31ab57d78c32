"""How a face lies in each frame: the similarity that takes its usual shape there.

Least squares over the keypoints (Procrustes; Gower, 1975), weighted by confidence. Points are
complex numbers: a turn by an angle with a change of size is one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.pose.table import PoseTable


@dataclass(frozen=True)
class Lie:
    """Where the face is, how it is turned and how large it is.

    Attributes
    ----------
    usual : (K,) complex128
        The usual shape in video pixels, x + iy: the median of each keypoint.
    middle : complex
        Its centre.
    centre : (T,) complex128
        Of the face in each frame; NaN where no keypoint is there.
    turn : (T,) complex128
        What the usual shape is multiplied with: its argument is the tilt in radians (clockwise on
        the screen), its absolute value the size. NaN where fewer than two keypoints are there.
    """

    usual: NDArray[np.complex128]
    middle: complex
    centre: NDArray[np.complex128]
    turn: NDArray[np.complex128]


def points_of(poses: PoseTable, sure: float = 0.0) -> NDArray[np.complex128]:
    """(T, K) positions as x + iy; NaN where there is none, or one less sure than `sure`."""
    points = poses.xy[..., 0] + 1j * poses.xy[..., 1].astype(np.float64)
    points[poses.confidence < sure] = np.nan
    return points


def lie_of(points: NDArray[np.complex128], weights: NDArray[np.float32] | None = None) -> Lie:
    """How the face lies, from positions (T, K) and their weights.

    Raises
    ------
    VitFaceError
        There are fewer than two keypoints to go by.
    """
    seen = np.isfinite(points).any(axis=0)
    if seen.sum() < 2:
        raise VitFaceError(
            "The face cannot be followed by these predictions: fewer than two keypoints are in "
            "them. Predict the video first, or give a fixed crop."
        )
    usual = np.full(points.shape[1], np.nan, np.complex128)
    usual[seen] = np.nanmedian(points[:, seen].real, axis=0) + 1j * np.nanmedian(
        points[:, seen].imag, axis=0
    )
    middle = complex(usual[seen].mean())
    there = np.isfinite(points) & seen
    weight = there * (1.0 if weights is None else np.maximum(np.nan_to_num(weights), 1e-6))
    total = weight.sum(axis=1)
    total[total == 0] = np.nan
    shape = np.where(there, np.nan_to_num(usual)[None], 0)
    found = np.where(there, points, 0)
    with np.errstate(invalid="ignore"):
        shape_centre = (weight * shape).sum(axis=1) / total
        found_centre = (weight * found).sum(axis=1) / total
        from_centre = shape - shape_centre[:, None]
        spread = (weight * np.abs(from_centre) ** 2).sum(axis=1)
        spread[(there.sum(axis=1) < 2) | (spread == 0)] = np.nan
        turn = (weight * from_centre.conj() * (found - found_centre[:, None])).sum(axis=1) / spread
    # Without a turn, the keypoints that are there say where the middle is.
    centre = found_centre + np.where(np.isfinite(turn), turn, 1) * (middle - shape_centre)
    return Lie(usual, middle, centre, turn)
