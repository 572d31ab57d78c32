"""The layers that show the frame on screen: keypoints, skeleton and attention.

Each layer holds one frame only, so a slider step costs the same in a video of a million frames.
The layers are the user's: a renamed one is still found, a removed or hidden one stays away until it
is asked for again (`Overlays.show`).

The layers of points and skeleton, once made, are hidden and not removed while there is nothing to
show. Mesa's software renderer crashes at the next drawing after the buffers of a layer were freed;
what drew a removed layer is therefore kept (`keep_visual`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Vectors
from psygnal import Signal

from napari_vitface.gui.attention.colours import ATTENTION_COLOURS, attention_colormap
from napari_vitface.gui.connections import Connections
from napari_vitface.gui.kept_choices import choices_of
from napari_vitface.gui.layers import (
    AttentionPicture,
    PointRows,
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
    wipe,
)
from napari_vitface.gui.points_layer import make_points, update_points
from napari_vitface.gui.weak_attribute import WeakAttribute

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet

KEYPOINTS, SKELETON, ATTENTION = "keypoints", "skeleton", "attention"


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

    _viewer = WeakAttribute["ViewerModel"]()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._connections = Connections()
        self._layers: dict[str, Layer] = {}
        self._wanted = {KEYPOINTS: True, SKELETON: True, ATTENTION: True}
        self._names_visible = True
        self._kept = choices_of(viewer)
        #: What is drawn: a pose and its video, or nothing.
        self._drawn: tuple[()] | tuple[ShownPose, Image] = ()
        #: Whether what happens to the Points layer is our doing and not the user's.
        self.drawing = False
        self._connections.connect(viewer.layers.events.removing, self._on_removing)
        self._connections.connect(viewer.layers.events.removed, self._on_removed)

    # ----------------------------------------------------------------- what is wanted

    def show(self, what: str, wanted: bool = True) -> None:
        """Draw an overlay, or take its layer away."""
        if self._wanted[what] == wanted:
            return
        self._wanted[what] = wanted
        if not wanted:
            self._take_away(what)
        elif what != ATTENTION and self._drawn:
            self.draw_pose(*self._drawn)
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
        return self._kept.of("attention.colours", ATTENTION_COLOURS[0])

    @attention_colours.setter
    def attention_colours(self, name: str) -> None:
        self._kept.note("attention.colours", name)
        layer = self.layer(ATTENTION)
        if isinstance(layer, Image):
            layer.colormap = attention_colormap(name)

    @property
    def attention_opacity(self) -> float:
        """Opacity of the attention layer, 0 to 1."""
        return self._kept.of("attention.opacity", 0.7)

    @attention_opacity.setter
    def attention_opacity(self, opacity: float) -> None:
        self._kept.note("attention.opacity", opacity)
        layer = self.layer(ATTENTION)
        if layer is not None:
            layer.opacity = opacity

    def layer(self, what: str) -> Layer | None:
        """The napari layer of an overlay, if it is there."""
        return self._layers.get(what)

    # ----------------------------------------------------------------- drawing

    def hide_pose(self) -> None:
        """Show neither keypoints nor skeleton."""
        self._drawn = ()
        self._take_away(SKELETON)
        self._take_away(KEYPOINTS)

    def draw_pose(self, pose: ShownPose, video: Image) -> None:
        """Show the keypoints and the skeleton of a frame on a video layer."""
        self._drawn = (pose, video)
        rows = point_rows(pose)
        self.drawing = True
        try:
            if not pose.keypoints.skeleton:
                self._take_away(SKELETON)
            elif self._wanted[SKELETON]:
                self._draw_skeleton(pose.keypoints, rows, video)
            if self._wanted[KEYPOINTS]:
                self._draw_points(pose.keypoints, rows, video)
        finally:
            self.drawing = False

    def draw_attention(self, picture: AttentionPicture | None, limit: float, video: Image) -> None:
        """Show an attention map; None shows an empty map (nothing is known about this frame)."""
        layer = self.layer(ATTENTION)
        if not self._wanted[ATTENTION]:
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
            colormap=attention_colormap(self.attention_colours),
            contrast_limits=(0.0, limit),
            opacity=self.attention_opacity,
            blending="translucent_no_depth",
            interpolation2d="linear",
            **place,
        )
        self._add(ATTENTION, layer, above=video)

    def arrange(self, video: Image) -> None:
        """Put the layers above a video in their order: attention, skeleton, keypoints."""
        layers = self._viewer.layers
        if video not in layers:
            return
        below: Layer = video
        for what in (ATTENTION, SKELETON, KEYPOINTS):
            layer = self.layer(what)
            if layer not in layers:
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
        self._connections.undo()

    def _draw_points(self, keypoints: KeypointSet, rows: PointRows, video: Image) -> None:
        layer = self.layer(KEYPOINTS)
        if isinstance(layer, Points):
            keep_in_place(self._viewer, layer, video)
            update_points(layer, keypoints, rows, video, self._names_visible)
            return
        layer = make_points(KEYPOINTS, keypoints, rows, video, self._names_visible)
        self._add(KEYPOINTS, layer)
        outline_names(self._viewer, layer)
        layer.events.visible.connect(partial(self._on_visible, KEYPOINTS))
        self.points_made.emit(layer)

    def _draw_skeleton(self, keypoints: KeypointSet, rows: PointRows, video: Image) -> None:
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
            self._add(SKELETON, layer, below=self.layer(KEYPOINTS))
            return
        keep_in_place(self._viewer, layer, video)
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
        what: str,
        layer: Layer,
        *,
        above: Layer | None = None,
        below: Layer | None = None,
    ) -> None:
        self._layers[what] = layer
        layers = self._viewer.layers
        selected = set(layers.selection)
        if above in layers:
            layers.insert(layers.index(above) + 1, layer)
        elif below in layers:
            layers.insert(layers.index(below), layer)
        else:
            layers.append(layer)
        # napari selects what is added; the user's own choice is to stay.
        layers.selection = selected & set(layers)

    def _take_away(self, what: str) -> None:
        """Remove an overlay; points and skeleton are hidden, with all that is on them."""
        layer = self.layer(what)
        if not isinstance(layer, Points | Vectors):
            self._remove(what)
            return
        self.drawing = True
        try:
            layer.visible = False
            if not self._drawn:
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
        if layer in self._viewer.layers:
            keep_visual(self._viewer, layer)
            self._viewer.layers.remove(layer)

    def _on_removing(self, event: Any) -> None:
        layer = self._viewer.layers[event.index]
        if layer in self._layers.values():
            keep_visual(self._viewer, layer)

    def _on_removed(self, event: Any) -> None:
        for what, layer in list(self._layers.items()):
            if layer is event.value:
                # Not by us (`_remove` forgets the layer first): the user does not want to see it.
                del self._layers[what]
                self._wanted[what] = False
                self.wanted_changed.emit(what, False)
