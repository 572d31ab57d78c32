"""Maps that were computed, and places in the window that each wait for the newest one they asked
for.

A place (`Slot`) that asks for another map before the first one came drops the first request. An
answer that comes late all the same is kept for when the user returns. Two places that want the same
map share its request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_vitface.gui.attention.attention_settings import MapKey
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.jobs.events import (
    AttentionComputed,
    Cancelled,
    Event,
    Failed,
    Finished,
    Progress,
)
from napari_vitface.jobs.results.attention import ExplainResult
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.engine import Request
    from napari_vitface.gui.session import Session

#: Before a job says how far it is.
NO_PROGRESS = Progress(0, 0)
#: Bytes of maps that are kept: some thousand frames of a usual model.
KEPT = 64 << 20


class AttentionStore:
    """The maps of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._maps: OrderedDict[MapKey, AttentionComputed] = OrderedDict()
        self._bytes = 0
        self._open: dict[MapKey, Slot] = {}
        self._slots: list[Slot] = []
        #: Number of blocks and of heads of each model that has answered.
        self.depths: dict[str, int] = {}
        self.heads: dict[str, int] = {}
        #: Keypoints of each model that has answered.
        self.keypoints: dict[str, KeypointSet] = {}

    def __len__(self) -> int:
        """Answers that are kept."""
        return len(self._maps)

    def get(self, key: MapKey) -> AttentionComputed | None:
        """The answer to a key, if it is known."""
        if key.story:
            # Told once all of its chapters are there.
            depth = self.depths.get(key.model, 0)
            chapters = [self.get(key.chapter(stop, depth)) for stop in range(1, depth + 1)]
            return chapters[-1] if chapters and None not in chapters else None
        for each in (key, replace(key, names=None)):
            if each in self._maps:
                self._maps.move_to_end(each)
                return self._maps[each]
        return None

    def slot(self, name: str, changed: Callable[[], None]) -> Slot:
        """A place for one map; `changed` is called when its state does."""
        slot = Slot(self, f"attention: {name}", changed)
        self._slots.append(slot)
        return slot

    def close(self) -> None:
        """Ask for nothing more."""
        for slot in self._slots:
            slot.rest()

    # ----------------------------------------------------------------- asking the engine

    def _ask(self, key: MapKey, slot: Slot) -> None:
        if key in self._open:
            return
        self._open[key] = slot
        try:
            slot._request = self._session.submit(
                "explain",
                key.arguments(),
                lambda event: self._on_event(key, event),
                urgent=True,
                replaces=slot.name,
            )
        except Exception as error:
            self._on_event(key, Failed("explain", sentence_of("explain", error)))

    def _drop(self, key: MapKey, slot: Slot) -> None:
        """A slot does not wait for a key any more."""
        if self._open.get(key) is not slot:
            return
        other = next((each for each in self._slots if each.awaited == key), None)
        if other is not None and not slot.replacing:
            # Somebody else waits for the answer too.
            self._open[key] = other
            other._request, slot._request = slot._request, None
            return
        if slot._request is not None and not slot._request.done:
            slot._request.cancel()
        slot._request = None

    def _on_event(self, key: MapKey, event: Event) -> None:
        match event:
            case AttentionComputed() if key.story:
                self._keep_chapter(key, event)
            case AttentionComputed():
                self._keep(key, event)
            case Finished(result=ExplainResult(keypoints=keypoints)):
                self.keypoints[key.model] = keypoints
        if isinstance(event, Finished | Failed | Cancelled):
            self._open.pop(key, None)
        for slot in self._slots:
            if slot.awaited == key:
                slot._on_event(key, event)

    def _keep_chapter(self, key: MapKey, computed: AttentionComputed) -> None:
        # A story is asked for once the depth of its model is known.
        chapter = key.chapter(int(computed.settings["layers"][1]), self.depths[key.model])
        self._keep(chapter, computed)
        for slot in self._slots:
            if slot.awaited == chapter:
                slot._on_event(chapter, computed)

    def _keep(self, key: MapKey, computed: AttentionComputed) -> None:
        settings = computed.settings
        if settings.get("depth"):
            self.depths[key.model] = int(settings["depth"])
        if settings.get("heads"):
            self.heads[key.model] = int(settings["heads"])
        if key not in self._maps:
            self._bytes += computed.maps.nbytes
        self._maps[key] = computed
        while self._bytes > KEPT and len(self._maps) > 1:
            _, oldest = self._maps.popitem(last=False)
            self._bytes -= oldest.maps.nbytes


class Slot:
    """One place in the window that shows a map, and waits for the newest that it asked for.

    Attributes
    ----------
    key : MapKey or None
        What is wanted.
    status : str
        "empty", "computing", "shown", "failed" or "stopped" (by the user).
    computed : AttentionComputed or None
        The answer, when shown.
    message : str
        The error's sentence when failed.
    progress : Progress
        How far a slow method is.
    """

    def __init__(self, store: AttentionStore, name: str, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed
        self._request: Request | None = None
        self.name = name
        self.key: MapKey | None = None
        self.status = "empty"
        self.computed: AttentionComputed | None = None
        self.message = ""
        self.progress = NO_PROGRESS
        #: Whether a new request is about to take the place of this slot's open one.
        self.replacing = False

    @property
    def awaited(self) -> MapKey | None:
        """The key whose answer is waited for."""
        return self.key if self.status == "computing" else None

    def want(self, key: MapKey) -> None:
        """Show the answer to a key, or ask for it."""
        if key == self.key:
            return
        known = self._store.get(key)
        if known is not None:
            self._leave(key)
            self._set("shown", computed=known)
        else:
            # The engine drops a request itself when a newer one of the same name comes.
            self.replacing = key not in self._store._open
            self._leave(key)
            self.replacing = False
            self._set("computing")
            self._store._ask(key, self)
        self._changed()

    def rest(self) -> None:
        """Show nothing."""
        self._leave(None)
        self._changed()

    def _leave(self, key: MapKey | None) -> None:
        """Wait no more for what was wanted before a key."""
        before, self.key = self.awaited, key
        self._set("empty")
        if before is not None:
            self._store._drop(before, self)

    @given("key")
    def again(self, key: MapKey) -> None:
        """Ask once more for what failed or was stopped."""
        if self.status in ("failed", "stopped"):
            self.key = None
            self.want(key)

    @given("awaited")
    def stop(self, key: MapKey) -> None:
        """Give up what is being computed, until it is asked for `again` or something else is."""
        self._set("stopped")
        self._store._drop(key, self)
        self._changed()

    def _set(
        self, status: str, *, computed: AttentionComputed | None = None, message: str = ""
    ) -> None:
        self.status, self.computed, self.message = status, computed, message
        self.progress = NO_PROGRESS

    def _on_event(self, key: MapKey, event: Event) -> None:
        match event:
            case AttentionComputed() if not key.story:
                self._set("shown", computed=event)
            case Finished() if key.story:
                self._set("shown", computed=self._store.get(key))
            case Progress():
                self.progress = event
            case AttentionComputed():
                # A chapter of a story; who waits for the story may show it already.
                pass
            case Failed():
                self._set("failed", message=event.message)
            case Cancelled() | Finished():
                # Over without a map, for somebody else's sake: ask for it here.
                self._store._ask(key, self)
                return
            case _:
                return
        self._changed()
