"""Faces as other laboratories film them: other backgrounds, ears, things in the way, other cameras.

The renderer by itself draws one kind of set-up: dark behind, lit from the nose, filmed closely and
squarely. What is drawn here differs from it, and from one face to the next, in all that a model
should not hold on to.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.transform import ProjectiveTransform, warp

from napari_vitface.sample.anatomy import REFERENCE_SIZE
from napari_vitface.sample.ear import Ear
from napari_vitface.sample.identity import fit_inside, random_identity, random_pose
from napari_vitface.sample.light import Background, Patch, background
from napari_vitface.sample.objects import Pelt, Rod
from napari_vitface.sample.renderer import render

#: Range of the share of the picture's width or height that the keypoints take up.
_SPAN = (0.28, 0.85)

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]


def random_face_elsewhere(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Grey, Points]:
    """One face of a new mouse in some laboratory, before some camera.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : (int, int)
        Height and width.

    Returns
    -------
    image : (H, W) uint8
    xy : (12, 2) float32
        Keypoints of `MOUSE_FACE` in pixels, all inside the image; drawn there even where
        something hides them.
    """
    pose = random_pose(rng)
    face = replace(random_identity(rng, float(rng.uniform(0.6, 1.3))), pose=pose)
    # Far enough away that ears and neck are there when the camera comes to look from aside.
    shape = replace(face.shape, scale=float(rng.uniform(0.45, 1.0)))
    light = face.light
    if rng.uniform() < 0.4:  # no lamp before the nose, but light from everywhere
        dim = float(rng.uniform(0.05, 0.6))
        light = replace(
            light,
            key=dim * light.key,
            spot=dim * light.spot,
            rim=dim * light.rim,
            edge=dim * light.edge,
            fill=light.fill * float(rng.uniform(2, 7)),
        )
    face = replace(
        face,
        shape=shape,
        light=light,
        background=random_background(rng),
        ear=_ear(rng) if rng.uniform() < 0.85 else None,
        objects=_objects(rng),
    )
    return filmed(*render(fit_inside(face, size, [pose]), size, rng), rng)


def before_another_background(image: Grey, rng: np.random.Generator) -> Grey:
    """A picture of a face that was filmed before black, before something else.

    Parameters
    ----------
    image : (H, W) uint8
        Everything darker than 12 grey levels that borders on its sides is taken for background.
    rng : numpy.random.Generator

    Returns
    -------
    (H, W) uint8
    """
    height, width = image.shape
    smooth = ndimage.gaussian_filter(image.astype(np.float32), width / 288)
    parts, _ = ndimage.label(smooth > 12)
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    face = ndimage.binary_fill_holes(parts == largest)
    cover = ndimage.gaussian_filter(np.asarray(face, dtype=np.float32), width / 432)
    unit = REFERENCE_SIZE[0] / width
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(unit)
    behind = ndimage.gaussian_filter(background(random_background(rng), x, y), width / 288)
    behind += rng.standard_normal(behind.shape, dtype=np.float32) * float(rng.uniform(0, 5))
    return np.clip(image * cover + behind * (1 - cover), 0, 255).astype(np.uint8)


def random_background(rng: np.random.Generator) -> Background:
    """Dark, grey or bright; plain, or with soft and sharp shapes."""
    width, height = REFERENCE_SIZE
    level = float(rng.uniform(0, 15) if rng.uniform() < 0.25 else rng.uniform(15, 235))
    slope = 0.5 * level
    patches = tuple(
        Patch(
            float(rng.uniform(0, width)), float(rng.uniform(0, height)),
            float(np.exp(rng.uniform(np.log(10), np.log(250)))),
            float(np.exp(rng.uniform(np.log(10), np.log(250)))),
            float(rng.uniform(0, np.pi)), float(rng.normal(0, 60)),
        )
        for _ in range(int(rng.integers(0, 9)))
    )  # fmt: skip
    bars = tuple(
        (
            float(rng.uniform(0, width)), float(rng.uniform(0, height)),
            float(rng.uniform(0, np.pi)), float(np.exp(rng.uniform(np.log(4), np.log(200)))),
            float(rng.uniform(0.7, 10)), float(rng.uniform(0, 255)),
        )
        for _ in range(int(rng.integers(0, 4)))
    )  # fmt: skip
    return Background(
        level=level,
        slope=(float(rng.uniform(-slope, slope)), float(rng.uniform(-slope, slope))),
        patches=patches,
        bars=bars,
    )


def _ear(rng: np.random.Generator) -> Ear:
    # Thin and bare: under most lamps it is the brightest part of the head.
    bright = rng.uniform() < 0.65
    return Ear(
        aside=float(rng.uniform(-0.2, 1)),
        root=(float(rng.uniform(790, 1030)), float(rng.uniform(50, 300))),
        length=float(rng.uniform(130, 380)),
        width=float(rng.uniform(70, 190)),
        light=float(rng.uniform(150, 255) if bright else rng.uniform(30, 150)),
    )


def _objects(rng: np.random.Generator) -> tuple[Rod | Pelt, ...]:
    found: list[Rod | Pelt] = []

    def rod(start: tuple[float, float], end: tuple[float, float], widest: float) -> None:
        width, level, shine = rng.uniform(0.2, 1) * widest, rng.uniform(5, 255), rng.uniform(0, 1)
        found.append(Rod(start, end, float(width), float(level), float(shine)))

    def near(x: float, y: float, spread: float) -> tuple[float, float]:
        return float(x + rng.normal(0, spread)), float(y + rng.normal(0, spread))

    if rng.uniform() < 0.5:  # a post on the head, and what holds it
        top = near(850, -130, 90)
        rod(top, near(top[0], -1200, 250), 140)
        if rng.uniform() < 0.4:
            rod(near(*top, 60), near(1900, -500, 300), 160)
    if rng.uniform() < 0.35:  # a spout, from ahead or from below
        mouth = near(245, 455, 40)
        rod(mouth, near(*((-700, 500) if rng.uniform() < 0.5 else (150, 1400)), 250), 60)
    for _ in range(int(rng.integers(1, 4)) if rng.uniform() < 0.3 else 0):  # paws
        radius = (float(rng.uniform(30, 110)), float(rng.uniform(30, 90)))
        found.append(Pelt(near(420, 590, 110), radius, float(rng.uniform(20, 230))))
    if rng.uniform() < 0.15:  # a wheel, or another mouse
        angle = float(rng.uniform(0, 2 * np.pi))
        away = (float(430 + 900 * np.cos(angle)), float(260 + 900 * np.sin(angle)))
        radius = (float(rng.uniform(250, 500)), float(rng.uniform(250, 500)))
        found.append(Pelt(away, radius, float(rng.uniform(10, 220)), float(rng.uniform(0.02, 0.3))))
    return tuple(found)


def filmed(image: Grey, xy: Points, rng: np.random.Generator) -> tuple[Grey, Points]:
    """A picture as another camera would have taken it, from another place.

    Parameters
    ----------
    image : (H, W) uint8
    xy : (K, 2) float32
        Keypoints in pixels; NaN where there is none.
    rng : numpy.random.Generator

    Returns
    -------
    image : (H, W) uint8
    xy : (K, 2) float32
        All inside the image.
    """
    view = _viewpoint(image.shape, xy, rng)
    seen = warp(image / 255, view.inverse, order=1, mode="edge")
    return _developed(seen, rng), np.asarray(view(xy), dtype=np.float32)


def _viewpoint(size: tuple[int, ...], xy: Points, rng: np.random.Generator) -> ProjectiveTransform:
    """Where the camera stands: turned, tilted out of the plane, nearer or farther."""
    height, width = size
    middle = np.nanmean(xy, axis=0)
    angle, squeeze = rng.normal(0, 0.2), rng.normal(0, 0.12)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.array([[cos, -sin], [sin, cos]]) @ [[1, rng.normal(0, 0.08)], [0, 1]]
    matrix = np.eye(3)
    matrix[:2, :2] = turned * np.exp([squeeze, -squeeze])
    # Nearer on one side than on the other: a yaw and a pitch of the head or of the camera.
    matrix[2, :2] = np.clip(rng.normal(0, 0.25, 2), -0.5, 0.5) / width
    start = np.eye(3)
    start[:2, 2] = -middle
    tilted = ProjectiveTransform(matrix=matrix @ start)
    points = tilted(xy)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    share = np.exp(rng.uniform(*np.log(_SPAN)))
    zoom = float(share / ((high - low) / (width, height)).max())
    free = np.array([width, height]) * 0.96 - (high - low) * zoom
    # The ear and the neck are on the right, and in the picture more often than not.
    corner = np.array([width, height]) * 0.02 + free * (rng.beta(1.1, 2.2), rng.beta(1.5, 1.5))
    framed = np.diag([zoom, zoom, 1.0])
    framed[:2, 2] = corner - low * zoom
    return ProjectiveTransform(matrix=framed @ tilted.params)


def _developed(image: NDArray[np.float64], rng: np.random.Generator) -> Grey:
    """Light, lens, sensor and compression of another camera; values 0 to 1 in, grey levels out."""
    height, width = image.shape
    if rng.uniform() < 0.4:  # lit from aside
        slope = np.exp(np.linspace(-1, 1, width) * rng.normal(0, 0.6))
        image = image * slope * np.exp(np.linspace(-1, 1, height) * rng.normal(0, 0.4))[:, None]
    # Exposed for the bright parts, more or less well.
    exposure = np.exp(rng.uniform(np.log(0.35), np.log(1.5))) / (np.percentile(image, 97) + 0.02)
    image = np.clip(image * exposure, 0, 1) ** np.exp(rng.normal(-0.1, 0.35))
    blur = rng.uniform()
    if blur < 0.2:  # the head, or the camera, moved
        length = float(rng.uniform(1, 6)) * width / 384
        image = ndimage.gaussian_filter1d(image, length, axis=int(rng.integers(2)))
    elif blur < 0.45:  # few pixels on the face
        coarse = float(np.exp(rng.uniform(np.log(1.3), np.log(6)))) * width / 384
        image = ndimage.gaussian_filter(image, 0.45 * coarse)
        small = ndimage.zoom(image, 1 / coarse, order=1)
        image = ndimage.zoom(small, np.array(image.shape) / small.shape, order=1)
    if rng.uniform() < 0.3:
        image = image + rng.standard_normal(image.shape) * rng.uniform(0, 0.08)
    if rng.uniform() < 0.15:  # a low-contrast picture
        image = rng.uniform(0, 0.4) + image * rng.uniform(0.3, 0.6)
    grey = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    if rng.uniform() < 0.35:
        file = io.BytesIO()
        Image.fromarray(grey).save(file, "JPEG", quality=int(rng.integers(12, 70)))
        grey = np.asarray(Image.open(file))
    return grey
