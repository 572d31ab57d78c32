"""Opening the plugin's own docks by their names, as napari's menu does; knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session

D = TypeVar("D", bound=QWidget)

#: Names of the docks in the manifest.
FACE, TRAJECTORIES = "ViT Face", "ViT Face trajectories"
EVENTS, FRAMES = "ViT Face events", "ViT Face frames"
#: What a dock says that was left open without a session.
FACE_CLOSED = "The ViT Face dock of this window was closed."
#: Pixels of a window in which two docks have room beside each other below the canvas.
_WIDE = 2400


def open_plugin_dock(viewer: Any, name: str) -> Any:
    """The widget of a dock of a viewer with a window, opened and brought to the front."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    before = set(viewer.window.dock_widgets)
    holder, dock = viewer.window.add_plugin_dock_widget("napari-vitface", name)
    window = holder.parent()
    if holder.name not in before:
        _tabify(window, holder, name)
    holder.show()
    holder.raise_()
    return dock


def open_below(session: Session, name: str, make: Callable[[Any], D]) -> D | None:
    """A dock of a session below the canvas, opened and brought to the front; None without a window.

    One that was left of an earlier session of this window is replaced.

    Parameters
    ----------
    make : callable
        Makes the dock for a viewer; it has the session as `session`.
    """
    viewer: Any = session.viewer
    if not hasattr(viewer, "window"):
        return None
    dock = viewer.window.dock_widgets.get(name)
    if dock is not None and dock.session is not session:
        viewer.window.remove_dock_widget(dock)
        dock = None
    if dock is None:
        dock = make(viewer)
        # On top of the trajectories: beside them there is room for neither.
        viewer.window.add_dock_widget(dock, name=name, area="bottom", tabify=True)
    holder = dock.parent()
    if isinstance(holder, QWidget):
        holder.show()
        holder.raise_()
    made: D = dock
    return made


def _tabify(window: QMainWindow, holder: QDockWidget, name: str) -> None:
    """Put a dock that was opened behind those below the canvas: beside them it has no room.

    In a wide window it has, but the two pictures of frames have none.
    """
    below = Qt.DockWidgetArea.BottomDockWidgetArea
    if window.dockWidgetArea(holder) != below or (window.width() >= _WIDE and name != FRAMES):
        return
    for other in window.findChildren(QDockWidget):
        there = other.isVisible() and not other.isFloating() and other is not holder
        if there and window.dockWidgetArea(other) == below:
            window.tabifyDockWidget(other, holder)
            return


def placed_below(name: str) -> None:
    """Let napari open a dock below the canvas, unless the user had it elsewhere the last time."""
    from napari.settings import get_settings

    positions = getattr(get_settings().application, "plugin_widget_positions", None)
    if positions is not None:
        positions.setdefault(f"{name} (napari-vitface)", "bottom")
