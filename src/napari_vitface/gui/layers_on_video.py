"""Layers that a part of the window draws on the video on screen and takes away again."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_vitface.gui.on_video import keep_visual

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


class LayersOnVideo:
    """Layers on the video on screen, by name; the user may hide, rename or remove them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layers: weakref.WeakValueDictionary[str, Layer] = weakref.WeakValueDictionary()

    def layer(self, name: str) -> Layer | None:
        """The layer of a name, if it is there."""
        layer = self._layers.get(name)
        return layer if layer in self._session.viewer.layers else None

    def close(self) -> None:
        """Take the layers away."""
        for name in list(self._layers):
            self._remove(name)

    def _remove(self, name: str) -> None:
        viewer, layer = self._session.viewer, self.layer(name)
        if layer is not None:
            keep_visual(viewer, layer)
            viewer.layers.remove(layer)
