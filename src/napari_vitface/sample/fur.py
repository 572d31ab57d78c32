"""The coat: hairs laid along a flow over the reference face, baked once into look-up fields.

A coat holds, on the reference face, how hairs lighten and darken the skin, what face and hairs
cover, and how the skin curves away at the silhouette. Frames only look these up through the warp,
so the cost of drawing thousands of hairs is paid once for each coat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, ndimage
from skimage.draw import polygon2mask

from napari_vitface.sample.anatomy import OUTLINE, PAD_CENTRE, Array

#: Corner and extent of the baked fields on the reference face (x, y).
ORIGIN = np.array([-160.0, -260.0])
EXTENT = np.array([1400.0, 1160.0])
#: Baked pixels for each reference unit at the finest level.
RESOLUTION = 0.8
#: How many different coats there are; they are baked when first used.
COATS = 6
#: Widths of the zone in which the face curves away at its silhouette, in reference units.
ROUNDINGS = (20.0, 58.0)

# Direction in which hairs point, in degrees (0 right, 90 down), at positions of the reference face.
_FLOW = np.array(
    [
        (135, 180, 200), (150, 145, 250), (176, 133, 285), (235, 105, 300), (300, 60, 295),
        (380, 20, 310), (480, -20, 335), (640, -60, 350), (860, -80, 0), (250, 150, 320),
        (420, 100, 330), (500, 60, 335), (600, 40, 350), (700, 100, 10), (560, 200, 15),
        (450, 240, 8), (520, 320, 22), (640, 300, 14), (800, 250, 12), (1000, 300, 15),
        (700, 420, 28), (900, 560, 35), (580, 430, 38), (480, 400, 45), (440, 440, 78),
        (350, 420, 85), (300, 385, 95), (250, 372, 100), (210, 350, 115), (180, 320, 140),
        (165, 280, 165), (155, 240, 185), (520, 470, 70), (600, 500, 62), (660, 540, 68),
        (720, 600, 72), (780, 680, 70), (850, 700, 45), (700, 500, 40), (220, 230, 170),
    ],
    dtype=np.float64,
)  # fmt: skip


@dataclass(frozen=True)
class Coat:
    """One baked coat at one resolution; all arrays cover the same part of the reference face.

    Attributes
    ----------
    fur : relief of the hairs, mean about 0 and standard deviation about 1, with single bright
        hairs near the silhouette
    cover : opacity of face and of the hairs that stand out beyond it, 0 to 1
    tilt : (2, 2, h, w) sideways part of the surface normal where the face curves away at its
        silhouette, for a narrow and a broad rounding; 1 at a straight edge, 0 deep inside
    scale : pixels for each reference unit
    """

    fur: Array
    cover: Array
    tilt: Array
    scale: float

    def look_up(self, field: Array, x: Array, y: Array) -> Array:
        """Values of a field at positions on the reference face."""
        rows = (y - np.float32(ORIGIN[1])) * np.float32(self.scale) - np.float32(0.5)
        columns = (x - np.float32(ORIGIN[0])) * np.float32(self.scale) - np.float32(0.5)
        return np.asarray(
            ndimage.map_coordinates(
                field, np.stack([rows, columns]), output=np.float32, order=1, mode="nearest"
            )
        )


def coat(number: int, pixels_per_unit: float) -> Coat:
    """The coat `number` at the level that fits an image scale best without aliasing."""
    level = int(np.clip(np.round(np.log2(RESOLUTION / pixels_per_unit)), 0, 3))
    return _level(number % COATS, level)


@lru_cache(maxsize=4 * COATS)
def _level(number: int, level: int) -> Coat:
    if level == 0:
        return _bake(number)
    finer = _level(number, level - 1)
    return Coat(
        fur=_halve(finer.fur),
        cover=_halve(finer.cover),
        tilt=np.stack([[_halve(part) for part in pair] for pair in finer.tilt]),
        scale=finer.scale / 2,
    )


def _halve(field: Array) -> Array:
    h, w = field.shape[0] // 2 * 2, field.shape[1] // 2 * 2
    return np.asarray(field[:h, :w].reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)))


def _bake(number: int) -> Coat:
    rng = np.random.default_rng([7301, number])
    depth, tilt = _silhouette()
    flow = _flow(rng)
    length = rng.uniform(23, 33)

    fine, _ = _lay_hairs(rng, flow, depth, count=70000, length=length, inside=(-4, 1e9))
    broad, _ = _lay_hairs(rng, flow, depth, count=6000, length=1.3 * length, inside=(-4, 1e9))
    fine = ndimage.gaussian_filter(fine, 0.6)
    broad = ndimage.gaussian_filter(broad, 2.2)
    fur = fine / fine.std() + 0.55 * broad / broad.std()
    # Few hairs are much brighter than the rest, many a little darker.
    fur = np.clip(fur / fur.std(), -2.2, 3.0)

    _, short = _lay_hairs(rng, flow, depth, count=5200, length=0.75 * length, inside=(-2, 12))
    _, long = _lay_hairs(rng, flow, depth, count=900, length=1.9 * length, inside=(0, 45))
    hairs = 1 - np.exp(-0.9 * short - 1.0 * long)
    skin = np.clip(depth * RESOLUTION + 0.5, 0, 1)
    return Coat(
        fur=(fur + 2.5 * hairs * skin).astype(np.float32),
        cover=(1 - (1 - skin) * (1 - hairs)).astype(np.float32),
        tilt=tilt,
        scale=RESOLUTION,
    )


@lru_cache(maxsize=1)
def _silhouette() -> tuple[Array, Array]:
    """Signed distance to the outline and `Coat.tilt`, at full resolution."""
    width, height = (EXTENT * RESOLUTION).astype(int)
    points = np.vstack([OUTLINE, [(900, 2500), (3000, 2500), (3000, -300), (1400, -300)]])
    arc = np.r_[0, np.cumsum(np.hypot(*np.diff(OUTLINE, axis=0).T))]
    curve = interpolate.PchipInterpolator(arc, OUTLINE)(np.linspace(0, arc[-1], 300))
    points = np.vstack([curve, points[len(OUTLINE) :]])
    pixels = (points - ORIGIN) * RESOLUTION - 0.5
    # The mask is wider than the field so that the closing edges leave no rim inside it.
    margin = 60
    shape = (height + 2 * margin, width + 2 * margin)
    mask = polygon2mask(shape, (pixels + margin)[:, ::-1])
    distance = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    distance -= np.where(mask, 0.5, -0.5)
    distance = distance[margin:-margin, margin:-margin] / RESOLUTION
    depth = ndimage.gaussian_filter(distance, 0.8).astype(np.float32)
    # The gradient of a blurred silhouette turns smoothly around corners and fades inwards.
    coarse = depth[::4, ::4]
    tilt = []
    for rounding in ROUNDINGS:
        sigma = rounding * RESOLUTION / 4
        blurred = ndimage.gaussian_filter((coarse > 0).astype(np.float32), sigma)
        part = -np.stack(np.gradient(blurred)[::-1]) * sigma * np.sqrt(2 * np.pi)
        tilt.append([ndimage.zoom(side, np.divide(depth.shape, side.shape), order=1)
                     for side in part])  # fmt: skip
    return depth, np.array(tilt, dtype=np.float32)


def _flow(rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors (2, h, w) along which hairs point, at a quarter of the full resolution."""
    width, height = (EXTENT * RESOLUTION / 4).astype(int)
    y, x = np.mgrid[:height, :width] * 4 / RESOLUTION
    x, y = x + ORIGIN[0], y + ORIGIN[1]
    vector = np.zeros((2, height, width))
    for px, py, angle in _FLOW:
        weight = 1 / (1 + ((x - px) ** 2 + (y - py) ** 2) / 45**2) ** 2
        angle = np.deg2rad(angle + rng.normal(0, 8))
        vector += weight * np.array([np.cos(angle), np.sin(angle)])[:, None, None]
    vector /= np.hypot(*vector) + 1e-6
    # Around the whisker pad hairs radiate from the roots.
    dx, dy = x - PAD_CENTRE[0], y - PAD_CENTRE[1]
    distance = np.hypot(dx, dy) + 1
    weight = 0.85 * np.exp(-((distance / 78) ** 2)) * (1 - np.exp(-((distance / 25) ** 2)))
    vector = vector * (1 - weight) + weight * np.array([dx, dy]) / distance
    # Clumps: neighbouring hairs turn a little together.
    turn = ndimage.gaussian_filter(rng.normal(size=(height, width)), 5)
    turn *= 0.16 / turn.std()
    cos, sin = np.cos(turn), np.sin(turn)
    vector = np.stack([vector[0] * cos - vector[1] * sin, vector[0] * sin + vector[1] * cos])
    return np.asarray(vector / (np.hypot(*vector) + 1e-6), dtype=np.float32)


def _lay_hairs(
    rng: np.random.Generator,
    flow: NDArray[np.float32],
    depth: Array,
    *,
    count: int,
    length: float,
    inside: tuple[float, float],
) -> tuple[Array, Array]:
    """Draw hairs that follow the flow from random roots; signed and absolute sum of their tones."""
    height, width = depth.shape
    low, high = inside
    candidates = np.flatnonzero((depth > low) & (depth < high))
    roots = rng.choice(candidates, size=count)
    y, x = np.divmod(roots, width)
    x = x + rng.uniform(-0.5, 0.5, count)
    y = y + rng.uniform(-0.5, 0.5, count)
    tone = rng.normal(size=count)
    strength = rng.uniform(0.35, 1, count)
    reach = length * RESOLUTION * rng.uniform(0.5, 1.3, count)
    # Hair is short on the muzzle and longest on cheek and throat.
    reach *= np.interp(x / RESOLUTION + ORIGIN[0], [130, 330, 480], [0.5, 0.65, 1.0])
    steps = int(length * RESOLUTION * 1.1)
    jitter = rng.normal(0, 0.13, count)
    cos, sin = np.cos(jitter), np.sin(jitter)
    places, tones, strengths = [], [], []
    for step in range(steps):
        t = step / steps
        weight = np.minimum(1, 6 * t + 0.2) * (1 - t) ** 0.6
        row = np.clip(y.astype(int) // 4, 0, flow.shape[1] - 1)
        column = np.clip(x.astype(int) // 4, 0, flow.shape[2] - 1)
        fx, fy = flow[0, row, column], flow[1, row, column]
        x = x + (fx * cos - fy * sin) * reach / steps
        y = y + (fx * sin + fy * cos) * reach / steps
        for index, share in bilinear(x, y, width, height):
            places.append(index)
            tones.append(weight * share * tone)
            strengths.append(weight * share * strength)
    index = np.concatenate(places)
    signed, absolute = (
        np.bincount(index, np.concatenate(values), minlength=height * width)
        .reshape(height, width)
        .astype(np.float32)
        for values in (tones, strengths)
    )
    return signed, absolute


def bilinear(
    x: NDArray[np.float64], y: NDArray[np.float64], width: int, height: int
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Flat indices and weights of the four pixels about each position; weight 0 outside."""
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - x0, y - y0
    inside = (x0 >= 0) & (x0 < width - 1) & (y0 >= 0) & (y0 < height - 1)
    base = np.where(inside, y0 * width + x0, 0)
    return [
        (base, inside * (1 - fx) * (1 - fy)),
        (base + 1, inside * fx * (1 - fy)),
        (base + width, inside * (1 - fx) * fy),
        (base + width + 1, inside * fx * fy),
    ]
