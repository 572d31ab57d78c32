"""The Points layer of the keypoints: one row for each, made once and changed in place."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Points

from napari_vitface.gui.layers import PointRows, keypoint_colours, point_size
from napari_vitface.gui.on_video import frame_size, placed_on, quietly, set_where_different
from napari_vitface.pose.keypoints import KeypointSet

#: Key of what the layer was made for (keypoint set, size) in its metadata.
_KNOWN = "keypoint set"


def make_points(
    name: str, keypoints: KeypointSet, rows: PointRows, video: Image, names_visible: bool
) -> Points:
    """A layer of the keypoints of a frame, where the video layer draws it."""
    size = point_size(frame_size(video))
    return Points(
        rows.positions,
        name=name,
        features=_features(keypoints, rows),
        face_color=rows.colours,
        shown=rows.shown,
        symbol=list(rows.symbols),
        size=size * rows.scale,
        border_width=rows.ring,
        border_color=rows.borders,
        canvas_size_limits=(6, 40),
        text=_text(keypoints, size, names_visible),
        metadata={_KNOWN: (keypoints, size)},
        **placed_on(video),
    )


def update_points(
    layer: Points, keypoints: KeypointSet, rows: PointRows, video: Image, names_visible: bool
) -> None:
    """Show another frame, or other keypoints, on a layer of `make_points`; it becomes visible."""
    size = point_size(frame_size(video))
    known = (keypoints, size)
    # One redraw for all that changed: the data setter below makes it.
    with layer.events.blocker_all():
        if len(layer.data) != len(keypoints) or layer.metadata.get(_KNOWN) != known:
            # Other keypoints, or rows were added, removed or pasted: rows are keypoints.
            layer.metadata[_KNOWN] = known
            # In older versions of napari rows that were just removed are still selected.
            there = min(len(keypoints), len(layer.data))
            layer.selected_data = {k for k in layer.selected_data if k < there}
            layer.data = rows.positions
            layer.features = _features(keypoints, rows)
            layer.text = _text(keypoints, size, names_visible)
        set_where_different(
            layer,
            face_color=rows.colours,
            border_color=rows.borders,
            size=size * rows.scale,
            border_width=rows.ring,
        )
        if [str(symbol) for symbol in layer.symbol] != list(rows.symbols):
            layer.symbol = list(rows.symbols)
        if not np.array_equal(layer.shown, rows.shown):
            layer.shown = rows.shown
            # All features at once: the names on the canvas are made anew of them.
            layer.features = _features(keypoints, rows)
    layer.features["confidence"] = rows.confidence
    layer.features["state"] = list(rows.states)
    with quietly(layer):
        # A copy: napari moves the points of this array while one is dragged.
        layer.data = rows.positions.copy()
    if not layer.visible:
        layer.visible = True


def _text(keypoints: KeypointSet, size: float, visible: bool) -> dict[str, object]:
    """Names beside the points, as napari takes them."""
    return {
        "string": "{label}",
        "size": 9,
        "anchor": "upper_left",
        "color": keypoint_colours(keypoints),
        "translation": [0.0, 0.8 * size],
        "visible": visible,
    }


def _features(keypoints: KeypointSet, rows: PointRows) -> dict[str, object]:
    # napari writes the text of hidden points too, so theirs is empty.
    labels = [
        name if shown else "" for name, shown in zip(keypoints.names, rows.shown, strict=True)
    ]
    return {
        "name": list(keypoints.names),
        "confidence": rows.confidence,
        "state": list(rows.states),
        "label": labels,
    }
