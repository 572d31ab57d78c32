"""Attention of the frame on screen: asked for at each slider step, never waited for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.gui.attention.attention_settings import AttentionSettings, MapKey, map_key
from napari_vitface.gui.attention.map_store import NO_PROGRESS, AttentionStore
from napari_vitface.gui.given import given
from napari_vitface.gui.layers import (
    EVEN,
    PIXELS,
    AttentionPicture,
    attention_picture,
    colour_limit,
)
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.overlays import ATTENTION, Overlays
from napari_vitface.jobs.events import AttentionComputed, Progress

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.pose.keypoints import KeypointSet

__all__ = ["AttentionFollower", "AttentionSettings"]


@dataclass(frozen=True)
class ShownMap:
    """The map that is on the canvas: what was asked for, the answer, and its picture."""

    key: MapKey
    computed: AttentionComputed
    picture: AttentionPicture


class AttentionFollower:
    """Keeps the attention layer in step with the slider.

    While a map is being computed the layer is empty: the map of another frame would be untrue.
    Answers that come late, for frames that were left, are kept for when the user returns.
    """

    #: State, label or settings changed.
    changed = Signal()

    def __init__(self, session: Session, overlays: Overlays) -> None:
        self._session = session
        self._overlays = overlays
        self._enabled = False
        self._everything = False
        self._limits: dict[tuple[Any, ...], float] = {}
        self._mean: tuple[MapKey, AttentionComputed] | None = None
        self.store = AttentionStore(session)
        self._slot = self.store.slot("frame on screen", self._on_slot)
        #: "off", "waiting" (no video), "computing", "shown", "failed" or "stopped".
        self.status = "off"
        self.message = ""
        self.shown: AttentionComputed | None = None
        self._on_canvas: ShownMap | None = None
        self.limit, self._unit = 1.0, EVEN
        #: Whether a map stays on screen until that of other layers is there.
        self.holds = False
        overlays.wanted_changed.connect(self._on_wanted)

    # ----------------------------------------------------------------- what is wanted

    @property
    def enabled(self) -> bool:
        """Whether attention is drawn."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if enabled == self._enabled:
            return
        self._enabled = enabled
        self._overlays.show(ATTENTION, enabled)
        self.update()

    @property
    def settings(self) -> AttentionSettings:
        """What was chosen; of layers and heads, what was chosen for this model."""
        model = self._session.model
        chosen_for, settings = self._session.kept.of("attention", (model, AttentionSettings()))
        return settings if chosen_for == model else settings.for_another_model()

    def configure(self, **changes: Any) -> None:
        """Change some of the settings: `AttentionSettings`, or those of methods by name."""
        settings = self.settings.changed(**changes)
        if settings != self.settings:
            self._session.kept.note("attention", (self._session.model, settings))
            self.update()

    @property
    def everything(self) -> bool:
        """Whether the maps of all keypoints are asked for, whichever is shown."""
        return self._everything

    @everything.setter
    def everything(self, everything: bool) -> None:
        if everything != self._everything:
            self._everything = everything
            if self._enabled:
                self.update()

    @property
    def key(self) -> MapKey | None:
        """What is asked of the engine for the frame on screen; None while nothing is."""
        return self._key()

    @on_video
    def _key(self, opened: OpenVideo) -> MapKey | None:
        if not self._enabled or self._session.videos.beyond:
            return None
        return map_key(self._session, opened, self.settings, everything=self._everything)

    # ----------------------------------------------------------------- what there is

    @property
    def depth(self) -> int | None:
        """Number of blocks of the chosen model, once it is known."""
        return self.store.depths.get(self._session.model)

    @property
    def layers(self) -> tuple[int, int] | None:
        """The layers that are looked at, ``(start, stop)``; None while that is not known."""
        if self.settings.layers is not None:
            return self.settings.layers
        return self.usual_layers

    @property
    def usual_layers(self) -> tuple[int, int] | None:
        """Those that the method looks at unless it is told which; None while that is not known."""
        usual = self.settings.how.usual_layers(self.depth or 0)
        return (usual.start, usual.stop) if usual else None

    @property
    def keypoints(self) -> KeypointSet | None:
        """Keypoints of the chosen model, once it has answered."""
        return self.store.keypoints.get(self._session.model)

    @property
    def progress(self) -> Progress:
        """How far a slow method is with the frame on screen."""
        return self._slot.progress if self.status == "computing" else NO_PROGRESS

    @property
    @given("_mean")
    def mean(self, mean: tuple[MapKey, AttentionComputed]) -> AttentionComputed:
        """The mean over frames that is on screen instead of the frame's own map."""
        return mean[1]

    @property
    def map(self) -> ShownMap | None:
        """The map of the frame on screen, once it is there."""
        return self._on_canvas if self.status == "shown" else None

    @property
    @given("_on_canvas")
    def picture(self, shown: ShownMap) -> AttentionPicture:
        """What is on the canvas, perhaps until the map of other layers is there."""
        return shown.picture

    def limit_of(self, key: MapKey, what: object, picture: AttentionPicture) -> float:
        """The upper colour limit of maps of one kind: that of the first one, for all frames."""
        return self._limits.setdefault((key.without_frame(), what), colour_limit(picture))

    def number(self, value: float) -> str:
        """A value of the maps on screen, as a number with what it is: ``3.2 %``, ``14 px``."""
        if self._unit == PIXELS:
            return f"{value:.1f} px"
        if self._unit != EVEN:
            return f"{value:.2f}"
        return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"

    # ----------------------------------------------------------------- doing it

    def update(self) -> None:
        """Show the map of the frame on screen, or ask for it."""
        if not self._follow():
            self._mean = None
            self._slot.rest()
            self._clear()
            self._set("off" if not self._enabled else "waiting")

    @given("key")
    def _follow(self, key: MapKey) -> bool:
        if self._mean is not None and self._mean[0].without_frame() == key.without_frame():
            self._slot.rest()
            self._show(*self._mean)
            return True
        self._mean = None
        before = self._slot.key, self._slot.status
        self._slot.want(key)
        if before == (self._slot.key, self._slot.status):
            # Another of the maps that were computed together may be wanted.
            self._on_slot()
        return True

    def stop(self) -> None:
        """Give up what is being computed for this frame."""
        self._slot.stop()

    def again(self) -> None:
        """Ask once more for what failed or was stopped."""
        self._slot.again()

    def show_mean(self, key: MapKey, computed: AttentionComputed) -> None:
        """Show the mean over frames, whichever frame is on screen, until the settings change."""
        self._mean = (key, computed)
        self.update()

    def drop_mean(self) -> None:
        """Show the frame's own map again."""
        self._mean = None
        self.update()

    def close(self) -> None:
        """Ask for nothing more."""
        self._enabled = False
        self.store.close()

    @given("_slot.key")
    def _on_slot(self, key: MapKey) -> None:
        slot = self._slot
        if slot.computed is not None:
            self._show(key, slot.computed)
            return
        if self.holds and slot.status == "computing" and self._shows_layers_of(key):
            # Playing the layers: each map stays, with its words, until the next one is there.
            self.status, self.message = slot.status, slot.message
            self.changed.emit()
            return
        self._clear()
        self._set(slot.status, slot.message)

    @on_video
    def _clear(self, opened: OpenVideo) -> None:
        self._overlays.draw_attention(None, 1.0, opened.layer)

    @given("_on_canvas")
    def _shows_layers_of(self, shown: ShownMap, key: MapKey) -> bool:
        """Whether the map on screen differs from that of a key in its layers alone."""
        return _of_no_layers(shown.key) == _of_no_layers(key)

    @on_video
    def _show(self, opened: OpenVideo, key: MapKey, computed: AttentionComputed) -> None:
        target = self.settings.target
        try:
            picture = attention_picture(computed, target)
        except KeyError:
            # The keypoint of another model: show what this one has.
            target = computed.names[0]
            picture = attention_picture(computed, target)
        limit = self.limit_of(key, target, picture)
        self._on_canvas = ShownMap(key, computed, picture)
        self.shown, self.limit, self._unit = computed, limit, picture.unit
        self._overlays.draw_attention(picture, limit, opened.layer)
        self._set("shown")

    def _set(self, status: str, message: str = "") -> None:
        if status != "shown":
            self._on_canvas = None
        self.status, self.message = status, message
        self.changed.emit()

    def _on_wanted(self, what: str, wanted: bool) -> None:
        if what == ATTENTION and not wanted and self._enabled:
            # The user removed the layer: that is switching attention off.
            self._enabled = False
            self.update()


def _of_no_layers(key: MapKey) -> MapKey:
    return replace(key, how=key.how.at(None))
