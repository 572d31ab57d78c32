"""Named rectangles on the video in which traces are measured, drawn as a layer of shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from psygnal import Signal

from napari_vitface.gui.crop_rectangle import crop_of_rectangle, rectangle_of_crop
from napari_vitface.gui.on_video import frame_size, keep_visual, placed_on

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session

_COLOUR = "#7cd4ff"
#: Pixels of the smallest region: eyes are small where the whole mouse is filmed.
_SMALLEST = 6
_SETTLED = ("added", "changed", "removed")


class RegionTool:
    """Shows the regions of the video on screen, and takes what the user makes of them."""

    #: Other regions, or others are to be drawn.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layer: Shapes | None = None
        #: Why the rectangle that was drawn last is no region; empty if it is one.
        self.problem = ""
        session.video_changed.connect(self._on_video)

    def draw(self, name: str) -> None:
        """Let the user draw the region of a name; one that has it is replaced."""
        opened = self._session.current
        if opened is None:
            return
        layer = self._layer or self._make_layer(opened)
        layer.visible = True
        layer.feature_defaults = {"name": name}
        self._session.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def clear(self) -> None:
        """Measure the whole frame again."""
        opened = self._session.current
        self._take_layer_away()
        if opened is not None and opened.regions:
            opened.regions = {}
            self.changed.emit()

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self._take_layer_away()
        self._session.video_changed.disconnect(self._on_video)

    def _make_layer(self, opened: OpenVideo) -> Shapes:
        viewer = self._session.viewer
        names = np.array([*opened.regions], dtype=object)
        layer = Shapes(
            [rectangle_of_crop(each) for each in opened.regions.values()] or None,
            ndim=2,
            shape_type="rectangle",
            name="regions",
            features={"name": names},
            text={"string": "{name}", "size": 11, "color": _COLOUR, "anchor": "upper_left"},
            face_color="transparent",
            edge_color=_COLOUR,
            edge_width=max(1.0, 0.004 * max(frame_size(opened.layer))),
            **placed_on(opened.layer),
        )
        self._layer = layer
        before = viewer.layers.selection.active
        viewer.layers.insert(viewer.layers.index(opened.layer) + 1, layer)
        viewer.layers.selection.active = before
        layer.events.data.connect(self._on_shapes)
        viewer.layers.events.removed.connect(self._on_removed)
        return layer

    def _take_layer_away(self) -> None:
        layer, self._layer = self._layer, None
        self.problem = ""
        viewer = self._session.viewer
        if layer is None:
            return
        layer.events.data.disconnect(self._on_shapes)
        viewer.layers.events.removed.disconnect(self._on_removed)
        if layer in viewer.layers:
            keep_visual(viewer, layer)
            viewer.layers.remove(layer)

    def _on_shapes(self, event: Any) -> None:
        layer, opened = self._layer, self._session.current
        action = str(getattr(event.action, "value", event.action))
        if layer is None or opened is None or action not in _SETTLED:
            return
        if action == "added":
            # After the mouse let go of it.
            self._session.soon(self._settle)
        self._take(layer, opened)

    def _take(self, layer: Shapes, opened: OpenVideo) -> None:
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

    def _settle(self) -> None:
        """Keep the last of those of one name, and give the mouse back."""
        layer, opened = self._layer, self._session.current
        if layer is None or opened is None:
            return
        names = [str(name) for name in layer.features["name"]]
        older = {place for place, name in enumerate(names) if name in names[place + 1 :]}
        layer.mode = "select"
        if older:
            layer.selected_data = older
            layer.remove_selected()
        layer.selected_data = {len(layer.data) - 1}

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.clear()

    def _on_video(self) -> None:
        self._take_layer_away()
        opened = self._session.current
        if opened is not None and opened.regions:
            self._make_layer(opened)
        self.changed.emit()
