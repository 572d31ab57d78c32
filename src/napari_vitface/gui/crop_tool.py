"""The crop on the canvas: a rectangle on the current video that can be drawn, moved and resized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer, Shapes
from psygnal import Signal

from napari_vitface.gui.crop_rectangle import SMALLEST, crop_of_rectangle, rectangle_of_crop
from napari_vitface.gui.on_video import frame_size, keep_visual, placed_on
from napari_vitface.gui.overlays import KEYPOINTS, SKELETON

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session

#: Shapes' data events after which the rectangle stays as it is; while the mouse draws there are
#: many others.
_SETTLED = ("added", "changed", "removed")


class CropTool:
    """Shows the crop of the current video, and takes what the user makes of its rectangle."""

    #: What is drawn, or what to do, changed.
    changed = Signal()

    def __init__(self, session: Session, overlays: Overlays) -> None:
        self._session = session
        self._overlays = overlays
        self._layer: Shapes | None = None
        #: Why the rectangle that was drawn is no crop; empty if it is one.
        self.problem = ""
        #: What the user worked on before the rectangle was taken in hand.
        self._before: Layer | None = None
        session.video_changed.connect(self._on_video)
        session.crop_changed.connect(self._follow)

    @property
    def drawing(self) -> bool:
        """Whether the layer to draw in is there."""
        return self._layer is not None

    def draw(self) -> None:
        """Take the rectangle in hand: to move and resize it, or to draw one if there is none."""
        viewer, opened = self._session.viewer, self._session.current
        if opened is None:
            return
        layer = self._layer or self._make_layer(viewer)
        layer.visible = True
        if viewer.layers.selection.active is not layer:
            self._before = viewer.layers.selection.active
        viewer.layers.selection.active = layer
        if len(layer.data):
            layer.mode = "select"
            layer.selected_data = {0}
        else:
            layer.mode = "add_rectangle"
        self.changed.emit()

    def let_go(self) -> None:
        """Give the mouse back to what had it: who drags a point is not to move the crop."""
        viewer, layer, opened = self._session.viewer, self._layer, self._session.current
        if layer is None or opened is None:
            return
        if viewer.layers.selection.active is layer:
            layer.selected_data = set()
            before = self._before if self._before in viewer.layers else opened.layer
            viewer.layers.selection.active = before

    def propose(self, crop: Crop) -> None:
        """Take a crop, and its rectangle in hand."""
        self._session.set_crop(crop)
        self.draw()

    def clear(self) -> None:
        """Look at the whole frame again."""
        self._take_layer_away()
        self._session.set_crop(None)
        self.changed.emit()

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self._take_layer_away()
        self._session.video_changed.disconnect(self._on_video)
        self._session.crop_changed.disconnect(self._follow)

    def _follow(self) -> None:
        """Show a crop that was chosen elsewhere."""
        opened, layer = self._session.current, self._layer
        if opened is None or opened.crop is None:
            return
        drawn = layer.data[0] if layer is not None and len(layer.data) else None
        if drawn is None or crop_of_rectangle(drawn, frame_size(opened.layer)) != opened.crop:
            self._show(opened.crop)

    def _show(self, crop: Crop) -> None:
        """Draw the rectangle of a crop."""
        layer = self._layer or self._make_layer(self._session.viewer)
        with layer.events.data.blocker(self._on_rectangle):
            layer.data = [rectangle_of_crop(crop)]

    def _make_layer(self, viewer: ViewerModel) -> Shapes:
        """An empty layer above the video and its attention, below skeleton and keypoints."""
        opened = self._session.current
        assert opened is not None
        layer = Shapes(
            ndim=2,
            name="crop",
            face_color="transparent",
            edge_color="#ffd54a",
            edge_width=max(1.0, 0.004 * max(frame_size(opened.layer))),
            **placed_on(opened.layer),
        )
        self._layer = layer
        selected, active = set(viewer.layers.selection), viewer.layers.selection.active
        above = [self._overlays.layer(what) for what in (SKELETON, KEYPOINTS)]
        places = [viewer.layers.index(each) for each in above if each in viewer.layers]
        viewer.layers.insert(min(places, default=len(viewer.layers)), layer)
        # napari selects what is added; the user's own choice is to stay.
        viewer.layers.selection = selected
        viewer.layers.selection.active = active
        layer.events.data.connect(self._on_rectangle)
        viewer.layers.events.removed.connect(self._on_removed)
        return layer

    def _take_layer_away(self) -> None:
        layer, self._layer = self._layer, None
        self.problem = ""
        viewer = self._session.viewer
        if layer is None:
            return
        layer.events.data.disconnect(self._on_rectangle)
        viewer.layers.events.removed.disconnect(self._on_removed)
        if layer in viewer.layers:
            keep_visual(viewer, layer)
            viewer.layers.remove(layer)

    def _on_rectangle(self, event: Any) -> None:
        layer, opened = self._layer, self._session.current
        action = str(getattr(event.action, "value", event.action))
        if layer is None or opened is None or action not in _SETTLED:
            return
        if len(layer.data) > 1:
            # The one drawn last counts.
            with layer.events.data.blocker(self._on_rectangle):
                layer.data = [np.asarray(layer.data[-1])]
        crop = crop_of_rectangle(layer.data[0], frame_size(opened.layer)) if layer.data else None
        self.problem = ""
        if crop is not None:
            layer.mode = "select"
            # After the mouse let go of it: the whole pixels within the frame that it stands for.
            self._session.soon(self._straighten)
        elif layer.data:
            self.problem = (
                f"That rectangle has less than {SMALLEST} pixels of the frame in it; "
                "draw a larger one."
            )
        self._session.set_crop(crop)
        self.changed.emit()

    def _straighten(self) -> None:
        layer, opened = self._layer, self._session.current
        if layer is None or opened is None or opened.crop is None or not len(layer.data):
            return
        corners = rectangle_of_crop(opened.crop)
        now = np.asarray(layer.data[0])
        if now.shape != corners.shape or not np.allclose(now, corners):
            self._show(opened.crop)
            layer.selected_data = {0}

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.clear()

    def _on_video(self) -> None:
        # The rectangle belongs to a video, and each video keeps its own.
        self._take_layer_away()
        opened = self._session.current
        if opened is not None and opened.crop is not None:
            self._show(opened.crop)
        self.changed.emit()
