"""What the window says of an error of any kind: nothing that a file does ends in a traceback.

An error that nobody thought of is remembered by its sentence, so that wherever that is shown, on
its own or within another, it can be reported (`napari_vitface.gui.error_report`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import EmitLoopError

from napari_vitface.jobs.failure import describe_failure
from napari_vitface.words import in_window

if TYPE_CHECKING:
    from napari_vitface.jobs.events import Failed

_log = logging.getLogger(__name__)

#: Errors that are remembered, the newest; a note shows no more than a few.
_MOST = 50
_remembered: dict[str, Failed] = {}


def sentence_of(act: str, error: BaseException) -> str:
    """One sentence about an error in `act` ("opening the video"); `note_failure` hears of it."""
    cause = error
    while isinstance(cause, EmitLoopError) and cause.__cause__ is not None:
        # A signal was sent, and something that listened failed.
        cause = cause.__cause__
    failed = describe_failure(act, cause)
    failed = replace(failed, message=in_window(failed.message))
    if cause is not error:
        failed = replace(failed, detail=describe_failure(act, error).detail)
    note_failure(failed)
    return failed.message


def note_failure(failed: Failed) -> None:
    """Log and remember what failed, if that was unexpected."""
    if not failed.unexpected:
        return
    if failed.message not in _remembered:
        # What is asked for at each change of the window may fail as often.
        _log.error("unexpected error in %s\n%s", failed.job, failed.detail)
    _remembered.pop(failed.message, None)
    _remembered[failed.message] = failed
    while len(_remembered) > _MOST:
        del _remembered[next(iter(_remembered))]


def unexpected_in(text: str) -> list[Failed]:
    """The unexpected errors that a text tells of."""
    return [failed for sentence, failed in _remembered.items() if sentence in text]
