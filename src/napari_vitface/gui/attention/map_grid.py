"""Many maps of the frame on screen beside each other: all keypoints, all layers, or two models."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from napari_vitface.gui.open_video import OpenVideo, on_video
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
    """One of the small pictures, or the place of one that is not there yet.

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
    chosen : bool
        It is the one on the canvas.
    """

    title: str
    target: Target
    key: MapKey
    status: str
    message: str = ""
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class MapTile(Tile):
    """A tile whose map is there, and the answer that it is in."""

    computed: AttentionComputed
    picture: AttentionPicture


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
        self._asked: list[tuple[Slot, MapKey]] = []
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
        keys = (self._keys() or []) if self._open else []
        while len(self._slots) < len(keys):
            name = f"grid {len(self._slots)}"
            self._slots.append(self._follower.store.slot(name, self.changed.emit))
        before = [(slot.key, slot.status) for slot in self._slots]
        self._asked = list(zip(self._slots, keys, strict=False))
        for slot, key in self._asked:
            slot.want(key)
        for slot in self._slots[len(keys) :]:
            slot.rest()
        if before == [(slot.key, slot.status) for slot in self._slots]:
            # Which tile is the chosen one may have changed.
            self.changed.emit()

    @on_video
    def _keys(self, opened: OpenVideo) -> list[MapKey]:
        settings = self._follower.settings
        if not self._follower.enabled:
            return []
        if self.kind == "keypoints":
            return [map_key(self._session, opened, settings, everything=True)]
        if self.kind == "models":
            key = map_key(self._session, opened, settings)
            second = self.second_model
            return [key, replace(key, model=second)] if second else [key]
        if not isinstance(settings.how, LayeredMethod) or self._follower.depth is None:
            return []
        return [map_key(self._session, opened, settings, story=True)]

    @property
    def hint(self) -> str:
        """Why there is nothing, or what to do; empty if there is something to see."""
        if waiting := self._session.made.waiting:
            return waiting
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
        make = {"keypoints": self._keypoints, "models": self._model}.get(self.kind, self._chapters)
        return [tile for slot, key in self._asked for tile in make(slot, key)]

    def _keypoints(self, slot: Slot, key: MapKey) -> list[Tile]:
        if (answer := slot.computed) is None:
            return [Tile("", ALL_KEYPOINTS, key, slot.status, slot.message)]
        target = self._follower.settings.target
        return [self._tile(slot, key, answer, n, n, n == target) for n in answer.names]

    def _model(self, slot: Slot, key: MapKey) -> list[Tile]:
        target = self._follower.settings.target
        return [self._tile(slot, key, slot.computed, Path(key.model).stem, target)]

    def _chapters(self, slot: Slot, story: MapKey) -> list[Tile]:
        """A tile for each layer; those that are known already, too."""
        settings, depth = self._follower.settings, self._follower.depth or 0
        shown = self._follower.layers
        tiles = []
        for stop in range(1, depth + 1):
            key = story.chapter(stop, depth)
            layers = story.up_to(stop).layers or (0, stop)
            answer, title = self._follower.store.get(key), name_layers(layers)
            tiles.append(self._tile(slot, key, answer, title, settings.target, layers == shown))
        return tiles

    def _tile(
        self,
        slot: Slot,
        key: MapKey,
        computed: AttentionComputed | None,
        title: str,
        target: Target,
        chosen: bool = False,
    ) -> Tile:
        """An answer as a tile, or what the slot says while there is none."""
        if computed is None:
            return Tile(title, target, key, slot.status, slot.message, chosen)
        try:
            attention_rows(computed, target)
        except KeyError:
            message = f"This model has no keypoint {of(target)}."
            return Tile(title, target, key, "failed", message, chosen)
        picture = attention_picture(computed, target)
        return MapTile(
            title, target, key, "shown", chosen=chosen, computed=computed, picture=picture
        )

    def limit(self, tiles: list[Tile], tile: MapTile, same: bool) -> float:
        """Upper colour limit of a tile: its own, or the largest of all if they are to be the same.

        Limits stay from frame to frame.
        """
        limits = {
            id(each): self._follower.limit_of(each.key, each.target, each.picture)
            for each in (tiles if same else [tile])
            if isinstance(each, MapTile)
        }
        return max(limits.values()) if same else limits[id(tile)]

    def choose(self, tile: Tile) -> None:
        """Show a tile's map on the canvas."""
        if self.kind == "keypoints":
            self._follower.configure(target=tile.target)
            keypoints = self._session.made.keypoints
            if keypoints is not None and tile.target in keypoints.names:
                self._selection.select([keypoints.index(str(tile.target))])
        elif self.kind == "layers":
            self._follower.configure(layers=tile.key.layers)
