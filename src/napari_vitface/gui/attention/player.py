"""Playing the layers: what was looked at after the first, after the second, up to the last.

Rollout over layers 1 to n for n = 1, 2, ... is the sequence of products that the last one ends in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.attention.attention_settings import map_key
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.settings.attention_method import LayeredMethod

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.session import Session


class LayerPlayer:
    """Steps the attention on screen through the layers; whoever has a clock calls `step`."""

    #: Started, stopped, or at another layer.
    changed = Signal()

    def __init__(self, session: Session, follower: AttentionFollower) -> None:
        self._session = session
        self._follower = follower
        # All layers at once: they come of one pass through the network.
        self._ahead = self._follower.store.slot("layers to be played", lambda: None)
        self._before: tuple[int, int] | None = None
        self._expected: tuple[int, int] | None = None
        #: Layers played, counted from 1; 0 while nothing is played.
        self.layer = 0

    @property
    def playing(self) -> bool:
        """Whether the layers are being played."""
        return self.layer > 0

    @property
    def can_play(self) -> bool:
        """Whether there is more than one layer to play, as far as is known."""
        attends = isinstance(self._follower.settings.how, LayeredMethod)
        return self._follower.enabled and attends and (self._follower.depth or 0) > 1

    def start(self) -> None:
        """Show the first layer."""
        if self.can_play and not self.playing:
            self._before = self._follower.settings.layers
            self._follower.holds = True
            self._go(1)

    def step(self) -> None:
        """Show the next layer, unless this one is not on screen yet; after the last one, end."""
        if not self.playing:
            return
        follower = self._follower
        if not self.can_play or follower.settings.layers != self._expected:
            # The user went on to something else.
            self._end()
        elif follower.status == "shown":
            if self.layer < (follower.depth or 0):
                self._go(self.layer + 1)
            else:
                self.stop()
        elif follower.status != "computing":
            self.stop()

    def stop(self) -> None:
        """End, with the layers that were looked at before."""
        if self.playing:
            if self._follower.settings.layers == self._expected:
                self._follower.configure(layers=self._before)
            self._end()

    @on_video
    @given("_follower.depth")
    def _go(self, depth: int, opened: OpenVideo, layer: int) -> None:
        follower = self._follower
        self.layer = layer
        key = map_key(self._session, opened, follower.settings, story=True)
        self._expected = key.chapter(layer, depth).layers
        follower.configure(layers=self._expected)
        # Behind the request for this layer, so that the playing begins soon.
        self._ahead.want(key)
        self.changed.emit()

    def _end(self) -> None:
        self._ahead.rest()
        self._follower.holds = False
        self.layer = 0
        self._expected = None
        self.changed.emit()
