"""Named rectangles on the video in which traces are measured, drawn as a layer of shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_vitface.gui.crop_rectangle import crop_of_rectangle, rectangle_of_crop
from napari_vitface.gui.given import given
from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.rectangle_tool import RectangleTool

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_vitface.gui.open_video import OpenVideo

_COLOUR = "#7cd4ff"
#: Pixels of the smallest region: eyes are small where the whole mouse is filmed.
_SMALLEST = 6


class RegionTool(RectangleTool):
    """Shows the regions of the video on screen, and takes what the user makes of them."""

    @on_video
    def draw(self, opened: OpenVideo, name: str) -> None:
        """Let the user draw the region of a name; one that has it is replaced."""
        layer = self._layer or self._make_layer(opened)
        layer.visible = True
        layer.feature_defaults = {"name": name}
        self._session.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def clear(self) -> None:
        """Measure the whole frame again."""
        self._take_layer_away()
        if self._session.made.regions:
            self._session.made.regions = {}
            self.changed.emit()

    @on_video
    def _show_kept(self, opened: OpenVideo) -> None:
        if opened.regions:
            self._make_layer(opened)

    def _make_layer(self, opened: OpenVideo) -> Shapes:
        names = np.array([*opened.regions], dtype=object)
        return self._add_layer(
            opened,
            "regions",
            _COLOUR,
            self._session.viewer.layers.index(opened.layer) + 1,
            data=[rectangle_of_crop(each) for each in opened.regions.values()] or None,
            shape_type="rectangle",
            features={"name": names},
            text={"string": "{name}", "size": 11, "color": _COLOUR, "anchor": "upper_left"},
        )

    def _take(self, layer: Shapes, opened: OpenVideo, action: str) -> None:
        if action == "added":
            # After the mouse let go of it.
            self._session.soon(self._settle)
        self.problem = ""
        regions = {}
        for corners, name in zip(layer.data, layer.features["name"], strict=True):
            region = crop_of_rectangle(corners, frame_size(opened.layer), _SMALLEST)
            if region is None:
                self.problem = (
                    f"The region {name} has less than {_SMALLEST} pixels of the frame in it; draw "
                    "a larger one."
                )
            else:
                regions[str(name)] = region
        opened.regions = regions
        self.changed.emit()

    @given("_layer")
    def _settle(self, layer: Shapes) -> None:
        """Keep the last of those of one name, and give the mouse back."""
        names = [str(name) for name in layer.features["name"]]
        older = {place for place, name in enumerate(names) if name in names[place + 1 :]}
        layer.mode = "select"
        if older:
            layer.selected_data = older
            layer.remove_selected()
        layer.selected_data = {len(layer.data) - 1}
