"""Infrared light on the face, what stands behind it, and the camera that sees both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_vitface.sample.anatomy import Array

# Patches of lighter or darker skin that every mouse has: x, y, radius x, radius y, turn, strength.
_MARKINGS = (
    (240.0, 155.0, 42.0, 26.0, 0.5, -0.42),  # hollow behind the nose
    (326.0, 238.0, 62.0, 66.0, 0.0, 0.30),  # whisker pad
    (604.0, 190.0, 46.0, 13.0, -0.35, 2.2),  # bare skin under the eye
    (490.0, 90.0, 30.0, 38.0, 0.6, 0.55),  # in front of the eye
    (770.0, 128.0, 50.0, 34.0, 0.25, 0.9),  # behind the eye
    (560.0, 35.0, 120.0, 30.0, 0.0, -0.15),
    (147.0, 231.0, 11.0, 5.0, 0.6, -0.6),  # nostril
)


@dataclass(frozen=True)
class Patch:
    """A soft elliptic patch on the reference face or, for `Background`, in the frame."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    turn: float
    strength: float

    def weight(self, x: Array, y: Array) -> Array:
        """Strength times a Gaussian of the distance."""
        dx, dy = x - self.x, y - self.y
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        u = (dx * cos + dy * sin) / self.radius_x
        v = (dy * cos - dx * sin) / self.radius_y
        return np.asarray(self.strength * np.exp(-(u * u + v * v) / 2), dtype=np.float32)


MARKINGS = tuple(Patch(*values) for values in _MARKINGS)


@dataclass(frozen=True)
class Light:
    """Lamps and skin.

    Attributes
    ----------
    key : grey levels that the lamp ahead adds where it shines straight on the skin
    key_position : where it is nearest to the face, in reference units
    key_range : distance over which it fades, in reference units
    key_direction : direction towards it, (x, y, z towards the camera)
    spot : grey levels of its light on the side of the muzzle
    rim : grey levels of the grazing lamp that lights the edge of jaw and throat
    rim_direction : direction towards it
    edge : grey levels that hair tips scatter all along the silhouette, whatever the lamp
    fill : grey level of fur lit from the camera
    roundness : 0 curves away only at the silhouette, 1 over the whole side of the face
    markings : patches of lighter or darker skin
    """

    key: float = 250.0
    key_position: tuple[float, float] = (250.0, 246.0)
    key_range: float = 140.0
    key_direction: tuple[float, float, float] = (-0.90, -0.22, -0.37)
    spot: float = 75.0
    rim: float = 126.0
    rim_direction: tuple[float, float, float] = (-0.33, 0.90, 0.29)
    edge: float = 154.0
    fill: float = 18.0
    roundness: float = 0.9
    markings: tuple[Patch, ...] = MARKINGS


def shade(light: Light, x: Array, y: Array, tilt: Array) -> Array:
    """Grey level of smooth skin at positions on the reference face.

    Parameters
    ----------
    x, y : positions in reference units
    tilt : (2, 2, ...) the coat's field there
    """
    nx, ny = 0.97 * ((1 - light.roundness) * tilt[0] + light.roundness * tilt[1])
    # The whisker pad bulges towards the camera.
    dx, dy = (x - 300) / 95, (y - 262) / 95
    bulge = 0.42 * np.exp(-(dx * dx + dy * dy) / 2)
    nx, ny = nx + bulge * dx, ny + bulge * dy
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.02, None))
    lx, ly, lz = light.key_direction
    key = light.key * np.maximum(nx * lx + ny * ly + nz * lz + 0.1, 0) ** 1.6
    far = np.hypot(x - light.key_position[0], y - light.key_position[1]) / light.key_range
    key = (key + light.spot * nz) / (1 + far**3)
    rx, ry, rz = light.rim_direction
    rim = light.rim * np.maximum(nx * rx + ny * ry + nz * rz, 0) ** 3
    rim += light.edge * (tilt[0] ** 2).sum(0) / (1 + far * far)
    skin = np.ones_like(x)
    for patch in light.markings:
        skin = skin + patch.weight(x, y)
    return np.asarray((light.fill * nz + key + rim) * np.maximum(skin, 0.1), dtype=np.float32)


@dataclass(frozen=True)
class Background:
    """What stands behind the face: a level, a slope across the frame, and soft or sharp shapes.

    Attributes
    ----------
    level : grey level
    slope : change of grey level across the width and the height of the frame
    patches : in frame units, of which the reference width and height are 864 and 646
    bars : (x, y, angle, width, softness, level) of posts behind the face
    """

    level: float = 2.0
    slope: tuple[float, float] = (0.0, 0.0)
    patches: tuple[Patch, ...] = ()
    bars: tuple[tuple[float, float, float, float, float, float], ...] = ()


def background(behind: Background, x: Array, y: Array) -> Array:
    """Grey level behind the face at frame positions (units: width 864)."""
    image = behind.level + behind.slope[0] * (x / 864 - 0.5) + behind.slope[1] * (y / 646 - 0.5)
    for patch in behind.patches:
        image = image + patch.weight(x, y)
    for px, py, angle, width, softness, level in behind.bars:
        across = np.abs((x - px) * np.sin(angle) - (y - py) * np.cos(angle)) - width / 2
        share = 1 / (1 + np.exp(np.clip(across / softness, -30, 30)))
        image = image * (1 - share) + level * share
    return np.asarray(np.maximum(image, 0), dtype=np.float32)


@dataclass(frozen=True)
class Camera:
    """From light to grey levels.

    Attributes
    ----------
    gain : exposure
    gamma : 1 is linear
    offset : black level
    blur : Gaussian blur in reference units
    shot_noise, read_noise : noise in grey levels: at full white, and in the dark
    vignette : loss of light in the corners, 0 to 1
    """

    gain: float = 1.0
    gamma: float = 1.0
    offset: float = 0.0
    blur: float = 1.1
    shot_noise: float = 5.0
    read_noise: float = 1.2
    vignette: float = 0.0


def expose(
    camera: Camera, image: Array, pixels_per_unit: float, rng: np.random.Generator
) -> np.ndarray:
    """What the camera makes of the light that falls on it: uint8 of the same shape."""
    sigma = camera.blur * pixels_per_unit
    if sigma > 0.2:
        image = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    if camera.vignette:
        height, width = image.shape
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
        image = image * (1 - np.float32(camera.vignette / 2) * (x + y))
    image = np.clip(image * np.float32(camera.gain / 255), 0, 1)
    if camera.gamma != 1:
        image = image ** np.float32(camera.gamma)
    if camera.shot_noise or camera.read_noise:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= np.sqrt(image * np.float32(camera.shot_noise**2) + camera.read_noise**2)
        image = image * 255 + noise
    else:
        image = image * 255
    return np.clip(image + np.float32(camera.offset + 0.5), 0, 255).astype(np.uint8)
