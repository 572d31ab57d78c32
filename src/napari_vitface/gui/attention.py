"""Attention of the frame on screen: asked for at each slider step, never waited for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.errors import VitFaceError
from napari_vitface.gui.layers import (
    AttentionPicture,
    attention_picture,
    colour_limit,
)
from napari_vitface.gui.overlays import ATTENTION
from napari_vitface.jobs.events import AttentionComputed, Cancelled, Event, Failed, Finished

if TYPE_CHECKING:
    from napari_vitface.engine import Request
    from napari_vitface.gui.crop import Crop
    from napari_vitface.gui.session import OpenVideo, Session

#: Frames whose maps are kept: a few MB for twelve keypoints on a usual patch grid.
_KEPT = 512

#: Open requests with this key are dropped when a newer one comes.
REPLACES = "attention of the frame on screen"


@dataclass(frozen=True)
class AttentionSettings:
    """What to compute and which of the computed maps to show.

    Attributes
    ----------
    target : str
        ``"global"``, ``"all"`` (mean of all keypoints' maps) or a keypoint's name.
    layers : (start, stop) or None
        Blocks ``start`` to ``stop - 1``, counted from 0; None for all. Raw attention is that of
        the last of them.
    """

    target: str = "all"
    method: str = "rollout"
    layers: tuple[int, int] | None = None
    head_fusion: str = "mean"
    discard: float = 0.0
    hide_self: bool = False


@dataclass(frozen=True)
class _Key:
    """One forward pass of the network: all maps of a frame come of it together."""

    path: Path
    frame: int
    model: str
    crop: Crop | None
    device: str
    precision: str
    method: str
    layers: tuple[int, int] | None
    head_fusion: str
    discard: float
    hide_self: bool


class AttentionFollower:
    """Keeps the attention layer in step with the slider.

    While a map is being computed the layer is empty: the map of another frame would be untrue.
    Answers that come late, for frames that were left, are kept for when the user returns.
    """

    #: State, label or settings changed.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = AttentionSettings()
        self._enabled = False
        self._cache: OrderedDict[_Key, AttentionComputed] = OrderedDict()
        self._limits: dict[tuple[Any, ...], float] = {}
        self._awaited: _Key | None = None
        self._request: Request | None = None
        self._failed: _Key | None = None
        #: "off", "waiting" (no video), "computing", "shown" or "failed".
        self.status = "off"
        self.message = ""
        self.shown: AttentionComputed | None = None
        self.picture: AttentionPicture | None = None
        self.limit = 1.0
        #: Number of blocks of each model that has answered.
        self.depths: dict[str, int] = {}
        session.overlays.wanted_changed.connect(self._on_wanted)

    @property
    def enabled(self) -> bool:
        """Whether attention is drawn."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if enabled == self._enabled:
            return
        self._enabled = enabled
        self._failed = None
        self._session.overlays.show(ATTENTION, enabled)
        self.update()

    @property
    def settings(self) -> AttentionSettings:
        return self._settings

    def configure(self, **changes: Any) -> None:
        """Change some of the settings (fields of `AttentionSettings`)."""
        settings = replace(self._settings, **changes)
        if settings != self._settings:
            self._settings = settings
            self.update()

    def update(self) -> None:
        """Show the map of the frame on screen, or ask for it."""
        opened = self._session.current
        if not self._enabled or opened is None:
            self._awaited = None
            self._cancel()
            self._session.overlays.draw_attention(None, 1.0, opened and opened.layer)
            self._set("off" if not self._enabled else "waiting")
            return
        key = self._key(opened)
        if key in self._cache:
            self._awaited = None
            self._cancel()
            self._cache.move_to_end(key)
            self._show(key, self._cache[key], opened)
        elif key == self._failed:
            return
        elif key != self._awaited:
            self._ask(key, opened)

    def close(self) -> None:
        """Ask for nothing more."""
        self._enabled = False
        self._awaited = None
        self._cancel()

    def _key(self, opened: OpenVideo) -> _Key:
        chosen = self._settings
        return _Key(
            opened.path,
            self._session.frame,
            self._session.model,
            opened.crop,
            self._session.device,
            self._session.precision,
            chosen.method,
            chosen.layers,
            chosen.head_fusion,
            chosen.discard,
            chosen.hide_self,
        )

    def _ask(self, key: _Key, opened: OpenVideo) -> None:
        self._session.overlays.draw_attention(None, 1.0, opened.layer)
        self._awaited = key
        arguments = {
            "source": key.path,
            "frame": key.frame,
            "model": key.model,
            "keypoint": "all",
            "method": key.method,
            "layers": _layers(key),
            "device": key.device,
            "precision": key.precision,
            "head_fusion": key.head_fusion,
            "discard": key.discard,
            "hide_self": key.hide_self,
            "crop": key.crop,
        }
        try:
            self._request = self._session.submit(
                "explain",
                arguments,
                lambda event: self._on_event(key, event),
                urgent=True,
                replaces=REPLACES,
            )
        except VitFaceError as error:
            self._on_event(key, Failed("explain", str(error)))
            return
        self._set("computing")

    def _cancel(self) -> None:
        if self._request is not None and not self._request.done:
            self._request.cancel()
        self._request = None

    def _on_event(self, key: _Key, event: Event) -> None:
        opened = self._session.current
        wanted = self._enabled and opened is not None and key == self._key(opened)
        match event:
            case AttentionComputed():
                self._cache[key] = event
                self._learn(key, event)
                while len(self._cache) > _KEPT:
                    self._cache.popitem(last=False)
                if wanted and opened is not None:
                    self._awaited = None
                    self._show(key, event, opened)
            case Failed() if wanted:
                self._awaited = None
                self._failed = key
                self._set("failed", event.message)
            case Finished() | Cancelled() if key == self._awaited:
                # Over without a map: the next step may ask again.
                self._awaited = None

    def _learn(self, key: _Key, computed: AttentionComputed) -> None:
        layers = computed.settings.get("layers")
        if key.layers is None and layers:
            self.depths[key.model] = int(layers[1])

    def _show(self, key: _Key, computed: AttentionComputed, opened: OpenVideo) -> None:
        target = self._settings.target
        try:
            picture = attention_picture(computed, target)
        except KeyError:
            # The keypoint of another model: show what this one has.
            picture = attention_picture(computed, computed.names[0])
        kind = (*(getattr(key, name) for name in _KINDS), target)
        limit = self._limits.setdefault(kind, colour_limit(picture))
        self.shown, self.picture, self.limit = computed, picture, limit
        self._session.overlays.draw_attention(picture, limit, opened.layer)
        self._set("shown")

    def _set(self, status: str, message: str = "") -> None:
        if status != "shown":
            self.picture = None
        self.status, self.message = status, message
        self.changed.emit()

    def _on_wanted(self, what: str, wanted: bool) -> None:
        if what == ATTENTION and not wanted and self._enabled:
            # The user removed the layer: that is switching attention off.
            self._enabled = False
            self.update()


#: Maps that agree in these are drawn with the same colour limits.
_KINDS = ("model", "crop", "method", "layers", "head_fusion", "discard", "hide_self")


def _layers(key: _Key) -> tuple[int, int] | int | None:
    """The layers as the job takes them: one number for raw attention."""
    if key.layers is None or key.method != "raw":
        return key.layers
    return key.layers[1] - 1
