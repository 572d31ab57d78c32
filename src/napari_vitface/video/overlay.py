"""Drawing poses onto frames, for labelled video and pictures.

Shapes are blended by how much of each pixel they cover, so points stand where they are to a
fraction of a pixel, and confidence is opacity.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.pose.keypoints import KeypointSet

#: Opacity of a point whose confidence is 0: faint, but to be seen.
FAINTEST = 0.15

#: Opacity of the dark rim around points and names.
RIM = 0.7


def draw_poses(
    image: NDArray[Any],
    xy: ArrayLike,
    confidence: ArrayLike | None,
    keypoints: KeypointSet,
    *,
    names: bool = False,
    skeleton: bool = True,
    trail: ArrayLike | None = None,
    radius: float | None = None,
) -> NDArray[np.uint8]:
    """Draw one pose onto a copy of a frame.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8
        Grey or RGB frame.
    xy : (K, 2) array of float
        Positions in pixels, (0, 0) the centre of the top-left pixel; NaN is left out.
    confidence : (K,) array of float in [0, 1], or None
        Opacity; None draws all points in full.
    keypoints : KeypointSet
        Colours, names and skeleton.
    names : bool
        Write each keypoint's name beside it.
    skeleton : bool
        Draw the skeleton's edges, each as faint as the fainter of its ends.
    trail : (N, K, 2) array of float, optional
        Positions in the N frames before, oldest first, drawn as lines that fade into the past.
    radius : float, optional
        Of the points, in pixels; default by the size of the frame.

    Returns
    -------
    (H, W, 3) array of uint8
    """
    canvas = (
        np.repeat(image[..., None], 3, axis=2)
        if image.ndim == 2
        else np.array(image, dtype=np.uint8)
    )
    points = np.asarray(xy, dtype=np.float64)
    if points.shape != (len(keypoints), 2):
        raise ValueError(f"xy must have the shape ({len(keypoints)}, 2), not {points.shape}")
    radius = default_radius(canvas.shape[:2]) if radius is None else float(radius)
    width = max(1.0, radius * 0.5)
    shown: list[int] = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    certain = np.ones(len(points)) if confidence is None else np.asarray(confidence, np.float64)
    opacity = FAINTEST + (1 - FAINTEST) * np.clip(np.nan_to_num(certain), 0, 1)
    colours = [_rgb(colour) for colour in keypoints.colours]

    if trail is not None and len(np.asarray(trail)):
        past = np.concatenate([np.asarray(trail, dtype=np.float64), points[None]])
        for k, colour in enumerate(colours):
            _draw_trail(canvas, past[:, k], width, colour, float(opacity[k]))
    if skeleton:
        for a, b in keypoints.edges():
            if a in shown and b in shown:
                mean = (colours[a] + colours[b]) / 2
                alpha = 0.8 * float(min(opacity[a], opacity[b]))
                _draw_lines(
                    canvas, points[a][None], points[b][None], width, mean, np.array([alpha])
                )
    for k in shown:
        _draw_disc(canvas, points[k], radius, colours[k], float(opacity[k]))
    if names:
        for k in shown:
            _draw_name(canvas, points[k], radius, keypoints.names[k], colours[k], float(opacity[k]))
    return canvas


def default_radius(size: tuple[int, int]) -> float:
    """Radius of points that are easily seen in a frame of this (H, W), in pixels."""
    return max(1.5, 0.007 * max(size))


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def _window(
    canvas: NDArray[np.uint8], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[slice, slice]:
    """Rows and columns of the canvas between two corners (x, y); empty if outside."""
    height, width = canvas.shape[:2]
    x0, y0 = np.clip(np.floor(low), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(high) + 1, 0, (width, height)).astype(int)
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def _blend(
    canvas: NDArray[np.uint8],
    window: tuple[slice, slice],
    colour: NDArray[np.float64],
    alpha: NDArray[np.float64],
) -> None:
    below = canvas[window].astype(np.float64)
    canvas[window] = np.rint(below + (colour - below) * alpha[..., None]).astype(np.uint8)


def _draw_disc(
    canvas: NDArray[np.uint8],
    centre: NDArray[np.float64],
    radius: float,
    colour: NDArray[np.float64],
    opacity: float,
) -> None:
    rim = max(1.0, radius * 0.3)
    window = _window(canvas, centre - radius - rim - 1, centre + radius + rim + 1)
    rows, columns = np.ogrid[window]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    _blend(
        canvas, window, np.zeros(3), opacity * RIM * np.clip(radius + rim + 0.5 - distance, 0, 1)
    )
    _blend(canvas, window, colour, opacity * np.clip(radius + 0.5 - distance, 0, 1))


def _draw_lines(
    canvas: NDArray[np.uint8],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    width: float,
    colour: NDArray[np.float64],
    opacity: NDArray[np.float64],
) -> None:
    """Line segments (N, 2) to (N, 2) of opacities (N,); where they overlap the stronger counts."""
    corners = np.concatenate([starts, ends])
    window = _window(canvas, corners.min(axis=0) - width - 1, corners.max(axis=0) + width + 1)
    rows, columns = np.ogrid[window]
    alpha = np.zeros((rows.size, columns.size))
    for start, end, strength in zip(starts, ends, opacity, strict=True):
        along = end - start
        x, y = columns - start[0], rows - start[1]
        share = np.clip((x * along[0] + y * along[1]) / max(along @ along, 1e-9), 0, 1)
        distance = np.hypot(x - share * along[0], y - share * along[1])
        np.maximum(alpha, strength * np.clip(width / 2 + 0.5 - distance, 0, 1), out=alpha)
    _blend(canvas, window, colour, alpha)


def _draw_trail(
    canvas: NDArray[np.uint8],
    path: NDArray[np.float64],
    width: float,
    colour: NDArray[np.float64],
    opacity: float,
) -> None:
    """The path (N, 2) of one keypoint, its newest position last; gaps where a position is NaN."""
    ages = np.arange(1, len(path)) / (len(path) - 1)
    joined = np.isfinite(path[:-1]).all(axis=1) & np.isfinite(path[1:]).all(axis=1)
    if joined.any():
        _draw_lines(
            canvas, path[:-1][joined], path[1:][joined], width, colour, 0.8 * opacity * ages[joined]
        )


@lru_cache(maxsize=256)
def _lettering(text: str, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage of a text in letters of `size` pixels, and of the text with its rim, (h, w)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    rim = max(1, round(size / 8))
    left, top, right, bottom = font.getbbox(text, stroke_width=rim)
    shape = (int(np.ceil(right - left)) + 2, int(np.ceil(bottom - top)) + 2)
    masks = []
    for stroke in (0, rim):
        mask = Image.new("L", shape)
        place = (1 - left, 1 - top)
        ImageDraw.Draw(mask).text(place, text, fill=255, font=font, stroke_width=stroke)
        masks.append(np.asarray(mask, dtype=np.float64) / 255)
    return masks[0], masks[1]


def _draw_name(
    canvas: NDArray[np.uint8],
    centre: NDArray[np.float64],
    radius: float,
    name: str,
    colour: NDArray[np.float64],
    opacity: float,
) -> None:
    """The name to the right of a point, or to its left where it would leave the frame."""
    letters, rim = _lettering(name, max(9, round(3.2 * radius)))
    height, width = letters.shape
    gap = 1.6 * radius + 1
    x = centre[0] + gap
    if x + width > canvas.shape[1]:
        x = centre[0] - gap - width
    x, y = round(x), round(centre[1] - height / 2)
    y = min(max(y, 0), max(canvas.shape[0] - height, 0))
    x = min(max(x, 0), max(canvas.shape[1] - width, 0))
    window = (slice(y, y + height), slice(x, x + width))
    rows, columns = canvas[window].shape[:2]
    _blend(canvas, window, np.zeros(3), opacity * RIM * rim[:rows, :columns])
    _blend(canvas, window, colour, opacity * letters[:rows, :columns])
