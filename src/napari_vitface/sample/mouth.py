"""The mouth when it opens: the dark gap between the lips and the tongue that comes out of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vitface.sample.anatomy import Array, FacePose, Placement
from napari_vitface.sample.light import Light

_OUTSIDE = np.array([296.0, 394.0])
_INSIDE = np.array([364.0, 398.0])
_TONGUE_DIRECTION = np.array([-0.62, 0.78])


def draw_gap(face: Array, pose: FacePose, x: Array, y: Array, placement: Placement) -> Array:
    """The face with the dark gap of an open mouth."""
    opening = max(0.0, pose.jaw[1]) * 0.35 + 4 * pose.tongue
    if opening < 0.5:
        return face
    box = _box(placement, np.stack([_OUTSIDE, _INSIDE]), 25.0, face.shape)
    distance, along = _capsule(x[box], y[box], _OUTSIDE, _INSIDE)
    share = np.clip((opening * (1 - along) - distance) / 3 + 0.5, 0, 1) * min(1.0, opening / 4)
    face = face.copy()
    face[box] *= 1 - 0.93 * share
    return face


def draw_tongue(
    image: Array, pose: FacePose, light: Light, x: Array, y: Array, placement: Placement
) -> Array:
    """The image with the tongue hanging out between the lips, behind the face."""
    if pose.tongue <= 0.02:
        return image
    root = np.array([322.0, 400.0])
    tip = root + _TONGUE_DIRECTION * (8 + 46 * pose.tongue)
    box = _box(placement, np.stack([root, tip]), 30.0, image.shape)
    distance, along = _capsule(x[box], y[box], root, tip)
    radius = 13 - 2.5 * along
    share = np.clip((radius - distance) / 2 + 0.5, 0, 1)
    level = 0.42 * light.key + 0.5 * light.spot + light.fill
    tone = level * (0.75 + 0.35 * np.cos(np.clip(distance / radius, 0, 1) * 1.4) - 0.25 * along)
    image = image.copy()
    image[box] = image[box] * (1 - share) + tone * share
    return image


def _capsule(
    x: Array, y: Array, start: NDArray[np.float64], end: NDArray[np.float64]
) -> tuple[Array, Array]:
    """Distance to a line from start to end and the share of the way along it."""
    way = end - start
    dx, dy = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((dx * way[0] + dy * way[1]) / (way @ way), 0, 1).astype(np.float32)
    return np.hypot(dx - along * way[0], dy - along * way[1]).astype(np.float32), along


def _box(
    placement: Placement, points: NDArray[np.float64], reach: float, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """The pixels within `reach` units of some positions of the reference face."""
    xy = placement.project(points)
    low = np.floor(xy.min(0) - reach * placement.scale).astype(int)
    high = np.ceil(xy.max(0) + reach * placement.scale).astype(int)
    return tuple(
        slice(int(np.clip(a, 0, n)), int(np.clip(b, 0, n)))
        for a, b, n in zip(low[::-1], high[::-1], shape, strict=True)
    )  # type: ignore[return-value]
