"""Drawing the crop: a Shapes layer with one rectangle on the current video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from psygnal import Signal

from napari_vitface.gui.crop import SMALLEST, crop_of_rectangle
from napari_vitface.gui.on_video import frame_size

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session

#: Shapes' data events after which the rectangle stays as it is; while the mouse draws there are
#: many others.
_SETTLED = ("added", "changed", "removed")


class CropTool:
    """Turns a rectangle that the user draws into the crop of the current video."""

    #: What is drawn, or what to do, changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layer: Shapes | None = None
        #: Why the rectangle that was drawn is no crop; empty if it is one.
        self.problem = ""
        session.video_changed.connect(self._on_video)

    @property
    def drawing(self) -> bool:
        """Whether the layer to draw in is there."""
        return self._layer is not None

    def draw(self) -> None:
        """Show the layer to draw in, with the rectangle tool in hand."""
        viewer, opened = self._session.viewer, self._session.current
        if viewer is None or opened is None:
            return
        if self._layer is None:
            self._layer = Shapes(
                ndim=2,
                name="crop",
                face_color="transparent",
                edge_color="#ffd54a",
                edge_width=max(1.0, 0.004 * max(frame_size(opened.layer))),
                scale=opened.layer.scale[-2:],
                translate=opened.layer.translate[-2:],
            )
            viewer.layers.append(self._layer)
            self._layer.events.data.connect(self._on_rectangle)
            viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.active = self._layer
        self._layer.mode = "add_rectangle"
        self.changed.emit()

    def clear(self) -> None:
        """Look at the whole frame again."""
        self._take_layer_away()
        self._session.set_crop(None)
        self.changed.emit()

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self._take_layer_away()
        self._session.video_changed.disconnect(self._on_video)

    def _take_layer_away(self) -> None:
        layer, self._layer = self._layer, None
        self.problem = ""
        viewer = self._session.viewer
        if layer is None or viewer is None:
            return
        layer.events.data.disconnect(self._on_rectangle)
        viewer.layers.events.removed.disconnect(self._on_removed)
        if layer in viewer.layers:
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
        elif layer.data:
            self.problem = (
                f"That rectangle has less than {SMALLEST} pixels of the frame in it; "
                "draw a larger one."
            )
        self._session.set_crop(crop)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.clear()

    def _on_video(self) -> None:
        # The rectangle belongs to the video that it was drawn on; its crop stays with that.
        self._take_layer_away()
        self.changed.emit()
