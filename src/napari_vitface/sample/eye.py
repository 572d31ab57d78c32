"""The eye: a dark shiny ball between two lids, with its glint, wet corners and bare rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vitface.sample.anatomy import Array, Eyelids


@dataclass(frozen=True)
class EyeLook:
    """How the eye reflects.

    Attributes
    ----------
    ball : grey level of the eyeball
    iris, pupil : grey levels added by the iris, and radius of the dark pupil in it (units)
    glint : grey level of the main reflection; glint_radius, glint_at (units from the eye's centre)
    wet : grey level of the reflections at the lids
    rim : width of the dark bare rim around the opening (units)
    skin : light added to the bare skin under the eye, relative to the fur there
    """

    ball: float = 3.0
    iris: float = 0.0
    pupil: float = 28.0
    glint: float = 255.0
    glint_radius: float = 5.0
    glint_at: tuple[float, float] = (6.0, -3.0)
    wet: float = 150.0
    rim: float = 5.0


def draw_eye(
    face: Array, lids: Eyelids, look: EyeLook, gaze: tuple[float, float], x: Array, y: Array,
    texture: Array,
) -> Array:  # fmt: skip
    """The face with the eye drawn on it, for the pixels about the eye.

    Parameters
    ----------
    face : grey levels of the fur
    x, y : positions of the pixels on the reference face
    texture : the coat's relief there, which roughens the reflections
    """
    depth = lids.depth(x, y)
    s, v = lids.local(x, y)
    # Softness of an edge: about one pixel of the image or one unit, whichever is more.
    soft = max(0.8, 0.6 * abs(float(x[0, -1] - x[0, 0])) / max(x.shape[1] - 1, 1))
    inside = _step(depth, soft)

    dx, dy = x - lids.centre[0] - gaze[0], y - lids.centre[1] - gaze[1]
    radius = np.hypot(dx, dy)
    ball = look.ball + look.iris * (_step(radius - look.pupil, 3) - 0.3 * _step(radius - 50, 3))
    # Faint ring where the ball meets the lids, brighter towards the back and the front corner.
    ball = ball + 0.10 * look.wet * np.exp(-(((depth - 9) / 2.0) ** 2)) * (v > -10)
    ball = ball + 0.03 * look.wet * np.exp(-((dx - 14) ** 2 + (dy + 22) ** 2) / 120)
    gx = dx - look.glint_at[0] + 0.4 * gaze[0]
    gy = dy - look.glint_at[1] + 0.4 * gaze[1]
    ball = ball + look.glint * _step(look.glint_radius - np.hypot(gx, gy), 1.0)

    # Dark rim outside, and tears that glitter on it at both corners and along the lower lid.
    rim = np.exp(-np.maximum(-depth, 0) / look.rim - 15 * np.maximum(np.abs(s) - 1.02, 0))
    skin = face * (1 - 0.92 * rim)
    rough = np.clip(0.6 + 0.5 * texture, 0, 2.5)
    front = np.exp(-(((s + 0.90) / 0.05) ** 2) - ((v - 8) / 5) ** 2)
    back = np.exp(-(((depth - 2) / 3) ** 2) - ((s - 0.93) / 0.12) ** 2) * (v > 4)
    low = np.exp(-(((depth + 2) / 2.5) ** 2)) * (v < 0) * 0.22
    tears = look.wet * (1.2 * front + 0.6 * back * rough + low * rough)
    closed = min(1.0, (lids.top + lids.bottom) / 40)
    tears = tears * closed
    return np.asarray(skin * (1 - inside) + ball * inside + tears, dtype=np.float32)


def _step(distance: Array, soft: float) -> Array:
    """0 to 1 across a distance of zero, linear over twice `soft`."""
    return np.clip(distance / (2 * soft) + 0.5, 0, 1)
