"""The crop on the canvas: a rectangle on the current video that can be drawn, moved and resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_vitface.gui.crop_rectangle import SMALLEST, crop_of_rectangle, rectangle_of_crop
from napari_vitface.gui.given import given
from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.overlays import KEYPOINTS, SKELETON
from napari_vitface.gui.rectangle_tool import RectangleTool

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes

    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session


class CropTool(RectangleTool):
    """Shows the crop of the current video, and takes what the user makes of its rectangle."""

    def __init__(self, session: Session, overlays: Overlays) -> None:
        super().__init__(session)
        self._overlays = overlays
        #: What the user worked on before the rectangle was taken in hand.
        self._before: Layer | None = None
        session.crop_changed.connect(self._follow)

    @property
    def drawing(self) -> bool:
        """Whether the layer to draw in is there."""
        return self._layer is not None

    @on_video
    def draw(self, opened: OpenVideo) -> None:
        """Take the rectangle in hand: to move and resize it, or to draw one if there is none."""
        viewer = self._session.viewer
        layer = self._layer or self._make_layer(opened)
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

    @on_video
    @given("_layer")
    def let_go(self, layer: Shapes, opened: OpenVideo) -> None:
        """Give the mouse back to what had it: who drags a point is not to move the crop."""
        viewer = self._session.viewer
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
        super().close()
        self._session.crop_changed.disconnect(self._follow)

    @on_video
    @given("_session.made.crop")
    def _follow(self, crop: Crop, opened: OpenVideo) -> None:
        """Show a crop that was chosen elsewhere."""
        drawn = self._layer.data if self._layer is not None else []
        if [crop_of_rectangle(each, frame_size(opened.layer)) for each in drawn] != [crop]:
            self._show(opened, crop)

    @on_video
    @given("_session.made.crop")
    def _show_kept(self, crop: Crop, opened: OpenVideo) -> None:
        self._show(opened, crop)

    def _show(self, opened: OpenVideo, crop: Crop) -> None:
        """Draw the rectangle of a crop."""
        layer = self._layer or self._make_layer(opened)
        with layer.events.data.blocker(self._on_data):
            layer.data = [rectangle_of_crop(crop)]

    def _make_layer(self, opened: OpenVideo) -> Shapes:
        """An empty layer above the video and its attention, below skeleton and keypoints."""
        layers = self._session.viewer.layers
        above = [self._overlays.layer(what) for what in (SKELETON, KEYPOINTS)]
        places = [layers.index(each) for each in above if each in layers]
        return self._add_layer(opened, "crop", "#ffd54a", min(places, default=len(layers)))

    def _take(self, layer: Shapes, opened: OpenVideo, action: str) -> None:
        if len(layer.data) > 1:
            # The one drawn last counts.
            with layer.events.data.blocker(self._on_data):
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

    @on_video
    @given("_session.made.crop")
    @given("_layer")
    def _straighten(self, layer: Shapes, crop: Crop, opened: OpenVideo) -> None:
        if not len(layer.data):
            return
        corners = rectangle_of_crop(crop)
        now = np.asarray(layer.data[0])
        if now.shape != corners.shape or not np.allclose(now, corners):
            self._show(opened, crop)
            layer.selected_data = {0}
