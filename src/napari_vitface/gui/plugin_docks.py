"""Opening the plugin's own docks by their names, as napari's menu does; knows none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer

#: Names of the docks in the manifest.
FACE, TRAJECTORIES = "ViT Face", "ViT Face trajectories"
EVENTS, FRAMES = "ViT Face events", "ViT Face frames"


def open_plugin_dock(viewer: Viewer, name: str) -> Any:
    """The widget of a dock of a viewer, opened and brought to the front."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    holder, dock = viewer.window.add_plugin_dock_widget("napari-vitface", name)
    window, docks = holder.parent(), viewer.window.dock_widgets
    for other in (TRAJECTORIES, EVENTS, FRAMES):
        there = docks.get(f"{other} (napari-vitface)")
        # Beside others the two pictures of frames have no room.
        if there is None or other == name or FRAMES not in (name, other):
            continue
        if window.dockWidgetArea(there.parent()) == window.dockWidgetArea(holder):
            window.tabifyDockWidget(there.parent(), holder)
    holder.show()
    holder.raise_()
    return dock


def placed_below(name: str) -> None:
    """Let napari open a dock below the canvas, unless the user had it elsewhere the last time."""
    from napari.settings import get_settings

    positions = getattr(get_settings().application, "plugin_widget_positions", None)
    if positions is not None:
        positions.setdefault(f"{name} (napari-vitface)", "bottom")
