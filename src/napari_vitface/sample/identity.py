"""Random mice, lamps and cameras: everything of a face that stays the same through a movie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_vitface.sample.anatomy import (
    BUMPS,
    REFERENCE_SIZE,
    EyeShape,
    FacePose,
    Shape,
)
from napari_vitface.sample.eye import EyeLook
from napari_vitface.sample.fur import COATS
from napari_vitface.sample.light import MARKINGS, Background, Camera, Light, Patch
from napari_vitface.sample.renderer import FaceParameters, FurLook, face_keypoints
from napari_vitface.sample.whiskers import WhiskerLook

# Standard deviation of each region's shift (x, y) between individuals, in reference units.
_VARIATION = {
    "nose": (12, 10), "bridge": (10, 13), "forehead": (25, 28), "pad": (9, 8),
    "upper lip": (10, 9), "lower lip": (7, 6), "chin": (18, 15), "throat": (28, 28),
    "eye": (12, 10), "cheek": (15, 15),
}  # fmt: skip


def random_identity(rng: np.random.Generator, variety: float = 1.0) -> FaceParameters:
    """A mouse in a set-up, at rest; `fit_inside` brings its keypoints into a frame.

    Parameters
    ----------
    rng : numpy.random.Generator
    variety : float
        0 is the reference face, 1 the full range used for training.
    """
    return FaceParameters(
        shape=_shape(rng, variety),
        fur=FurLook(
            coat=int(rng.integers(COATS)),
            relief=float(min(0.17 * np.exp(variety * rng.normal(0, 0.3)), 0.3)),
            thin=float(rng.uniform(0, 0.5 + 0.5 * variety)),
            cap=float(rng.uniform(0.3, 1)) if rng.uniform() < 0.4 else 0.0,
            cap_at=(float(rng.uniform(720, 860)), float(rng.uniform(-30, 30))),
        ),
        eye=_eye_look(rng, variety),
        whiskers=_whisker_look(rng, variety),
        light=_light(rng, variety),
        background=_background(rng, variety),
        camera=_camera(rng, variety),
    )


def random_pose(rng: np.random.Generator) -> FacePose:
    """A pose as a single frame of a movie might show it."""
    licking = rng.uniform() < 0.12
    closing = rng.uniform() < 0.22
    return FacePose(
        blink=float(rng.uniform(0, 1) if closing else rng.uniform(0, 0.1)),
        gaze=_pair(rng, 4, 3),
        eye=_pair(rng, 3, 3),
        nose=_pair(rng, 13, 9),
        pad=_pair(rng, 13, 6),
        jaw=(float(rng.normal(0, 4)), float(rng.normal(1, 4) + licking * rng.uniform(3, 16))),
        # Whiskers rest held back or brought forward more often than half way.
        whisk=float(rng.beta(0.65, 0.65)),
        tongue=float(licking * rng.uniform(0, 1)),
        drift=_pair(rng, 4, 4),
        roll=float(rng.normal(0, 0.008)),
    )


def fit_inside(
    parameters: FaceParameters, size: tuple[int, int], poses: list[FacePose], margin: float = 0.02
) -> FaceParameters:
    """The same face drawn nearer to the reference placement until all keypoints are in the frame.

    Parameters
    ----------
    poses : list of FacePose
        Every pose that has to fit.
    margin : float
        Share of the image's width and height that is kept free of keypoints.
    """
    height, width = size
    limit = np.array([width, height])
    for _ in range(8):
        xy = np.concatenate([face_keypoints(replace(parameters, pose=p), size) for p in poses])
        if ((xy >= margin * limit) & (xy <= (1 - margin) * limit - 1)).all():
            break
        shape = parameters.shape
        parameters = replace(
            parameters,
            shape=replace(
                shape,
                scale=min(shape.scale, 1.15) * 0.96,
                rotation=0.7 * shape.rotation,
                shift=(0.7 * shape.shift[0], 0.7 * shape.shift[1]),
                bumps=tuple((0.9 * x, 0.9 * y) for x, y in shape.bumps),
            ),
        )
    return parameters


def _pair(rng: np.random.Generator, sd_x: float, sd_y: float) -> tuple[float, float]:
    x, y = np.clip(rng.normal(size=2), -2.5, 2.5)
    return float(sd_x * x), float(sd_y * y)


def _shape(rng: np.random.Generator, variety: float) -> Shape:
    bumps = tuple(_pair(rng, *(variety * sd for sd in _VARIATION[name])) for name in BUMPS)
    plain = EyeShape()
    larger = float(np.clip(np.exp(variety * rng.normal(-0.03, 0.13)), 0.68, 1.2))
    shift = _pair(rng, 8 * variety, 6 * variety)
    eye = EyeShape(
        centre=(plain.centre[0] + shift[0], plain.centre[1] + shift[1]),
        length=plain.length * larger,
        tilt=plain.tilt + float(variety * rng.normal(0, 0.1)),
        top=plain.top * larger * float(np.exp(variety * rng.normal(0, 0.1))),
        bottom=plain.bottom * larger * float(np.exp(variety * rng.normal(0, 0.12))),
        skew_top=plain.skew_top + float(variety * rng.normal(0, 0.06)),
        skew_bottom=plain.skew_bottom + float(variety * rng.normal(0, 0.08)),
        exponent=float(rng.uniform(1.75, 2.1)),
    )
    return Shape(
        bumps=bumps,
        eye=eye,
        roots=tuple(_pair(rng, 7 * variety, 5 * variety) for _ in range(3)),
        scale=float(np.clip(np.exp(variety * rng.normal(-0.02, 0.11)), 0.72, 1.3)),
        rotation=float(variety * np.clip(rng.normal(0, 0.11), -0.3, 0.3)),
        shift=_pair(rng, 38 * variety, 28 * variety),
    )


def _eye_look(rng: np.random.Generator, variety: float) -> EyeLook:
    pale = rng.uniform() < 0.2 * variety
    return EyeLook(
        ball=float(rng.uniform(1, 6 + 12 * variety)),
        iris=float(rng.uniform(10, 60)) if pale else float(rng.uniform(0, 4)),
        pupil=float(rng.uniform(12, 40)),
        glint=float(rng.uniform(150, 400)),
        glint_radius=float(np.clip(rng.normal(5, 1.8 * variety), 2, 11)),
        glint_at=_pair(rng, 4 + 14 * variety, 4 + 12 * variety),
        wet=float(rng.uniform(20, 220)),
        rim=float(rng.uniform(2.5, 7)),
    )


def _whisker_look(rng: np.random.Generator, variety: float) -> WhiskerLook:
    return WhiskerLook(
        seed=int(rng.integers(2**31)),
        rows=int(rng.integers(4, 7)),
        columns=int(rng.integers(3, 6)),
        length=float(300 * np.exp(variety * rng.normal(0, 0.25))),
        width=float(np.clip(2.5 * np.exp(variety * rng.normal(0, 0.25)), 1.4, 4.5)),
        bright=float(np.clip(85 * np.exp(variety * rng.normal(0, 0.5)), 20, 230)),
        swing=float(rng.uniform(90, 125)),
        lips=int(rng.integers(12, 45)),
        nose=int(rng.integers(3, 18)),
        stubble=int(rng.integers(15, 90)),
    )


def _light(rng: np.random.Generator, variety: float) -> Light:
    plain = Light()
    turn = float(variety * rng.normal(-0.15, 0.5))
    # Some set-ups light the face evenly from the camera instead of from the nose.
    even = bool(rng.uniform() < 0.25 * variety)
    strength = float(np.exp(variety * rng.normal(-0.1, 0.35))) * (0.25 if even else 1.0)
    fill = float(plain.fill * np.exp(variety * rng.normal(0.2, 0.45))) * (2.8 if even else 1.0)
    own = tuple(
        Patch(
            float(rng.uniform(150, 900)), float(rng.uniform(0, 600)),
            float(rng.uniform(20, 150)), float(rng.uniform(20, 150)),
            float(rng.uniform(0, 3)), float(variety * rng.normal(0, 0.3)),
        )
        for _ in range(int(rng.integers(2, 9)))
    )  # fmt: skip
    common = tuple(
        replace(
            patch,
            x=patch.x + float(variety * rng.normal(0, 8)),
            y=patch.y + float(variety * rng.normal(0, 8)),
            strength=patch.strength * float(rng.uniform(1 - 0.8 * variety, 1 + 0.3 * variety)),
        )
        for patch in MARKINGS
    )
    return Light(
        key=plain.key * strength,
        key_position=(plain.key_position[0] + variety * float(rng.normal(0, 35)),
                      plain.key_position[1] + variety * float(rng.normal(0, 40))),
        key_range=plain.key_range * float(np.exp(variety * rng.normal(0, 0.25))),
        key_direction=_turned(plain.key_direction, turn, float(variety * rng.normal(0.1, 0.25))),
        spot=plain.spot * float(np.exp(variety * rng.normal(0, 0.4))),
        rim=plain.rim * float(rng.uniform(1 - variety, 1 + 0.6 * variety)),
        rim_direction=_turned(plain.rim_direction, 0.6 * turn, 0.0),
        edge=plain.edge * float(rng.uniform(1 - 0.8 * variety, 1 + 0.5 * variety)),
        fill=fill,
        roundness=float(np.clip(plain.roundness + variety * rng.normal(-0.15, 0.25), 0.1, 1)),
        markings=common + own,
    )  # fmt: skip


def _turned(
    direction: tuple[float, float, float], angle: float, towards: float
) -> tuple[float, float, float]:
    x, y, z = direction
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.array([x * cos - y * sin, x * sin + y * cos, z + towards])
    turned /= np.linalg.norm(turned)
    return float(turned[0]), float(turned[1]), float(turned[2])


def _background(rng: np.random.Generator, variety: float) -> Background:
    dark = rng.uniform() < 1 - 0.4 * variety
    level = float(rng.uniform(0, 3) if dark else np.exp(rng.uniform(np.log(4), np.log(95))))
    slope = 3.0 if dark else 0.7 * level
    width, height = REFERENCE_SIZE
    # Paws, chest and wheel are out of focus below the face.
    patches = tuple(
        Patch(
            float(rng.uniform(0.3 * width, width)), float(rng.uniform(0.7 * height, 1.1 * height)),
            float(rng.uniform(40, 130)), float(rng.uniform(60, 180)),
            float(rng.normal(0, 0.3)), float(rng.uniform(8, 45 + 30 * variety)),
        )
        for _ in range(int(rng.integers(1, 4)))
    )  # fmt: skip
    bars = tuple(
        (
            float(rng.uniform(0, width)), float(rng.uniform(0, height)),
            float(rng.uniform(0, np.pi)), float(rng.uniform(8, 70)),
            float(rng.uniform(1, 12)), float(level + rng.uniform(0, 90)),
        )
        for _ in range(int(rng.integers(0, 3)) if rng.uniform() < 0.3 * variety else 0)
    )  # fmt: skip
    return Background(
        level=level,
        slope=(float(rng.uniform(-slope, slope)), float(rng.uniform(-slope, slope))),
        patches=patches,
        bars=bars,
    )


def _camera(rng: np.random.Generator, variety: float) -> Camera:
    return Camera(
        gain=float(np.exp(variety * rng.normal(0, 0.3))),
        gamma=float(np.exp(variety * rng.normal(0, 0.2))),
        offset=float(rng.uniform(-3, 0.5 + 8 * variety)),
        blur=float(rng.uniform(0.7, 1.4 + 1.1 * variety)),
        shot_noise=float(rng.uniform(2, 4 + 8 * variety)),
        read_noise=float(rng.uniform(0.3, 1.0 + 2.5 * variety)),
        vignette=float(variety * rng.uniform(0, 0.35)),
    )
