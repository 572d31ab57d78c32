"""One sentence for the user from any error that ended a job."""

from __future__ import annotations

import errno
import traceback

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Failed


def describe_failure(job: str, error: BaseException) -> Failed:
    """The `Failed` event of an error: its sentence, and the traceback as detail.

    `VitFaceError` speaks for itself. Lack of memory or of disk space is said in plain words.
    Anything else is a fault of ours and says so.
    """
    detail = "".join(traceback.format_exception(error))
    return Failed(job, _sentence(job, error), detail, type(error).__name__)


def _sentence(job: str, error: BaseException) -> str:
    if isinstance(error, VitFaceError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            f"There is not enough memory for {job}; "
            "close other programs or choose a smaller batch size or model."
        )
    if isinstance(error, OSError) and error.errno is not None:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"The disk is full{where}; make room and run {job} again."
        return f"The system refused something that {job} needs{where}: {error.strerror}."
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    return f"Unexpected error in {job}: {kind}{': ' + text if text else ''}."
