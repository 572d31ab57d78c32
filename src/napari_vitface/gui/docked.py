"""What all docks of the plugin have in common."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class DockedWidget(QWidget):
    """A widget in a dock of napari, which is told when the user closes that."""

    def close_links(self) -> None:
        """Let go of the session and the viewer; the dock is of no use afterwards."""
        raise NotImplementedError

    def event(self, event: QEvent) -> bool:
        # napari takes the widget out of its dock when the user closes that.
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_links()
        return bool(super().event(event))
