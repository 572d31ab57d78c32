"""The shape of the drawn face: outline, keypoints and the smooth warp that moves both together.

Everything is laid out on a *reference face* of 864 x 646 units (nose to the left), and one
`Placement` maps image pixels back onto it. A structure drawn at a reference position and a keypoint
at that position therefore meet in the image, whatever the identity, pose and camera.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_vitface.pose.keypoints import MOUSE_FACE

Array = NDArray[np.float32]

#: Width and height of the reference face.
REFERENCE_SIZE = (864.0, 646.0)

#: Silhouette of the reference face (x, y), from the forehead over nose and mouth to the throat.
OUTLINE = np.array(
    [
        (1400, -215), (1180, -190), (980, -160), (760, -125), (600, -95), (500, -60), (420, -22),
        (352, 22), (292, 62), (232, 100), (176, 131), (147, 150), (130, 170), (128, 194),
        (138, 222), (153, 246), (160, 270), (168, 300), (184, 330), (212, 355), (250, 375),
        (284, 387), (303, 389), (309, 391), (316, 401), (332, 414), (352, 421), (384, 431),
        (424, 446), (470, 460), (520, 474), (570, 492), (622, 520), (672, 560), (716, 604),
        (758, 650), (800, 704), (850, 790), (900, 900),
    ],
    dtype=np.float64,
)  # fmt: skip

_FIXED = {
    "nose top": (176.0, 132.0),
    "nose tip": (128.5, 180.0),
    "nose bottom": (154.0, 246.0),
    "mouth": (311.0, 394.0),
    "lip": (352.0, 420.0),
}

PAD_CENTRE = np.array([330.0, 238.0])

#: Root of the three whiskers that carry keypoints, with the whiskers held back.
WHISKER_ROOTS = {
    "whisker 1": np.array([366.0, 238.0]),
    "whisker 2": np.array([356.0, 193.0]),
    "whisker 3": np.array([346.0, 283.0]),
}

#: How far each of these roots travels to the left, in reference units, between whiskers fully
#: held back and fully brought forward. The middle one moves most: it turns past the camera.
WHISKER_TRAVEL = {"whisker 1": 52.0, "whisker 2": 12.0, "whisker 3": 16.0}

_BUMP_CENTRES = np.array(
    [
        (135, 185),  # nose
        (235, 100),  # nose bridge
        (420, 10),  # forehead
        (330, 238),  # whisker pad
        (225, 345),  # upper lip
        (362, 430),  # lower lip
        (520, 480),  # chin
        (700, 590),  # throat
        (572, 120),  # eye
        (820, 300),  # cheek
    ],
    dtype=np.float64,
)
_BUMP_RADII = np.array([75, 90, 150, 105, 85, 48, 120, 160, 130, 200], dtype=np.float64)
BUMPS = (
    "nose", "bridge", "forehead", "pad", "upper lip", "lower lip", "chin", "throat", "eye", "cheek",
)  # fmt: skip


@dataclass(frozen=True)
class EyeShape:
    """The two lids as halves of a skewed superellipse on the axis from front to back corner."""

    centre: tuple[float, float] = (570.5, 131.0)
    length: float = 142.0
    tilt: float = 0.329
    top: float = 66.0
    bottom: float = 42.0
    skew_top: float = -0.09
    skew_bottom: float = -0.17
    exponent: float = 1.9


@dataclass(frozen=True)
class FacePose:
    """What moves from frame to frame. All zero is a resting face with half-protracted whiskers.

    Attributes
    ----------
    blink : float
        0 open to 1 closed.
    gaze : (float, float)
        Shift of the glint and iris in reference units.
    eye : (float, float)
        Shift of the whole eye opening in reference units.
    nose, pad, jaw : (float, float)
        Shift of nose, whisker pad and lower lip in reference units.
    whisk : float
        0 whiskers held back to 1 fully forward.
    tongue : float
        0 inside to 1 fully out.
    drift : (float, float), roll : float
        Shift of the camera in reference units and its rotation in radians.
    """

    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    eye: tuple[float, float] = (0.0, 0.0)
    nose: tuple[float, float] = (0.0, 0.0)
    pad: tuple[float, float] = (0.0, 0.0)
    jaw: tuple[float, float] = (0.0, 0.0)
    whisk: float = 0.5
    tongue: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.0


@dataclass(frozen=True)
class Shape:
    """One individual's proportions and where its face stands in the frame.

    Attributes
    ----------
    bumps : ten (dx, dy)
        Shift of each region of `BUMPS` in reference units.
    eye : EyeShape
    roots : three (dx, dy)
        Shift of the roots of whisker 1, 2 and 3 in reference units.
    scale, rotation, shift
        Size relative to the reference, rotation in radians and shift in reference units.
    """

    bumps: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * len(BUMPS)
    eye: EyeShape = field(default_factory=EyeShape)
    roots: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 3
    scale: float = 1.0
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


class Eyelids:
    """The opening between the lids for one eye shape and blink, in reference coordinates."""

    def __init__(self, shape: EyeShape, blink: float) -> None:
        self.shape = shape
        self.half = shape.length / 2
        self.axis = np.array([np.cos(shape.tilt), np.sin(shape.tilt)])
        self.up = np.array([self.axis[1], -self.axis[0]])
        self.centre = np.asarray(shape.centre)
        # The upper lid does most of the work and the closed line sags towards the lower lid.
        self.sag = -0.45 * shape.bottom * blink
        self.top = (1 - blink) * shape.top + 1.5
        self.bottom = (1 - 0.8 * blink) * shape.bottom + 1.5

    def local(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Position along the axis (-1 front corner, 1 back corner) and height above it."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        u = dx * self.axis[0] + dy * self.axis[1]
        v = dx * self.up[0] + dy * self.up[1]
        v = v - self.sag * np.clip(1 - (u / self.half) ** 2, 0, None)
        skew = np.where(v > 0, self.shape.skew_top, self.shape.skew_bottom)
        return (u - skew * v) / self.half, v

    def depth(self, x: Array, y: Array) -> Array:
        """Distance inside the opening in reference units (negative outside), good near the rim."""
        s, v = self.local(x, y)
        p = self.shape.exponent
        # The lower lid runs almost straight up to the back corner.
        q = 2 - 0.65 * np.clip(-v / 12, 0, 1) * (s > 0)
        height = np.where(v > 0, self.top, self.bottom)
        s_abs, h = np.abs(s) + 1e-6, np.abs(v) / height + 1e-6
        value = 1 - s_abs**q - h**p
        slope = np.hypot(q * s_abs ** (q - 1) / self.half, p * h ** (p - 1) / height)
        return np.asarray(value / np.maximum(slope, 1 / self.half), dtype=np.float32)

    def keypoints(self) -> NDArray[np.float64]:
        """Top, front, bottom and back of the opening, (4, 2)."""
        top = (self.shape.skew_top * self.top, self.sag + self.top)
        bottom = (-self.shape.skew_bottom * self.bottom, self.sag - self.bottom)
        points = [top, (-self.half, 0.0), bottom, (self.half, 0.0)]
        return np.array([self.centre + u * self.axis + v * self.up for u, v in points])


def reference_keypoints(shape: Shape, pose: FacePose) -> NDArray[np.float64]:
    """Where the drawn structures that carry the keypoints lie on the reference face, (12, 2)."""
    positions = dict(zip(("eye top", "eye front", "eye bottom", "eye back"),
                         Eyelids(shape.eye, pose.blink).keypoints(), strict=True))  # fmt: skip
    positions |= {name: np.array(xy) for name, xy in _FIXED.items()}
    for (name, root), shift in zip(WHISKER_ROOTS.items(), shape.roots, strict=True):
        travel = WHISKER_TRAVEL[name] * pose.whisk
        positions[name] = root + np.asarray(shift) - np.array([travel, 0.12 * travel])
    return np.array([positions[name] for name in MOUSE_FACE.names])


class Placement:
    """Maps image pixels onto the reference face and back, for one shape, pose and image size.

    Parameters
    ----------
    shape, pose : Shape, FacePose
    size : (int, int)
        Image height and width.
    """

    def __init__(self, shape: Shape, pose: FacePose, size: tuple[int, int]) -> None:
        height, width = size
        self.size = size
        self.fit = min(width / REFERENCE_SIZE[0], height / REFERENCE_SIZE[1])
        self.scale = self.fit * shape.scale
        angle = shape.rotation + pose.roll
        self._rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._middle = np.array([(width - 1) / 2, (height - 1) / 2])
        self._offset = self.fit * (np.asarray(shape.shift) + np.asarray(pose.drift))
        self._centre = np.array([(REFERENCE_SIZE[0] - 1) / 2, (REFERENCE_SIZE[1] - 1) / 2])
        moves = np.array(shape.bumps, dtype=np.float64)
        for name, move in (("nose", pose.nose), ("pad", pose.pad), ("lower lip", pose.jaw),
                           ("eye", pose.eye)):  # fmt: skip
            moves[BUMPS.index(name)] += move
        moves[BUMPS.index("bridge")] += 0.35 * np.asarray(pose.nose)
        moves[BUMPS.index("upper lip")] += 0.3 * np.asarray(pose.nose)
        self._moves = moves

    def straight(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Image pixels -> face coordinates before the warp: rotation, scale and shift undone."""
        return (xy - self._middle - self._offset) / self.scale @ self._rotation + self._centre

    def to_image(self, straight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Inverse of `straight`."""
        turned = (straight - self._centre) @ self._rotation.T
        return turned * self.scale + self._middle + self._offset

    def displacement(self, straight: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the face at a position (..., 2) has moved away from the reference there."""
        centres = _BUMP_CENTRES + self._moves
        dx = straight[..., 0, None] - centres[:, 0]
        dy = straight[..., 1, None] - centres[:, 1]
        weight = np.exp((dx * dx + dy * dy) * (-0.5 / _BUMP_RADII**2))
        return np.asarray(weight @ self._moves)

    def reference(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Image pixels (..., 2) -> positions on the reference face."""
        straight = self.straight(xy)
        return np.asarray(straight - self.displacement(straight))

    def straighten(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions on the reference face -> face coordinates before the warp (fixed point)."""
        straight = reference.copy()
        for _ in range(60):
            step = reference + self.displacement(straight) - straight
            straight = straight + step
            if np.abs(step).max() < 1e-4:
                break
        return straight

    def project(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions on the reference face (..., 2) -> image pixels."""
        return self.to_image(self.straighten(reference))


class SmoothGrid:
    """A coarse grid over an image and the interpolation of smooth fields from it to all pixels."""

    def __init__(self, size: tuple[int, int], step: float) -> None:
        self.size = size
        (self.rows, self._up_y), (self.columns, self._up_x) = (
            _interpolation(length, step) for length in size
        )

    def pixels(self) -> NDArray[np.float64]:
        """Image x, y of the grid's nodes, (h, w, 2)."""
        x, y = np.meshgrid(self.columns, self.rows)
        return np.stack([x, y], axis=-1)

    def expand(self, values: NDArray[np.float64] | Array) -> Array:
        """Values at the nodes (h, w) -> values at all pixels (H, W)."""
        # Sparse products: fewer operations than dense ones, and no BLAS threads that would compete
        # with whatever renders many frames in parallel.
        wide = np.ascontiguousarray((self._up_x @ values.T.astype(np.float32)).T)
        return np.asarray(self._up_y @ wide)


@lru_cache(maxsize=32)
def _interpolation(length: int, step: float) -> tuple[NDArray[np.float64], sparse.csr_array]:
    """Nodes that cover 0..length-1 and the matrix (length, nodes) of Catmull-Rom weights."""
    count = max(4, int(np.ceil((length - 1) / step)) + 3)
    spacing = (length - 1) / (count - 3)
    nodes = (np.arange(count) - 1) * spacing
    position = np.arange(length) / spacing + 1
    base = np.clip(np.floor(position).astype(int), 1, count - 3)
    t = position - base
    weights = np.stack(
        [
            ((2 - t) * t - 1) * t / 2,
            (t * t * (3 * t - 5) + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ]
    )
    matrix = np.zeros((length, count), dtype=np.float32)
    for k in range(4):
        matrix[np.arange(length), base + k - 1] = weights[k]
    return np.asarray(nodes, dtype=np.float64), sparse.csr_array(matrix)
