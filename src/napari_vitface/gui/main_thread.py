"""From the engine's reader thread to Qt's main thread."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal

from napari_vitface.gui.garbage import collect_on_main_thread, leave


class MainThread(QObject):
    """Runs functions on the thread that made it, in the order in which they were posted."""

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        collect_on_main_thread()
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` soon; may be called from any thread."""
        try:
            self._posted.emit(function)
        except RuntimeError:
            # The window may be gone while the engine is still talking.
            leave(function)

    def _run(self, function: Callable[[], None]) -> None:
        function()
