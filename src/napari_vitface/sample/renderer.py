"""Draws one mouse face: parameters in, grey image and exact keypoints out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_vitface.sample.anatomy import (
    Array,
    Eyelids,
    FacePose,
    Placement,
    Shape,
    SmoothGrid,
    reference_keypoints,
)
from napari_vitface.sample.ear import Ear, draw_ear
from napari_vitface.sample.eye import EyeLook, draw_eye
from napari_vitface.sample.fur import Coat, coat
from napari_vitface.sample.light import Background, Camera, Light, background, expose, shade
from napari_vitface.sample.mouth import draw_gap, draw_tongue
from napari_vitface.sample.objects import Pelt, Rod
from napari_vitface.sample.whiskers import WhiskerLook, draw_whiskers


@dataclass(frozen=True)
class FurLook:
    """How strongly the coat shows.

    Attributes
    ----------
    coat : which of the baked coats
    relief : how much hairs lighten and darken the skin
    thin : 0 a full fringe of hairs beyond the silhouette, 1 only thick tufts, above 1 shaven
    cap : opacity of the speckled cement of a head cap at the upper right
    cap_at : its middle on the reference face
    """

    coat: int = 0
    relief: float = 0.17
    thin: float = 0.3
    cap: float = 0.0
    cap_at: tuple[float, float] = (800.0, 10.0)


@dataclass(frozen=True)
class FaceParameters:
    """Everything that determines one frame but its noise."""

    shape: Shape = field(default_factory=Shape)
    pose: FacePose = field(default_factory=FacePose)
    fur: FurLook = field(default_factory=FurLook)
    eye: EyeLook = field(default_factory=EyeLook)
    whiskers: WhiskerLook = field(default_factory=WhiskerLook)
    light: Light = field(default_factory=Light)
    background: Background = field(default_factory=Background)
    camera: Camera = field(default_factory=Camera)
    ear: Ear | None = None
    objects: tuple[Rod | Pelt, ...] = ()


def face_keypoints(parameters: FaceParameters, size: tuple[int, int]) -> NDArray[np.float32]:
    """Positions of the twelve keypoints, without drawing: (12, 2) x, y in pixels."""
    placement = Placement(parameters.shape, parameters.pose, size)
    reference = reference_keypoints(parameters.shape, parameters.pose)
    return placement.project(reference).astype(np.float32)


def render(
    parameters: FaceParameters, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a face.

    Parameters
    ----------
    parameters : FaceParameters
    size : (int, int)
        Height and width of the image.
    rng : numpy.random.Generator
        Of the camera's noise only.

    Returns
    -------
    image : (H, W) uint8
    xy : (12, 2) float32
        Keypoints in the order of `MOUSE_FACE`, in pixels, (0, 0) the centre of the first pixel.
    """
    shape, pose = parameters.shape, parameters.pose
    placement = Placement(shape, pose, size)
    grid = SmoothGrid(size, step=float(np.clip(7 * placement.scale, 2.5, 8)))
    nodes = grid.pixels()
    reference = placement.reference(nodes).astype(np.float32)
    x, y = grid.expand(reference[..., 0]), grid.expand(reference[..., 1])
    hairs = coat(parameters.fur.coat, placement.scale)

    image = _behind(parameters.background, grid, nodes, placement)
    image = draw_whiskers(image, parameters.whiskers, shape, pose, placement, behind=True)
    face = _face(parameters, hairs, grid, reference, x, y, placement)
    cover = hairs.look_up(hairs.cover, x, y)
    thin = np.float32(parameters.fur.thin)
    cover *= np.maximum(1 - thin + thin * cover, 0)
    image = draw_tongue(image, pose, parameters.light, x, y, placement)
    image += (face - image) * cover
    if parameters.ear is not None:
        image = draw_ear(image, parameters.ear, x, y)
    image = draw_whiskers(image, parameters.whiskers, shape, pose, placement, behind=False)
    for thing in parameters.objects:
        image = thing.draw(image, x, y)
    xy = placement.project(reference_keypoints(shape, pose)).astype(np.float32)
    return expose(parameters.camera, image, placement.scale, rng), xy


def _behind(
    behind: Background, grid: SmoothGrid, nodes: NDArray[np.float64], placement: Placement
) -> Array:
    frame = (nodes / placement.fit).astype(np.float32)
    return grid.expand(background(behind, frame[..., 0], frame[..., 1]))


def _face(
    parameters: FaceParameters, hairs: Coat, grid: SmoothGrid, reference: Array, x: Array,
    y: Array, placement: Placement,
) -> Array:  # fmt: skip
    look = parameters.fur
    coarse = coat(look.coat, 0.1)
    nx, ny = reference[..., 0], reference[..., 1]
    skin = grid.expand(
        shade(
            parameters.light,
            nx,
            ny,
            np.stack([[coarse.look_up(side, nx, ny) for side in pair] for pair in coarse.tilt]),
        )
    )
    fur = hairs.look_up(hairs.fur, x, y)
    # Short hair lies flat on the muzzle and shows less there; on the forehead it stands up.
    relief = look.relief * (
        1
        - 0.6 * np.exp(-(((nx - 200) / 170) ** 2) - ((ny - 270) / 130) ** 2)
        + 0.6 * np.exp(-(((nx - 360) / 130) ** 2) - ((ny - 60) / 70) ** 2)
    )
    face = grid.expand(relief) * fur
    face += 1
    face = np.asarray(np.maximum(face, 0.05) * np.maximum(skin, 0), dtype=np.float32)
    if look.cap > 0:
        dx, dy = nx - look.cap_at[0], ny - look.cap_at[1]
        share = grid.expand(look.cap * np.clip(1.6 - np.hypot(dx / 95, dy / 48), 0, 1))
        grain = hairs.look_up(hairs.fur, 1.7 * y + 60, 0.9 * x - 200)
        cement = parameters.light.fill * (0.25 + 4.5 * np.maximum(grain - 1.1, 0))
        face += (cement - face) * share
    face = draw_gap(face, parameters.pose, x, y, placement)
    lids = Eyelids(parameters.shape.eye, parameters.pose.blink)
    around = placement.project(lids.keypoints())
    reach = 40 * placement.scale
    left, top = np.maximum(np.floor(around.min(0) - reach), 0).astype(int)
    right, bottom = np.ceil(around.max(0) + reach).astype(int)
    if right > left and bottom > top:
        box = np.s_[top:bottom, left:right]
        if face[box].size:
            face[box] = draw_eye(
                face[box], lids, parameters.eye, parameters.pose.gaze, x[box], y[box], fur[box]
            )
    return np.asarray(face, dtype=np.float32)
