"""Connections to signals that live longer than who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Signals with the slots that were connected to them, to be disconnected together.

    Signals of psygnal and of napari's events; Qt disconnects its own when a widget ends.
    """

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []

    def connect(self, signal: Any, slot: Callable[..., Any], **options: Any) -> None:
        """Call a slot whenever a signal is emitted, until `undo`; `options` are the signal's."""
        signal.connect(slot, **options)
        self._made.append((signal, slot))

    def undo(self) -> None:
        """Disconnect all slots."""
        for signal, slot in self._made:
            signal.disconnect(slot)
        self._made.clear()
