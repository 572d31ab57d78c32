"""What the window says of an error of any kind: nothing that a file does ends in a traceback."""

from __future__ import annotations

import logging

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.failure import describe_failure

_log = logging.getLogger(__name__)


def sentence_of(act: str, error: Exception) -> str:
    """One sentence about an error in `act` ("opening the video"); a fault of ours is logged."""
    failed = describe_failure(act, error)
    if not isinstance(error, VitFaceError | OSError):
        _log.error("unexpected error in %s\n%s", act, failed.detail)
    return failed.message
