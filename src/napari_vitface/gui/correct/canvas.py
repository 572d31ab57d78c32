"""Editing on the canvas: what the mouse does to the Points layer becomes an edit of labels.

The layer holds one row for each keypoint of the frame on screen and shows what the labels say; a
row that napari adds, removes or moves is understood as a wish, carried out on the labels, and the
layer drawn anew from them. napari's own tools are used as they are: its selection tool drags, its
point tool places, its Delete deletes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.overlays import KEYPOINTS, Overlays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_vitface.gui.correct.editing import LabelEditing
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.shown_pose import ShownPose

#: Our names of napari's modes: to look only, to move points, to place them.
LOOK, MOVE, PLACE = "look", "move", "place"
_TOOLS = {"select": MOVE, "add": PLACE}
_MODES = {tool: mode for mode, tool in _TOOLS.items()}


@dataclass
class _Drag:
    """A drag in progress: of which layer, the frame that it began on and where the points were."""

    layer: Points
    frame: int
    before: NDArray[np.float64]


class LabelCanvas:
    """Listens to the keypoints layer of a session, whichever layer that is at the time."""

    def __init__(self, session: Session, labelling: LabelEditing, overlays: Overlays) -> None:
        self._session = session
        self._labelling = labelling
        self._overlays = overlays
        self._layer: Points | None = None
        self._drag: _Drag | None = None
        self._interrupted = False
        self._syncing = False
        session.pose_changed.connect(self.draw_pose)
        session.videos.leaving.connect(self.end_drag)
        overlays.points_made.connect(self._on_made)
        labelling.selection.changed.connect(self.show_selection)
        self._active_changed = session.viewer.layers.selection.events.active
        self._active_changed.connect(self._on_tool)

    # ----------------------------------------------------------------- tools

    @property
    def layer(self) -> Points | None:
        """The keypoints layer, if it is there."""
        layer = self._overlays.layer(KEYPOINTS)
        return layer if isinstance(layer, Points) else None

    @property
    def tool(self) -> str:
        """What the mouse does: ``"look"``, ``"move"`` or ``"place"``."""
        layer = self.layer
        if layer is None or self._session.viewer.layers.selection.active is not layer:
            return LOOK
        return _TOOLS.get(str(layer.mode), LOOK)

    def take_tool(self, tool: str) -> None:
        """Take a tool in hand; that selects the keypoints layer."""
        if tool != LOOK:
            self._overlays.show(KEYPOINTS)
        self._take_in_hand(tool)

    @given("layer")
    def _take_in_hand(self, layer: Points, tool: str) -> None:
        if tool != LOOK:
            layer.visible = True
            self._session.viewer.layers.selection.active = layer
        self._syncing = True
        layer.mode = _MODES.get(tool, "pan_zoom")
        self._syncing = False
        self.show_selection()

    def switch_tool(self) -> None:
        """Move points after placing them and the other way round."""
        frame = self._labelling.edited_frame()
        if frame is None:
            if not self._session.videos.beyond:
                self._labelling.hint("There are no keypoints yet: make or open a project.")
            return
        nothing = not frame.pose.drawn.any()
        place = self.tool == MOVE or (self.tool == LOOK and nothing)
        self.take_tool(PLACE if place else MOVE)

    # ----------------------------------------------------------------- the frame on screen

    def draw_pose(self) -> None:
        """Draw the points of the frame on screen, unless the user is dragging one there."""
        session = self._session
        if self.drag_frame not in (None, session.frame):
            # Points that are being dragged belong to the frame that was left.
            self.end_drag()
        if self.dragging:
            return
        if not self._draw():
            self._overlays.hide_pose()
        self.show_selection()

    @on_video
    @given("_labelling.pose")
    def _draw(self, pose: ShownPose, opened: OpenVideo) -> bool:
        self._overlays.draw_pose(pose, opened.layer)
        return True

    # ----------------------------------------------------------------- drags

    @property
    def dragging(self) -> bool:
        """Whether points are being dragged; the layer is not to be drawn then."""
        return self._drag is not None

    @property
    @given("_drag")
    def drag_frame(self, drag: _Drag) -> int:
        """The frame whose points are being dragged."""
        return drag.frame

    @given("_drag")
    def end_drag(self, drag: _Drag) -> None:
        """Let a drag in progress count up to here; what is left of it moves nothing."""
        self._drag, self._interrupted = None, True
        places = self._places(drag)
        self._select(set())
        self._labelling.move(places, drag.frame)

    def _places(self, drag: _Drag) -> dict[int, tuple[float, float]]:
        """Where the points that moved are now, x before y."""
        layer = drag.layer
        if layer.data.shape != drag.before.shape:
            return {}
        moved = (layer.data != drag.before).any(axis=1) & layer.shown
        return {
            int(k): (float(layer.data[k, 1]), float(layer.data[k, 0]))
            for k in np.flatnonzero(moved)
        }

    # ----------------------------------------------------------------- what napari says

    def _on_made(self, layer: Points) -> None:
        self._layer, self._drag, self._interrupted = layer, None, False
        layer.events.data.connect(self._on_data)
        layer.events.mode.connect(self._on_tool)
        events = layer.selected_data.events
        (getattr(events, "changed", None) or events.items_changed).connect(self._on_selected)
        layer.mouse_drag_callbacks.append(self._on_mouse)
        self.show_selection()

    def _on_data(self, event: Any) -> None:
        if self._overlays.drawing:
            return
        layer: Points = event.source
        match str(getattr(event.action, "value", event.action)):
            case "changing":
                # The array is the layer's own and changes while the mouse moves.
                self._drag = _Drag(layer, self._session.frame, np.array(layer.data))
            case "changed":
                if not self._drop():
                    self._redraw()
            case "added":
                count = len(self._labelling.keypoints or ())
                added = np.array(layer.data[count:])
                self._redraw()
                for y, x in added:
                    self._labelling.place(float(x), float(y))
            case "removing":
                self.end_drag()
            case "removed":
                removed = [int(k) for k in event.data_indices]
                self._redraw()
                self._labelling.delete(removed)

    @given("_drag")
    def _drop(self, drag: _Drag) -> bool:
        """Put the points that were dragged where they are now; False if that moves none."""
        self._drag = None
        return self._labelling.move(self._places(drag), drag.frame)

    def _redraw(self) -> None:
        if not self._labelling.waits:
            self._session.draw_pose()

    @given("_layer")
    def _on_selected(self, layer: Points, event: Any = None) -> None:
        if self._syncing or self._overlays.drawing:
            return
        chosen = {int(k) for k in layer.selected_data}
        there = {k for k in chosen if k < len(self._labelling.keypoints or ()) and layer.shown[k]}
        if there != chosen:
            # Pasted rows are no keypoints, and what is not drawn was not meant.
            chosen = there
            self._session.draw_pose()
            self._select(chosen)
        if not chosen and str(layer.mode) == "add":
            # The point tool lets go of the selection; the user did not.
            return
        self._syncing = True
        self._labelling.selection.select(chosen)
        self._syncing = False

    @given("layer")
    def show_selection(self, layer: Points) -> None:
        """Select on the layer what is selected and drawn."""
        if self._syncing or self._interrupted:
            return
        shown = set(np.flatnonzero(layer.shown).tolist())
        self._select(shown.intersection(self._labelling.selection.indices))

    @given("_layer")
    def _select(self, layer: Points, chosen: set[int]) -> None:
        if set(layer.selected_data) != chosen:
            self._syncing = True
            layer.selected_data = chosen
            self._syncing = False

    def _on_mouse(self, layer: Points, event: Any) -> Iterator[None]:
        yield
        while event.type == "mouse_move":
            yield
        if self._interrupted:
            self._interrupted = False
            self._session.soon(self.show_selection)

    def _on_tool(self, event: Any = None) -> None:
        self._refuse_to_transform()
        self._labelling.tool_changed.emit()

    @given("layer")
    def _refuse_to_transform(self, layer: Points) -> None:
        if str(layer.mode) == "transform":
            layer.mode = "pan_zoom"
            self._labelling.hint("Points cannot be turned or scaled as a whole: labels are pixels.")

    def close(self) -> None:
        """Stop listening."""
        self._active_changed.disconnect(self._on_tool)
