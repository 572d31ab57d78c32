"""Rectangles that the user draws on the video: the layer, and what it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from psygnal import Signal

from napari_vitface.gui.given import given
from napari_vitface.gui.on_video import frame_size, keep_visual, placed_on
from napari_vitface.gui.open_video import OpenVideo, on_video

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session

#: Shapes' data events after which rectangles stay as they are; while the mouse draws there are many
#: others.
_SETTLED = ("added", "changed", "removed")


class RectangleTool(ABC):
    """Shows rectangles of the video on screen, and takes what the user makes of them."""

    #: What is drawn, or what to do, changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layer: Shapes | None = None
        #: Why what was drawn last cannot be used; empty if it can.
        self.problem = ""
        session.video_changed.connect(self._on_video)

    @abstractmethod
    def clear(self) -> None:
        """Do without rectangles."""

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self._take_layer_away()
        self._session.video_changed.disconnect(self._on_video)

    @abstractmethod
    def _take(self, layer: Shapes, opened: OpenVideo, action: str) -> None:
        """Take what the user drew, moved or removed, as `action` of napari's says."""

    @abstractmethod
    def _show_kept(self) -> None:
        """Draw what a video that came on screen has."""

    def _add_layer(
        self, opened: OpenVideo, name: str, colour: str, place: int, **options: Any
    ) -> Shapes:
        """A layer at a place in the list; what the user had selected stays so."""
        layers = self._session.viewer.layers
        layer = Shapes(
            ndim=2,
            name=name,
            face_color="transparent",
            edge_color=colour,
            edge_width=max(1.0, 0.004 * max(frame_size(opened.layer))),
            **placed_on(opened.layer),
            **options,
        )
        self._layer = layer
        selected, active = set(layers.selection), layers.selection.active
        layers.insert(place, layer)
        layers.selection = selected
        layers.selection.active = active
        layer.events.data.connect(self._on_data)
        layers.events.removed.connect(self._on_removed)
        return layer

    def _take_layer_away(self) -> None:
        layer, self._layer = self._layer, None
        self.problem = ""
        viewer = self._session.viewer
        if layer is None:
            return
        layer.events.data.disconnect(self._on_data)
        viewer.layers.events.removed.disconnect(self._on_removed)
        if layer in viewer.layers:
            keep_visual(viewer, layer)
            viewer.layers.remove(layer)

    @on_video
    @given("_layer")
    def _on_data(self, layer: Shapes, opened: OpenVideo, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        if action in _SETTLED:
            self._take(layer, opened, action)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.clear()

    def _on_video(self) -> None:
        # Rectangles belong to a video, and each video keeps its own.
        self._take_layer_away()
        self._show_kept()
        self.changed.emit()
