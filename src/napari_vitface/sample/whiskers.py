"""Whiskers: curved hairs in rows on the pad that swing about it, and finer ones at lip and nose.

A whisker's direction is three-dimensional, so that one brought forward first points at the camera
(short in the image) and then ahead, as real ones do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.sample.anatomy import Array, FacePose, Placement, Shape, reference_keypoints
from napari_vitface.sample.fur import bilinear


@dataclass(frozen=True)
class WhiskerLook:
    """How many whiskers there are and how they look.

    Attributes
    ----------
    seed : of the scatter of roots, lengths and directions
    rows, columns : of the grid of large whiskers on the pad
    length : of the longest, in reference units
    width : at the root, in reference units
    bright : grey level of a whisker in the light; dark : at its root
    swing : angle between held back and fully forward, degrees
    lips, nose : number of fine whiskers hanging from the lips and standing up from the nose
    stubble : number of short dark hairs on the pad
    """

    seed: int = 0
    rows: int = 5
    columns: int = 5
    length: float = 300.0
    width: float = 2.6
    bright: float = 80.0
    dark: float = 12.0
    swing: float = 110.0
    lips: int = 26
    nose: int = 10
    stubble: int = 50


@dataclass
class _Strands:
    """Whiskers as roots, directions and sizes before the warp; all arrays have one row each."""

    root: NDArray[np.float64]
    direction: NDArray[np.float64]
    bend: NDArray[np.float64]
    length: NDArray[np.float64]
    width: NDArray[np.float64]
    tone: NDArray[np.float64]
    dark: NDArray[np.float64]


def draw_whiskers(
    image: Array, look: WhiskerLook, shape: Shape, pose: FacePose, placement: Placement,
    *, behind: bool,
) -> Array:  # fmt: skip
    """The image with the whiskers behind (far side) or in front of the face drawn on it."""
    rng = np.random.default_rng([look.seed, int(behind)])
    strands = _far(rng, look, pose) if behind else _near(rng, look, shape, pose)
    return _draw(image, strands, placement)


def _near(
    rng: np.random.Generator, look: WhiskerLook, shape: Shape, pose: FacePose
) -> list[_Strands]:
    keypoints = reference_keypoints(shape, pose)
    first, top, low = (keypoints[MOUSE_FACE.index(f"whisker {k}")] for k in (1, 2, 3))
    # Rows and columns of the pad are spanned by the three roots that carry keypoints.
    row, column = np.meshgrid(
        np.arange(look.rows) - (look.rows - 1) / 2, np.arange(look.columns), indexing="ij"
    )
    row, column = row.ravel(), column.ravel()
    scatter = rng.normal(0, 1, (len(row), 2))
    length_scatter = rng.uniform(0.55, 1.0, len(row))
    angle_scatter = rng.normal(0, 7, (len(row), 2))
    tone_scatter = rng.uniform(0.5, 1.3, len(row))
    spread = (low - top) / 2
    root = (top + low) / 2 + row[:, None] * spread + column[:, None] * np.array([-30.0, 1.5])
    root[:, 0] -= 5 * row**2
    root += scatter * 4
    # The whisker of the last column that stands nearest takes the place of each keypoint.
    marked: list[int] = []
    for point, wanted in ((first, 0.0), (top, -1.0), (low, 1.0)):
        free = [k for k in np.flatnonzero(column == 0) if k not in marked]
        if free:
            k = int(min(free, key=lambda k: abs(row[k] - wanted)))
            marked.append(k)
            root[k] = point
            angle_scatter[k] *= 0.4
            length_scatter[k] = 0.95
    azimuth = 32 + look.swing * pose.whisk + 9 * column + angle_scatter[:, 0]
    elevation = 4 + 33 * row + angle_scatter[:, 1]
    direction = _direction(azimuth, np.clip(elevation, -78, 78))
    length = look.length * length_scatter * (1 - 0.13 * column)
    width = look.width * (1 - 0.09 * column)
    width[marked] *= 1.35
    bend = np.stack([-0.05 * length, 0.10 * length + 0.12 * length * (row > 0)], axis=1)
    dark = rng.uniform(30, 60, len(row))
    large = _Strands(root, direction, bend, length, width, look.bright * tone_scatter, dark)

    n = look.lips
    along = rng.uniform(0, 1, n)
    lip = np.stack([np.interp(along, [0, 0.3, 0.75, 1], [172, 205, 305, 420]),
                    np.interp(along, [0, 0.3, 0.75, 1], [296, 340, 383, 440])], axis=1)  # fmt: skip
    lip += rng.normal(0, 3, lip.shape)
    angle = np.deg2rad(112 - 18 * along + 25 * (pose.whisk - 0.5) + rng.normal(0, 12, n))
    size = np.where(rng.uniform(size=n) < 0.3, rng.uniform(90, 220, n), rng.uniform(20, 70, n))
    fine = _Strands(
        lip, np.stack([np.cos(angle), np.sin(angle)], axis=1),
        np.stack([-0.12 * size, 0.05 * size], axis=1) * rng.uniform(0, 2, (n, 1)),
        size, look.width * rng.uniform(0.5, 1.1, n) * np.where(size > 80, 1.2, 0.7),
        look.bright * rng.uniform(0.6, 2.4, n), np.full(n, 0.0),
    )  # fmt: skip

    n = look.stubble
    turn = rng.uniform(0, 2 * np.pi, n)
    distance = 95 * np.sqrt(rng.uniform(0.02, 1, n))
    middle = (first + top + low) / 3 + np.array([-28.0, 0.0])
    outward = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    size = rng.uniform(10, 34, n)
    short = _Strands(
        middle + outward * distance[:, None] * np.array([1.0, 0.85]),
        outward + rng.normal(0, 0.25, (n, 2)), np.zeros((n, 2)), size,
        look.width * rng.uniform(0.25, 0.6, n),
        np.where(rng.uniform(size=n) < 0.75, look.dark, 1.2 * look.bright), np.full(n, 0.0),
    )  # fmt: skip
    return [short, large, fine]


def _far(rng: np.random.Generator, look: WhiskerLook, pose: FacePose) -> list[_Strands]:
    n = look.nose
    along = rng.uniform(0, 1, n)
    root = np.stack([np.interp(along, [0, 0.4, 1], [150, 150, 300]),
                     np.interp(along, [0, 0.4, 1], [290, 170, 70])], axis=1)  # fmt: skip
    angle = np.interp(along, [0, 0.4, 1], [150, 185, 245]) + rng.normal(0, 12, n)
    angle = np.deg2rad(angle - 30 * (pose.whisk - 0.5))
    size = rng.uniform(70, 180, n)
    up = _Strands(
        root, np.stack([np.cos(angle), np.sin(angle)], axis=1),
        np.stack([np.zeros(n), 0.1 * size], axis=1), size,
        look.width * rng.uniform(0.5, 1.3, n), look.bright * rng.uniform(0.15, 0.8, n), np.zeros(n),
    )  # fmt: skip
    n = max(2, look.lips // 4) if look.lips else 0
    root = np.stack([rng.uniform(180, 380, n), rng.uniform(330, 400, n)], axis=1)
    angle = np.deg2rad(100 + 25 * (pose.whisk - 0.5) + rng.normal(0, 10, n))
    size = rng.uniform(150, 330, n)
    down = _Strands(
        root, np.stack([np.cos(angle), np.sin(angle)], axis=1),
        np.stack([-0.1 * size, np.zeros(n)], axis=1) * rng.uniform(-1, 2, (n, 1)), size,
        look.width * rng.uniform(1.5, 6, n), look.bright * rng.uniform(0.1, 0.5, n), np.zeros(n),
    )  # fmt: skip
    return [up, down]


def _direction(azimuth: NDArray[np.float64], elevation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Image part of directions; azimuth 0 backwards, 90 at the camera; elevation down positive."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.stack([np.cos(a) * np.cos(e), np.sin(e) * (0.55 + 0.45 * np.abs(np.cos(a)))], axis=1)


def _draw(image: Array, groups: list[_Strands], placement: Placement) -> Array:
    height, width = image.shape
    places, covers, tones = [], [], []
    scale = placement.scale
    for group in groups:
        if not len(group.root):
            continue
        root = placement.straighten(group.root)
        reach = float((group.length * np.hypot(*group.direction.T)).max()) * scale
        count = int(np.clip(reach, 6, 400))
        t = (np.arange(count) + 0.5) / count
        path = (
            root[:, None]
            + group.direction[:, None] * group.length[:, None, None] * t[:, None]
            + group.bend[:, None] * (t**2)[:, None]
        )
        xy = placement.to_image(path)
        step = np.hypot(*np.moveaxis(np.diff(xy, axis=1), -1, 0))
        step = np.concatenate([step, step[:, -1:]], axis=1)
        thick = group.width[:, None] * scale * (1 - 0.8 * t)
        fade = np.clip((1 - t) * 4, 0, 1) * np.clip(t * 12, 0, 1)
        # The first stretch of a large whisker lies in its own shadow.
        along = np.cumsum(step, axis=1) / scale
        lit = _ramp(along / np.maximum(group.dark[:, None], 1e-3))
        bright = lit * group.tone[:, None] + (1 - lit) * 8.0
        # Strands wider than a pixel are laid as several thin ones side by side.
        strands = int(np.clip(np.ceil(thick.max() / 1.5), 1, 5))
        tangent = np.gradient(xy, axis=1)
        normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
        for k in range(strands):
            aside = (k - (strands - 1) / 2) / strands * thick
            point = xy + normal * aside[..., None]
            cover = thick / strands * step * fade
            for index, share in bilinear(
                point[..., 0].ravel(), point[..., 1].ravel(), width, height
            ):
                weight = share * cover.ravel()
                places.append(index)
                covers.append(weight)
                tones.append(weight * bright.ravel())
    if not places:
        return image
    index = np.concatenate(places)
    cover = np.bincount(index, np.concatenate(covers), minlength=height * width)
    tone = np.bincount(index, np.concatenate(tones), minlength=height * width)
    # Only pixels that a whisker touches are blended.
    touched = np.flatnonzero(cover)
    cover, tone = cover[touched], tone[touched]
    opacity = 1 - np.exp(-1.3 * cover)
    image = image.copy()
    flat = image.reshape(-1)
    flat[touched] += opacity * (tone / cover - flat[touched])
    return image


def _ramp(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0.5, 1 above 1.5, smooth between."""
    t = np.clip(t - 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
