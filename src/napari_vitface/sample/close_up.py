"""Drawn close-ups of eyes under infrared light, with what of the pupil is seen.

Pupils of all sizes, irises nearly as dark as these, lids that cover them, fur, hairs across the
eye, reflections of lamps with their rings, and the gains and noise of cameras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

#: Rows and columns of a picture.
SIZE = (96, 128)

#: Of pupils, as shares of the eye's: any, small ones, and such that fill all that the lids leave.
_WIDTHS = ((0.09, 0.95), (0.09, 0.5), (0.7, 1.2))

Image = NDArray[np.float32]


def random_eye(
    rng: np.random.Generator, size: tuple[int, int] = SIZE
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw an eye.

    Returns
    -------
    image : (h, w) uint8
    pupil : (h, w) bool
        Where the pupil is seen, or shows a reflection; nowhere if the eye is shut.
    """
    h, w = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    # All lengths are shares of the height.
    y, x = (y - (h - 1) / 2) / h, (x - (w - 1) / 2) / h
    x, y = x - rng.normal(0, 0.08), y - rng.normal(0, 0.07)
    angle = rng.normal(0, 0.2)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    half = rng.uniform(0.35, 0.75)
    opening, depth = _opening(rng, along / half, across / half)
    pupil, rim = _pupil(rng, along, across, half)
    dark = rng.uniform(0.0, 0.15)
    iris = dark + rng.choice([rng.uniform(0.02, 0.08), rng.uniform(0.05, 0.4)])
    skin = iris + rng.choice([rng.uniform(-0.02, 0.15), rng.uniform(0.1, 0.6)])
    image = skin * (1 + _fur(rng, size, angle)) + _specks(rng, size, skin)
    soft = rng.uniform(0.004, 0.02)
    # The rim of the lids is dark, or wet and bright.
    edge = np.exp(-((depth / rng.uniform(0.02, 0.1)) ** 2))
    image += edge * rng.choice([rng.uniform(-0.6, 0) * skin, rng.uniform(0, 0.1)])
    ball = iris * (1 + _cloud(rng, size, rng.uniform(8, 25), 0.15))
    ball += (iris - dark) * _cloud(rng, size, 2, rng.uniform(0, 0.2))
    ball *= 1 - rng.uniform(0, 0.6) * np.exp(-depth.clip(0) / rng.uniform(0.03, 0.2))
    inner = _step(rim, rng.uniform(0.004, 0.015))
    ball = np.minimum(ball, ball * (1 - inner) + dark * inner)
    seen = _step(depth, soft)
    image = image * (1 - seen) + ball * seen
    for _ in range(rng.poisson(0.5)):
        image = image + _veil(rng, along / half, across / half)
    for _ in range(rng.integers(0, 6)):
        image = _reflection(rng, image, x, y, half)
    for _ in range(rng.poisson(1.5)):
        image = _hair(rng, image, along, across)
    return _camera(rng, image), pupil & opening & (depth.max() > 0.03)


def _opening(
    rng: np.random.Generator, along: Image, across: Image
) -> tuple[NDArray[np.bool_], Image]:
    """Between the lids, and how far inside (outside where it is negative)."""
    shut = rng.random() < 0.06
    roundness = rng.uniform(0.5, 1.2)
    arch = np.clip(1 - along**2, 0, None) ** roundness
    up, down = rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.75)
    if shut:
        up = down = 0.01
    depth = np.minimum(across + up * arch, down * arch - across)
    depth = np.where(np.abs(along) < 1, depth, -np.abs(across) - np.abs(along) + 1)
    return depth > 0, depth.astype(np.float32)


def _pupil(
    rng: np.random.Generator, along: Image, across: Image, half: float
) -> tuple[NDArray[np.bool_], Image]:
    """An ellipse, and how far inside of it."""
    smallest, largest = _WIDTHS[rng.choice(len(_WIDTHS))]
    radius = half * np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    free = max(0.25, 0.7 - radius / half) * half
    u = along - rng.uniform(-0.6, 0.6) * free
    v = across - rng.uniform(-0.35, 0.35) * free
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.75, 1)
    u, v = u * np.cos(turn) + v * np.sin(turn), (v * np.cos(turn) - u * np.sin(turn)) / flat
    inside = radius - np.hypot(u, v)
    wave = rng.uniform(0, 0.04) * radius * np.cos(3 * np.arctan2(v, u) + rng.uniform(0, 6))
    inside = (inside + wave).astype(np.float32)
    return inside > 0, inside


def _fur(rng: np.random.Generator, size: tuple[int, int], angle: float) -> Image:
    """Streaks and clouds, about 0."""
    streaks = np.zeros(size, np.float32)
    for _ in range(2):
        long, thin = rng.uniform(2, 7), rng.uniform(0.5, 1.2)
        noise = rng.normal(0, 1, size)
        slope = rng.normal(angle, 0.6)
        rows = np.arange(size[0])[:, None] + np.round(np.arange(size[1]) * np.tan(slope))
        rows = rows.astype(int) % size[0]
        sheared = gaussian_filter(noise, (thin, long), mode="wrap")
        streaks += (sheared / sheared.std())[rows, np.arange(size[1])].astype(np.float32)
    return rng.uniform(0.02, 0.3) * streaks + _cloud(rng, size, rng.uniform(10, 40), 0.35)


def _cloud(rng: np.random.Generator, size: tuple[int, int], width: float, strength: float) -> Image:
    noise = gaussian_filter(rng.normal(0, 1, size), width)
    return (strength * rng.uniform(0, 1) * noise / (noise.std() + 1e-9)).astype(np.float32)


def _specks(rng: np.random.Generator, size: tuple[int, int], level: float) -> Image:
    points = (rng.random(size) < rng.uniform(0, 0.01)) * rng.uniform(0.5, 3)
    return (level * 8 * gaussian_filter(points, rng.uniform(0.5, 1.2))).astype(np.float32)


def _reflection(rng: np.random.Generator, image: Image, x: Image, y: Image, half: float) -> Image:
    """A lamp's reflection: round, square or a dash, with rings about it or a smear below it."""
    distance_x = x - rng.uniform(-0.7, 0.7) * half
    distance_y = y - rng.uniform(-0.6, 0.6) * half
    radius = rng.uniform(0.01, 0.045)
    flat = rng.choice([1.0, rng.uniform(0.3, 1.0)])
    away = np.hypot(distance_x * flat, distance_y) / radius
    image = np.maximum(image, rng.uniform(0.5, 2) * _step(1 - away, 0.3))
    if rng.random() < 0.3:
        rings = np.cos(away * rng.uniform(1.5, 4)) * np.exp(-away / rng.uniform(1, 4))
        image = image + rng.uniform(0, 0.3) * rings.clip(0)
    if rng.random() < 0.3:
        width = rng.uniform(1, 3)
        smear = np.exp(-((np.abs(distance_x) / radius - width) ** 2) * 2) * (distance_y > 0)
        image = image + rng.uniform(0, 0.25) * smear * np.exp(-distance_y.clip(0) / 0.15)
    return image.astype(np.float32)


def _veil(rng: np.random.Generator, along: Image, across: Image) -> Image:
    """The dim reflection of something large, with straight edges."""
    veil = np.full(along.shape, rng.uniform(0.01, 0.08), np.float32)
    for _ in range(2):
        turn = rng.uniform(0, 2 * np.pi)
        side = along * np.cos(turn) + across * np.sin(turn) - rng.uniform(-0.5, 0.3)
        veil *= _step(side, rng.uniform(0.02, 0.15))
    return veil


def _hair(rng: np.random.Generator, image: Image, along: Image, across: Image) -> Image:
    turn = rng.uniform(0, np.pi)
    u = along * np.cos(turn) + across * np.sin(turn)
    v = across * np.cos(turn) - along * np.sin(turn)
    bend = v - rng.uniform(-0.4, 0.4) - rng.normal(0, 0.5) * u**2
    part = (u > rng.uniform(-1, 0)) & (u < rng.uniform(0, 1))
    line = np.exp(-((bend / rng.uniform(0.004, 0.01)) ** 2)) * part
    return (image + rng.uniform(-0.05, 0.3) * line).astype(np.float32)


def _step(inside: Image, width: float) -> Image:
    """From 0 outside to 1 inside."""
    return np.clip(inside / width + 0.5, 0, 1).astype(np.float32)


def _camera(rng: np.random.Generator, image: Image) -> NDArray[np.uint8]:
    """Light from one side, blur or sharpening, gain, offset, gamma and noise."""
    h, w = image.shape
    seen: NDArray[Any] = image
    slope = rng.normal(0, 0.25, 2)
    ramp = np.linspace(-1, 1, h)[:, None] * slope[0] + np.linspace(-1, 1, w) * slope[1]
    seen = seen * np.clip(1 + ramp, 0.3, None)
    seen = gaussian_filter(seen, rng.uniform(0, 1.2))
    if rng.random() < 0.4:
        seen = seen + rng.uniform(0, 1.5) * (seen - gaussian_filter(seen, 1.2))
    seen = seen.clip(0) ** rng.uniform(0.6, 1.3)
    seen = seen * rng.uniform(0.25, 1.3) / np.percentile(seen, 95)
    seen = seen + rng.choice([0, rng.uniform(0, 0.15)])
    seen = seen + rng.normal(0, rng.uniform(0.002, 0.025), image.shape)
    found: Any = (seen * 255).clip(0, 255)
    return found.astype(np.uint8)
