"""Clicks on the canvas that ask about attention: of a point, what it looked at; of a patch, who
looked at it.

Napari's own tools keep their clicks: nothing here acts while a tool that places, moves or draws is
in hand. To point at patches the attention layer is selected, like any layer that one works on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer, Shapes
from psygnal import Signal

from napari_vitface.gui.attention.follower import ShownMap
from napari_vitface.gui.connections import Connections
from napari_vitface.gui.given import given
from napari_vitface.gui.layers import GLOBAL, point_size
from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.overlays import ATTENTION
from napari_vitface.jobs.events import AttentionComputed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.correct.selection import KeypointSelection
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet

#: Screen pixels that the mouse may move during a click.
_STILL = 4.0
#: Screen pixels around a point in which a click means it, however small it is drawn.
_NEAR = 10.0
#: Name of the layer that marks the patch.
PATCH = "patch"


@dataclass(frozen=True)
class Looks:
    """How much one keypoint looks at a patch.

    Attributes
    ----------
    name : str
        The keypoint, or ``"global"``.
    value : float
        The map's value there, in the unit of the map.
    relative : float
        The same as a share of the map's largest value.
    """

    name: str
    value: float
    relative: float


def looking_at(computed: AttentionComputed, patch: tuple[int, int]) -> list[Looks]:
    """How much each keypoint looks at patch (row, column), the most first; ``"global"`` last."""
    looks = []
    for name, values in zip(computed.names, computed.maps, strict=True):
        value, largest = float(values[patch]), float(values.max())
        looks.append(Looks(name, value, value / largest if largest > 0 else 0.0))
    return sorted(looks, key=lambda each: (each.name == GLOBAL, -each.value))


def patch_at(computed: AttentionComputed, y: float, x: float) -> tuple[int, int] | None:
    """The patch (row, column) that holds a place in video pixels; None outside of the grid."""
    place = []
    for where, scale, begin, count in zip(
        (y, x), computed.scale, computed.translate, computed.maps.shape[1:], strict=True
    ):
        index = round((where - begin) / scale)
        if not 0 <= index < count:
            return None
        place.append(index)
    return place[0], place[1]


class AttentionCanvas:
    """Listens to clicks and to the selected keypoints of a session, as long as attention is on."""

    #: A patch was picked or let go of, or picking began or ended.
    changed = Signal()

    def __init__(
        self,
        session: Session,
        follower: AttentionFollower,
        overlays: Overlays,
        selection: KeypointSelection,
    ) -> None:
        self._session = session
        self._follower = follower
        self._overlays = overlays
        self._selection = selection
        self._wanted = False
        self._before: Any = None
        self._marker: Shapes | None = None
        self.patch: tuple[int, int] | None = None
        self._order: list[str] = []
        #: Whether the keypoints that are selected become those that are looked at.
        self.follows_selection = True
        layers = session.viewer.layers
        session.viewer.mouse_drag_callbacks.append(self._on_mouse)
        self._connections = Connections()
        self._connections.connect(layers.selection.events.active, self._on_active)
        self._connections.connect(layers.events.removed, self._on_removed)
        selection.changed.connect(self._on_selection)
        session.video_changed.connect(self._on_video)
        self._follower.changed.connect(self._on_follower)

    def close(self) -> None:
        """Stop listening and take the mark away."""
        self._connections.undo()
        callbacks = self._session.viewer.mouse_drag_callbacks
        if self._on_mouse in callbacks:
            callbacks.remove(self._on_mouse)
        self._unmark()

    # ----------------------------------------------------------------- picking a patch

    @property
    def layer(self) -> Layer | None:
        """That of attention, if it is there."""
        return self._overlays.layer(ATTENTION)

    @property
    def picking(self) -> bool:
        """Whether a click picks a patch: the attention layer is selected."""
        return self.layer in self._session.viewer.layers.selection and self._active() is self.layer

    @property
    def asks(self) -> bool:
        """Whether a patch is picked, or to be picked: the maps of all keypoints are wanted."""
        return self.patch is not None or self.picking

    def start_picking(self) -> None:
        """Let the next clicks pick patches."""
        self._wanted = True
        self._follower.everything = True
        self._follower.enabled = True
        self._take_in_hand()

    def stop_picking(self) -> None:
        """Let clicks mean what they meant before, and forget the patch."""
        self._wanted = False
        layers, opened = self._session.viewer.layers, self._session.current
        picking, before = self.picking, self._before
        self.pick(None)
        if picking:
            layers.selection.active = before if before in layers else opened and opened.layer
        self.changed.emit()

    def pick(self, patch: tuple[int, int] | None) -> None:
        """Look at a patch (row, column) of the grid; None lets go of it."""
        self.patch = patch
        self._order = []
        if patch is None:
            self._unmark()
        self._follower.everything = self.asks
        self._mark()
        self.changed.emit()

    @property
    def looks(self) -> list[Looks]:
        """How much each keypoint looks at the picked patch; empty without one.

        The most come first when the patch is picked; while the slider moves the order stays.
        """
        return self._looks() or []

    @given("_follower.map")
    @given("patch")
    def _looks(self, patch: tuple[int, int], shown: ShownMap) -> list[Looks]:
        looks = looking_at(shown.computed, patch)
        names = [each.name for each in looks]
        if set(names) != set(self._order):
            self._order = names
        return sorted(looks, key=lambda each: self._order.index(each.name))

    @property
    def order(self) -> list[str]:
        """Names in the order of `looks`, also while these are being computed."""
        return list(self._order)

    @given("layer")
    def _take_in_hand(self, layer: Layer) -> None:
        if not self._wanted:
            return
        self._wanted = False
        if self._active() is not layer:
            self._before = self._active()
            self._session.viewer.layers.selection.active = layer

    def _active(self) -> Any:
        return self._session.viewer.layers.selection.active

    # ----------------------------------------------------------------- the mark on the patch

    @on_video
    @given("_follower.shown")
    @given("patch")
    def _mark(self, patch: tuple[int, int], shown: AttentionComputed, opened: OpenVideo) -> None:
        layers = self._session.viewer.layers
        middle = np.array(patch) * shown.scale + shown.translate
        half = np.array(shown.scale) / 2
        corners = middle + half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        if self._marker is not None:
            self._marker.data = [corners]
            return
        active, chosen = layers.selection.active, set(layers.selection)
        self._marker = Shapes(
            [corners],
            ndim=2,
            name=PATCH,
            face_color="transparent",
            edge_color="#00e5ff",
            edge_width=max(1.0, 0.003 * max(frame_size(opened.layer))),
            scale=opened.layer.scale[-2:],
            translate=opened.layer.translate[-2:],
        )
        layers.append(self._marker)
        layers.selection = chosen
        layers.selection.active = active

    def _unmark(self) -> None:
        marker, self._marker = self._marker, None
        if marker in self._session.viewer.layers:
            self._session.viewer.layers.remove(marker)

    # ----------------------------------------------------------------- what happens

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self._follower.enabled or event.button != 1 or not _at_rest(self._active()):
            return
        began = np.asarray(event.position, float)
        # napari 0.9 moved the camera to the scene.
        zoom = float(getattr(viewer, "scene", viewer).camera.zoom)
        yield
        while event.type == "mouse_move":
            if np.linalg.norm(np.asarray(event.position, float) - began) * zoom > _STILL:
                return
            yield
        self._on_click(event.position, zoom)

    @on_video
    def _on_click(self, opened: OpenVideo, position: Any, zoom: float) -> None:
        y, x = opened.layer.world_to_data(position)[1:3]
        if not self.picking:
            # As far as a screen pixel reaches in the video.
            near = _NEAR / (zoom * float(opened.layer.scale[-1]))
            self._select(y, x, max(near, point_size(frame_size(opened.layer)) / 2))
            return
        self._pick_at(y, x)

    @given("_follower.map")
    def _pick_at(self, shown: ShownMap, y: float, x: float) -> None:
        self.pick(patch_at(shown.computed, y, x))

    @given("_session.pose")
    def _select(self, pose: ShownPose, y: float, x: float, within: float) -> None:
        distance = np.where(pose.drawn, np.hypot(*(pose.xy - (x, y)).T), np.inf)
        nearest = int(np.argmin(distance))
        # Infinitely far if nothing is drawn.
        if distance[nearest] <= within:
            if self._selection.indices == (nearest,):
                # Selected already: it is to be looked at all the same.
                self._on_selection()
            self._selection.select([nearest])

    @given("_session.made.keypoints")
    def _on_selection(self, keypoints: KeypointSet) -> None:
        follower = self._follower
        if not (self.follows_selection and follower.enabled):
            return
        names = tuple(keypoints.names[k] for k in self._selection.indices)
        known = follower.store.keypoints.get(self._session.model, keypoints)
        names = tuple(name for name in names if name in known.names)
        if names:
            follower.configure(target=names[0] if len(names) == 1 else names)

    def _on_active(self, event: Any = None) -> None:
        self._follower.everything = self.asks
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        if event.value is self._marker:
            # Removed by the user: that is letting go of the patch.
            self._marker = None
            self.pick(None)

    def _on_video(self) -> None:
        self.pick(None)

    def _on_follower(self) -> None:
        follower = self._follower
        if not follower.enabled:
            self._wanted = False
            self._let_go()
            return
        self._take_in_hand()
        self._check_patch()

    @given("patch")
    def _let_go(self, patch: tuple[int, int]) -> None:
        self.pick(None)

    @given("_follower.map")
    @given("patch")
    def _check_patch(self, patch: tuple[int, int], shown: ShownMap) -> None:
        rows, columns = shown.picture.data.shape
        if patch[0] >= rows or patch[1] >= columns:
            # Another model has another grid.
            self.pick(None)


def _at_rest(layer: Any) -> bool:
    """Whether a click on a layer does nothing but move the picture."""
    return layer is None or str(layer.mode) == "pan_zoom"
