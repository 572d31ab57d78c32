"""The layers that show the frame on screen: keypoints, skeleton and attention.

Each layer holds one frame only, so a slider step costs the same in a video of a million frames.
The layers are the user's: a renamed one is still found, a removed or hidden one stays away until it
is asked for again (`Overlays.show`).

The layers of points and skeleton, once made, are hidden and not removed while there is nothing to
show. Mesa's software renderer crashes at the next drawing after the buffers of a layer were freed;
what drew a removed layer is therefore kept (`keep_visual`).
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Vectors
from psygnal import Signal

from napari_vitface.gui.attention.colours import ATTENTION_COLOURS, attention_colormap
from napari_vitface.gui.layers import (
    AttentionPicture,
    PointRows,
    keypoint_colours,
    point_rows,
    point_size,
    skeleton_vectors,
)
from napari_vitface.gui.names_on_canvas import outline_names
from napari_vitface.gui.on_video import (
    frame_size,
    keep_in_place,
    keep_visual,
    placed_on,
    quietly,
    set_where_different,
    wipe,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.shown import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet

KEYPOINTS, SKELETON, ATTENTION = "keypoints", "skeleton", "attention"

#: Key of what the Points layer was made for (keypoint set, size) in its metadata.
_KNOWN = "keypoint set"


class Overlays:
    """Keypoints, skeleton and attention on one video layer of one viewer.

    Parameters
    ----------
    viewer : napari viewer or its model
        Held weakly.
    """

    #: (what, wanted): the user removed a layer, or it was asked for again.
    wanted_changed = Signal(str, bool)
    #: The Points layer of the keypoints was made.
    points_made = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._layers: dict[str, Layer] = {}
        self._wanted = {KEYPOINTS: True, SKELETON: True, ATTENTION: True}
        self._names_visible = True
        self._colours = ATTENTION_COLOURS[0]
        self._opacity = 0.7
        self._last_pose: tuple[ShownPose | None, Image | None] = (None, None)
        #: Whether what happens to the Points layer is our doing and not the user's.
        self.drawing = False
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed)

    # ----------------------------------------------------------------- what is wanted

    def wants(self, what: str) -> bool:
        """Whether this overlay is drawn when there is something to draw."""
        return self._wanted[what]

    def show(self, what: str, wanted: bool = True) -> None:
        """Draw an overlay, or take its layer away."""
        if self._wanted[what] == wanted:
            return
        self._wanted[what] = wanted
        if not wanted:
            self._take_away(what)
        elif what != ATTENTION:
            self.draw_pose(*self._last_pose)
        self.wanted_changed.emit(what, wanted)

    def want_again(self) -> None:
        """Show points and skeleton again where there is something, whatever was removed before."""
        for what in (KEYPOINTS, SKELETON):
            self.show(what)

    @property
    def names_visible(self) -> bool:
        """Whether the keypoints' names are written beside them."""
        return self._names_visible

    @names_visible.setter
    def names_visible(self, visible: bool) -> None:
        self._names_visible = visible
        layer = self.layer(KEYPOINTS)
        if isinstance(layer, Points):
            layer.text.visible = visible

    @property
    def attention_colours(self) -> str:
        """Name of the attention colour map, one of `ATTENTION_COLOURS`."""
        return self._colours

    @attention_colours.setter
    def attention_colours(self, name: str) -> None:
        self._colours = name
        layer = self.layer(ATTENTION)
        if isinstance(layer, Image):
            layer.colormap = attention_colormap(name)

    @property
    def attention_opacity(self) -> float:
        """Opacity of the attention layer, 0 to 1."""
        return self._opacity

    @attention_opacity.setter
    def attention_opacity(self, opacity: float) -> None:
        self._opacity = opacity
        layer = self.layer(ATTENTION)
        if layer is not None:
            layer.opacity = opacity

    def layer(self, what: str) -> Layer | None:
        """The napari layer of an overlay, if it is there."""
        return self._layers.get(what)

    # ----------------------------------------------------------------- drawing

    def draw_pose(self, pose: ShownPose | None, video: Image | None) -> None:
        """Show the keypoints and the skeleton of a frame on a video layer; None takes them away."""
        self._last_pose = (pose, video)
        viewer = self._viewer()
        if viewer is None or pose is None or video is None:
            self._take_away(SKELETON)
            self._take_away(KEYPOINTS)
            return
        rows = point_rows(pose)
        self.drawing = True
        try:
            if not pose.keypoints.skeleton:
                self._take_away(SKELETON)
            elif self._wanted[SKELETON]:
                self._draw_skeleton(viewer, pose.keypoints, rows, video)
            if self._wanted[KEYPOINTS]:
                self._draw_points(viewer, pose.keypoints, rows, video)
        finally:
            self.drawing = False

    def draw_attention(
        self, picture: AttentionPicture | None, limit: float, video: Image | None
    ) -> None:
        """Show an attention map; None shows an empty map (nothing is known about this frame)."""
        viewer = self._viewer()
        layer = self.layer(ATTENTION)
        if viewer is None or video is None or (not self._wanted[ATTENTION]):
            return
        if picture is None:
            if isinstance(layer, Image) and np.any(layer.data):
                with quietly(layer):
                    layer.data = np.zeros_like(layer.data)
            return
        place = placed_on(video, picture.scale, picture.translate)
        if isinstance(layer, Image):
            for name, value in place.items():
                if not np.allclose(getattr(layer, name), value):
                    setattr(layer, name, value)
            with quietly(layer, extent=layer.data.shape == picture.data.shape):
                layer.data = picture.data
            if tuple(layer.contrast_limits_range) != (0.0, limit):
                layer.contrast_limits_range = (0.0, limit)
                layer.contrast_limits = (0.0, limit)
            return
        layer = Image(
            picture.data,
            name=ATTENTION,
            colormap=attention_colormap(self._colours),
            contrast_limits=(0.0, limit),
            opacity=self._opacity,
            blending="translucent_no_depth",
            interpolation2d="linear",
            **place,
        )
        self._add(viewer, ATTENTION, layer, above=video)

    def arrange(self, video: Image) -> None:
        """Put the layers above a video in their order: attention, skeleton, keypoints."""
        viewer = self._viewer()
        if viewer is None or video not in viewer.layers:
            return
        layers = viewer.layers
        below: Layer = video
        for what in (ATTENTION, SKELETON, KEYPOINTS):
            layer = self.layer(what)
            if layer is None or layer not in layers:
                continue
            if layers.index(layer) < layers.index(below):
                layers.move(layers.index(layer), layers.index(below) + 1)
            below = layer

    def remove(self) -> None:
        """Take all overlays away; what is wanted stays as it was."""
        for what in (ATTENTION, SKELETON, KEYPOINTS):
            self._remove(what)

    def close(self) -> None:
        """Take all overlays away and stop listening to the viewer."""
        self.remove()
        viewer = self._viewer()
        if viewer is not None:
            viewer.layers.events.removing.disconnect(self._on_removing)
            viewer.layers.events.removed.disconnect(self._on_removed)

    def _draw_points(
        self, viewer: ViewerModel, keypoints: KeypointSet, rows: PointRows, video: Image
    ) -> None:
        layer = self.layer(KEYPOINTS)
        names = list(keypoints.names)
        size = point_size(frame_size(video))
        known = (keypoints, size)
        text = _text(keypoints, size, self._names_visible)
        if not isinstance(layer, Points):
            layer = Points(
                rows.positions,
                name=KEYPOINTS,
                features=_features(names, rows),
                face_color=rows.colours,
                shown=rows.shown,
                symbol=list(rows.symbols),
                size=size * rows.scale,
                border_width=rows.ring,
                border_color=rows.borders,
                canvas_size_limits=(6, 40),
                text=text,
                metadata={_KNOWN: known},
                **placed_on(video),
            )
            self._add(viewer, KEYPOINTS, layer)
            outline_names(viewer, layer)
            layer.events.visible.connect(partial(self._on_visible, KEYPOINTS))
            self.points_made.emit(layer)
            return
        keep_in_place(viewer, layer, video)
        # One redraw for all that changed: the data setter below makes it.
        with layer.events.blocker_all():
            if len(layer.data) != len(names) or layer.metadata.get(_KNOWN) != known:
                # Other keypoints, or rows were added, removed or pasted: rows are keypoints.
                layer.metadata[_KNOWN] = known
                layer.selected_data = {k for k in layer.selected_data if k < len(names)}
                layer.data = rows.positions
                layer.features = _features(names, rows)
                layer.text = text
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
                layer.features = _features(names, rows)
        layer.features["confidence"] = rows.confidence
        layer.features["state"] = list(rows.states)
        with quietly(layer):
            # A copy: napari moves the points of this array while one is dragged.
            layer.data = rows.positions.copy()
        if not layer.visible:
            layer.visible = True

    def _draw_skeleton(
        self, viewer: ViewerModel, keypoints: KeypointSet, rows: PointRows, video: Image
    ) -> None:
        vectors, colours = skeleton_vectors(rows, keypoints)
        layer = self.layer(SKELETON)
        if not isinstance(layer, Vectors):
            layer = Vectors(
                vectors,
                ndim=2,
                name=SKELETON,
                edge_width=0.18 * point_size(frame_size(video)),
                edge_color=colours if len(colours) else "white",
                vector_style="line",
                **placed_on(video),
            )
            layer.events.visible.connect(partial(self._on_visible, SKELETON))
            self._add(viewer, SKELETON, layer, below=self.layer(KEYPOINTS))
            return
        keep_in_place(viewer, layer, video)
        with quietly(layer):
            with layer.events.edge_color.blocker():
                layer.data = vectors
            if len(colours):
                layer.edge_color = colours
        if not layer.visible:
            layer.visible = True

    # ----------------------------------------------------------------- layers come and go

    def _add(
        self,
        viewer: ViewerModel,
        what: str,
        layer: Layer,
        *,
        above: Layer | None = None,
        below: Layer | None = None,
    ) -> None:
        self._layers[what] = layer
        selected = set(viewer.layers.selection)
        if above in viewer.layers:
            viewer.layers.insert(viewer.layers.index(above) + 1, layer)
        elif below in viewer.layers:
            viewer.layers.insert(viewer.layers.index(below), layer)
        else:
            viewer.layers.append(layer)
        # napari selects what is added; the user's own choice is to stay.
        viewer.layers.selection = selected & set(viewer.layers)

    def _take_away(self, what: str) -> None:
        """Remove an overlay; points and skeleton are hidden, with all that is on them."""
        layer = self.layer(what)
        if not isinstance(layer, Points | Vectors):
            self._remove(what)
            return
        self.drawing = True
        try:
            layer.visible = False
            if self._last_pose[0] is None:
                # The eye in the layer list must not bring back what is of another video.
                wipe(layer)
        finally:
            self.drawing = False

    def _on_visible(self, what: str, event: Any = None) -> None:
        """The eye in the layer list means the same as `show`."""
        layer = self.layer(what)
        if layer is not None and not self.drawing and layer.visible != self._wanted[what]:
            self.show(what, bool(layer.visible))

    def _remove(self, what: str) -> None:
        layer = self._layers.pop(what, None)
        viewer = self._viewer()
        if viewer is not None and layer is not None and layer in viewer.layers:
            keep_visual(viewer, layer)
            viewer.layers.remove(layer)

    def _on_removing(self, event: Any) -> None:
        viewer = self._viewer()
        layer = viewer.layers[event.index] if viewer is not None else None
        if layer in self._layers.values():
            keep_visual(viewer, layer)

    def _on_removed(self, event: Any) -> None:
        for what, layer in list(self._layers.items()):
            if layer is event.value:
                # Not by us (`_remove` forgets the layer first): the user does not want to see it.
                del self._layers[what]
                self._wanted[what] = False
                self.wanted_changed.emit(what, False)


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


def _features(names: list[str], rows: PointRows) -> dict[str, object]:
    # napari writes the text of hidden points too, so theirs is empty.
    labels = [name if shown else "" for name, shown in zip(names, rows.shown, strict=True)]
    return {
        "name": names,
        "confidence": rows.confidence,
        "state": list(rows.states),
        "label": labels,
    }
