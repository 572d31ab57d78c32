"""napari's notifications as this plugin uses them: sentences, and never a traceback of ours."""

from __future__ import annotations

import logging
import sys
import traceback
from types import MethodType
from typing import Any

from napari_vitface.gui.error_report import can_be_reported, copy_report
from napari_vitface.gui.error_sentences import sentence_of

_log = logging.getLogger(__name__)


def notify(text: str, level: str) -> None:
    """Show a sentence in napari's corner; that of an unexpected error can be reported there.

    Parameters
    ----------
    level : "error", "warning" or "info"
    """
    from napari.utils.notifications import Notification, notification_manager

    def report(_: object) -> None:
        notify(copy_report(text), "info")

    actions = [("Report…", report)] if can_be_reported(text) else []
    notification_manager.dispatch(Notification(text, level, actions))


def take_errors() -> None:
    """Say what nobody caught on its way through this plugin in a sentence, instead of napari.

    That is what slots of Qt raise, threads, and napari's own when it asks a video for a frame.
    """
    from napari.utils.notifications import notification_manager as manager

    theirs = manager.receive_error
    if not isinstance(theirs, MethodType):
        return

    def receive_error(kind: type[BaseException], error: BaseException, *rest: Any) -> None:
        if isinstance(error, Exception) and _is_ours(error):
            _take(error)
        else:
            theirs(kind, error, *rest)

    # A listener of its notifications would come too late: napari's own are called first. This is
    # what it installs when its event loop begins, and what is there if that runs already.
    manager.receive_error = receive_error  # type: ignore[method-assign]
    if sys.excepthook == theirs:
        sys.excepthook = receive_error


def _take(error: Exception) -> None:
    try:
        _say(sentence_of("the window", error))
    except Exception:
        # Raised, it would come back here.
        _log.exception("cannot show an error")


def _say(sentence: str) -> None:
    import napari

    from napari_vitface.gui.workbench import open_session_of

    viewer = napari.current_viewer()
    session = open_session_of(viewer) if viewer is not None else None
    if session is None:
        notify(sentence, "error")
    else:
        # From whatever thread this is.
        session.soon(lambda: session.tell(sentence, "error"))


def _is_ours(error: BaseException) -> bool:
    """Whether an error, or what it came from, passed through code of this plugin."""
    ours = __name__.partition(".")[0]
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if str(frame.f_globals.get("__name__")).partition(".")[0] == ours:
                return True
        cause = cause.__cause__ or cause.__context__
    return False
