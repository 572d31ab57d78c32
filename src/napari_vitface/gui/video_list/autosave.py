"""Writes the list of videos on a thread, the newest state last, and says once if it cannot."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.video_list.kinds import Settings
from napari_vitface.gui.video_list.list_store import Store

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session

#: Job, settings and items, as `Store.save` takes them.
Content = tuple[str, Settings, Any]


class Autosave:
    """Keeps a list in its store.

    Parameters
    ----------
    session : Session
        Has threads, and says what is wrong.
    store : Store
    content : callable
        What is to be kept now.
    """

    def __init__(self, session: Session, store: Store, content: Callable[[], Content]) -> None:
        self._session = session
        self._store = store
        self._content = content
        self._writing = self._again = False
        self._lock = threading.Lock()
        self._versions = itertools.count(1)
        self._written = 0
        self._complains = True

    def keep(self) -> None:
        """Write the list on a thread, one write at a time."""
        if self._writing:
            self._again = True
            return
        self._writing, self._again = True, False
        version, content = next(self._versions), self._content()

        def written(_: object) -> None:
            self._writing = False
            if self._again:
                self.keep()

        self._session.in_background(lambda: self._write(version, content), written)

    def close(self) -> None:
        """Write the list for the last time, and let another napari have it."""
        content = self._content()
        if content[-1] or self._store.path.exists():
            self._write(next(self._versions), content)
        self._store.close()

    def _write(self, version: int, content: Content) -> None:
        why = ""
        try:
            with self._lock:
                if version < self._written:
                    return
                self._written = version
                if not self._store.save(*content):
                    why = "another napari has one that is kept"
        except Exception as error:
            # Also at the end, when the rest is still to be closed.
            why = sentence_of("writing it", error).rstrip(".")
        if why:
            self._session.soon(lambda: self._complain(why))

    def _complain(self, why: str) -> None:
        """Once; the same would be said at each change of the list."""
        if self._complains:
            self._complains = False
            text = f"This list of videos is not kept for the next start: {why}."
            self._session.tell(text, "warning")
