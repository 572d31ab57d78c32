"""The names beside the keypoints: outlined, and kept from lying over each other.

napari writes them in one colour and at one side of all points. What draws them keeps the distance
to each letter's edge in a texture, so an outline is one more threshold in its shader, and letters
have places of their own in screen pixels, so a name is moved without being made anew. Nothing is
drawn twice, and letters are set again only when the names change.

This reaches into what napari draws with; where that is not as expected, names look as they do
without it.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

_log = logging.getLogger(__name__)

#: The last line of the shader of vispy's text, and of those that throw empty pixels away.
_DISCARD = "if (alpha <= 0) discard;"
_COLOUR = "gl_FragColor = vec4(v_color.rgb, v_color.a * alpha);"
#: 0.5 is the letter's edge, 0 about a pixel and a half outside of it at the size of names.
_OUTLINED = """
        float around = smoothstep(0.04, 0.30, distance);
        float covered = max(alpha, 0.9 * around);
        if (covered <= 0.0) discard;
        gl_FragColor = vec4(v_color.rgb * alpha / covered, v_color.a * covered);
"""
#: Screen pixels between a point and its name: as far as the point is large, within limits.
_NEAREST, _FARTHEST = 6.0, 26.0
#: What is worth a square pixel of overlap: another side than in the frame before, and the sides in
#: the order of preference: right, left, above, below.
_CHANGE = 60.0
_SIDES = np.array([0.0, 4.0, 40.0, 40.0])
_DIRECTIONS = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])


def outline_names(viewer: Any, layer: Points) -> None:
    """Let the names of a layer be outlined and kept apart, if the viewer has a window."""
    window = getattr(viewer, "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    visual = getattr(canvas, "layer_to_visual", {}).get(layer)
    if visual is None:
        return
    try:
        text = visual.node.text
        shader = text._shaders["fragment"]
        if shader.count(_DISCARD) != 1 or shader.count(_COLOUR) != 1:
            raise KeyError("another shader")
        text.unfreeze()
        text._layer = weakref.ref(layer)
        text._letters, text._sides = None, None
        text.__class__ = type("Names", (_Names, type(text)), {})
        text.freeze()
        text.shared_program.frag = shader.replace(_DISCARD, "").replace(_COLOUR, _OUTLINED)
        for view in text._vshare.views:
            # Opacity and clipping stand at the end of the shader that was there.
            for (stage, place), hook in view._hooks.items():
                if stage == "frag":
                    view.view_program.frag[place] = hook
    except (AttributeError, KeyError, TypeError) as error:
        _log.info("names are drawn as napari does it: %s", error)


class _Names:
    """What is added to vispy's text: each name at a side of its point where there is room."""

    # What vispy's text has, in the versions that `outline_names` takes.
    transforms: Any
    _text: Any
    _anchors: Any
    _pos: Any
    _pos_changed: bool
    _font_size: float
    _vertices: Any
    _vertices_data: Any
    # Ours: the layer, the letters where vispy put them, the sides of the names before.
    _layer: Any
    _letters: Any
    _sides: Any

    @property
    def text(self) -> Any:
        return self._text

    @text.setter
    def text(self, text: Any) -> None:
        if not np.array_equal(text, self._text):
            super(_Names, type(self)).text.fset(self, text)  # type: ignore[misc]

    @property
    def anchors(self) -> Any:
        return self._anchors

    @anchors.setter
    def anchors(self, anchors: Any) -> None:
        if anchors != self._anchors:
            super(_Names, type(self)).anchors.fset(self, anchors)  # type: ignore[misc]

    def _prepare_draw(self, view: Any) -> Any:
        made, moved = self._vertices is None, self._pos_changed
        ready = super()._prepare_draw(view)  # type: ignore[misc]
        if ready is False or not (made or moved):
            return ready
        if made:
            self._letters = np.array(self._vertices_data)
        strings = [self._text] if isinstance(self._text, str) else self._text
        counts = 4 * np.array([len(name) for name in strings])
        named = np.flatnonzero(counts)
        if len(named):
            shifts = np.zeros((len(counts), 2), np.float32)
            shifts[named] = self._shifts(named, counts)
            data = self._letters.copy()
            data["a_position"] += np.repeat(shifts, counts, axis=0)
            self._vertices.set_data(data)
        return ready

    def _shifts(self, named: NDArray[np.int_], counts: NDArray[np.int_]) -> NDArray[np.float32]:
        """How far the letters of each name are moved, in heights of a letter, y up."""
        layer = self._layer()
        transforms = self.transforms
        letter = self._font_size / 72 * transforms.dpi
        to_canvas = transforms.get_transform("visual", "canvas")
        places = to_canvas.map(self._pos[named])[:, :2]
        across = to_canvas.map([[0, 0, 0], [1, 0, 0]])[:, :2]
        pixel = float(np.hypot(*(across[1] - across[0])))
        beside = float(np.atleast_1d(layer.text.translation)[-1]) * pixel if layer else 0.0
        first = (np.cumsum(counts) - counts)[named]
        corners = self._letters["a_position"] * (letter, -letter)
        low, high = np.minimum.reduceat(corners, first), np.maximum.reduceat(corners, first)
        points = places - (beside, 0.0)
        sides, boxes = choose_sides(
            points,
            high - low,
            float(np.clip(beside, _NEAREST, _FARTHEST)),
            self._sides if self._sides is not None and len(self._sides) == len(named) else None,
        )
        self._sides = sides
        return ((boxes.mean(axis=1) - places - (low + high) / 2) / (letter, -letter)).astype(
            np.float32
        )


def choose_sides(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    distance: float,
    before: NDArray[np.int_] | None,
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """A side of each point for its name, so that names cover neither each other nor points.

    Parameters
    ----------
    points : (N, 2) float
        x, y on screen, in pixels, y down.
    sizes : (N, 2) float
        Width and height of the names, in pixels.
    distance : float
        Pixels between a point and its name.
    before : (N,) int, optional
        The sides in the frame before: names that can stay do.

    Returns
    -------
    sides : (N,) int
        0 right, 1 left, 2 above, 3 below.
    boxes : (N, 2, 2) float
        Upper left and lower right corner of each name.
    """
    # (N, 4, 2): the middle of a name at each side.
    middles = points[:, None] + _DIRECTIONS * (sizes[:, None] / 2 + distance)
    lows, highs = middles - sizes[:, None] / 2, middles + sizes[:, None] / 2
    dots = np.stack([points - distance / 2, points + distance / 2], axis=1)
    others = ~np.eye(len(points), dtype=bool)
    # Overlap of each name at each side with the other points.
    cost = (_overlap(lows, highs, dots) * others[:, None]).sum(axis=-1) + _SIDES
    if before is not None:
        cost += _CHANGE * (np.arange(len(_SIDES)) != before[:, None])
    sides = np.zeros(len(points), np.int_)
    boxes = np.zeros((len(points), 2, 2))
    for k in range(len(points)):
        taken = _overlap(lows[k], highs[k], boxes[:k]).sum(axis=-1)
        sides[k] = np.argmin(cost[k] + taken)
        boxes[k] = lows[k, sides[k]], highs[k, sides[k]]
    return sides, boxes


def _overlap(
    lows: NDArray[np.float64], highs: NDArray[np.float64], boxes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Square pixels that boxes have in common: (..., 2) corners with (M, 2, 2) boxes, (..., M)."""
    common = np.minimum(highs[..., None, :], boxes[:, 1]) - np.maximum(
        lows[..., None, :], boxes[:, 0]
    )
    return np.asarray(common.clip(0).prod(axis=-1))
