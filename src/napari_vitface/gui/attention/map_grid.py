"""Many maps of the frame on screen beside each other: all keypoints, all layers, or two models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.attention.attention_settings import MapKey, Target, map_key, of
from napari_vitface.gui.attention.map_store import Slot
from napari_vitface.gui.layers import (
    ALL_KEYPOINTS,
    AttentionPicture,
    attention_picture,
    attention_rows,
)
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.settings.attention_method import LayeredMethod
from napari_vitface.settings.network_layers import name_layers

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.correct.selection import KeypointSelection
    from napari_vitface.gui.session import Session

KINDS = {
    "keypoints": "All keypoints",
    "layers": "All layers",
    "models": "Two models",
}


@dataclass(frozen=True)
class Tile:
    """One of the small pictures.

    Attributes
    ----------
    title : str
    target : str or tuple of str
        What its map is of.
    key : MapKey
        What was asked for.
    status : str
        As `Slot.status`.
    message : str
        The error's sentence when failed.
    computed : AttentionComputed or None
        The answer that its map is in, when shown.
    picture : AttentionPicture or None
        Its map, when shown.
    chosen : bool
        It is the one on the canvas.
    """

    title: str
    target: Target
    key: MapKey
    status: str
    message: str = ""
    computed: AttentionComputed | None = None
    picture: AttentionPicture | None = None
    chosen: bool = False


class AttentionGrid:
    """What the grid shows; computed only while it is open."""

    #: There is something else to draw.
    changed = Signal()

    def __init__(
        self, session: Session, follower: AttentionFollower, selection: KeypointSelection
    ) -> None:
        self._session = session
        self._follower = follower
        self._selection = selection
        self._slots: list[Slot] = []
        self._open = False
        self._follower.changed.connect(self.update)
        session.frame_changed.connect(self.update)
        session.model_changed.connect(self.update)
        session.crop_changed.connect(self.update)
        session.video_changed.connect(self.update)

    # ----------------------------------------------------------------- what is wanted

    @property
    def open(self) -> bool:
        """Whether anybody looks at it."""
        return self._open

    @open.setter
    def open(self, is_open: bool) -> None:
        if is_open != self._open:
            self._open = is_open
            self.update()

    @property
    def kind(self) -> str:
        """A key of `KINDS`."""
        return self._session.kept.of("attention.grid", "keypoints")

    @kind.setter
    def kind(self, kind: str) -> None:
        if kind != self.kind:
            self._session.kept.note("attention.grid", kind)
            self.update()
            self.changed.emit()

    @property
    def second_model(self) -> str | None:
        """The model beside the chosen one: a bundled one's name or a checkpoint's path.

        None while it is the chosen one: beside itself there is nothing to compare.
        """
        second: str | None = self._session.kept.of("attention.second model", None)
        return second if second != self._session.model else None

    @second_model.setter
    def second_model(self, model: str | None) -> None:
        if model != self.second_model:
            self._session.kept.note("attention.second model", model)
            self.update()
            self.changed.emit()

    def update(self, *_: object) -> None:
        """Ask for what is to be shown of the frame on screen."""
        keys = self._keys() if self._open else []
        while len(self._slots) < len(keys):
            name = f"grid {len(self._slots)}"
            self._slots.append(self._follower.store.slot(name, self.changed.emit))
        before = [(slot.key, slot.status) for slot in self._slots]
        for slot, key in zip(self._slots, keys, strict=False):
            slot.want(key)
        for slot in self._slots[len(keys) :]:
            slot.want(None)
        if before == [(slot.key, slot.status) for slot in self._slots]:
            # Which tile is the chosen one may have changed.
            self.changed.emit()

    def _keys(self) -> list[MapKey]:
        opened, settings = self._session.current, self._follower.settings
        if opened is None or not self._follower.enabled:
            return []
        if self.kind == "keypoints":
            return [map_key(self._session, opened, settings, everything=True)]
        if self.kind == "models":
            models = [self._session.model, *([self.second_model] if self.second_model else [])]
            return [map_key(self._session, opened, settings, model=model) for model in models]
        if not isinstance(settings.how, LayeredMethod) or self._follower.depth is None:
            return []
        return [map_key(self._session, opened, settings, story=True)]

    @property
    def hint(self) -> str:
        """Why there is nothing, or what to do; empty if there is something to see."""
        if self._session.current is None:
            return "Waits for a video."
        if not self._follower.enabled:
            return "Attention is off: tick it in the ViT Face dock."
        how = self._follower.settings.how
        if self.kind == "layers" and not isinstance(how, LayeredMethod):
            return "This method does not look at layers; choose another one for this grid."
        if self.kind == "models" and not self.second_model:
            return "Choose the model to compare with."
        return ""

    # ----------------------------------------------------------------- what there is

    def tiles(self) -> list[Tile]:
        """What is to be drawn, in order."""
        if not self._open or (self.hint and self.kind != "models"):
            return []
        settings = self._follower.settings
        slots = [slot for slot in self._slots if slot.key is not None]
        if self.kind == "keypoints":
            slot = slots[0] if slots else None
            if slot is None or slot.key is None:
                return []
            if slot.computed is None:
                return [Tile("", ALL_KEYPOINTS, slot.key, slot.status, slot.message)]
            return [
                self._tile(slot, name, name, name == settings.target)
                for name in slot.computed.names
            ]
        if self.kind == "models":
            return [
                self._tile(slot, Path(slot.key.model).stem if slot.key else "", settings.target)
                for slot in slots
            ]
        return self._chapters(slots[0]) if slots else []

    def _chapters(self, slot: Slot) -> list[Tile]:
        """A tile for each layer; those that are known already, too."""
        settings, depth = self._follower.settings, self._follower.depth or 0
        shown = self._follower.layers
        tiles = []
        for stop in range(1, depth + 1):
            assert slot.key is not None
            key = slot.key.chapter(stop, depth)
            layers = slot.key.up_to(stop).layers or (0, stop)
            title = name_layers(layers)
            tiles.append(self._tile(slot, title, settings.target, layers == shown, key))
        return tiles

    def _tile(
        self,
        slot: Slot,
        title: str,
        target: Target,
        chosen: bool = False,
        key: MapKey | None = None,
    ) -> Tile:
        """A slot's answer as a tile, or that to another key that is known."""
        computed = slot.computed if key is None else self._follower.store.get(key)
        key = slot.key if key is None else key
        assert key is not None
        if computed is None:
            return Tile(title, target, key, slot.status, slot.message, chosen=chosen)
        try:
            attention_rows(computed, target)
        except KeyError:
            message = f"This model has no keypoint {of(target)}."
            return Tile(title, target, key, "failed", message, chosen=chosen)
        picture = attention_picture(computed, target)
        return Tile(title, target, key, "shown", "", computed, picture, chosen)

    def limit(self, tiles: list[Tile], tile: Tile, same: bool) -> float:
        """Upper colour limit of a tile: its own, or the largest of all if they are to be the same.

        Limits stay from frame to frame.
        """
        limits = {
            id(each): self._follower.limit_of(each.key, each.target, each.picture)
            for each in (tiles if same else [tile])
            if each.picture is not None
        }
        return max(limits.values()) if same else limits[id(tile)]

    def choose(self, tile: Tile) -> None:
        """Show a tile's map on the canvas."""
        if self.kind == "keypoints":
            self._follower.configure(target=tile.target)
            keypoints = self._session.keypoints
            if keypoints is not None and tile.target in keypoints.names:
                self._selection.select([keypoints.index(str(tile.target))])
        elif self.kind == "layers":
            self._follower.configure(layers=tile.key.layers)
