"""One sentence for the user from any error that ended a job."""

from __future__ import annotations

import errno
import traceback
from importlib import metadata

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Failed


def describe_failure(job: str, error: BaseException) -> Failed:
    """The `Failed` event of an error: its sentence, and the traceback as detail.

    `VitFaceError` speaks for itself. Lack of memory or of disk space is said in plain words.
    Anything else is a fault of ours, and says so.

    Parameters
    ----------
    job : str
        The name of a job, or what else was being done: "opening the video".
    """
    detail = "".join(traceback.format_exception(error))
    sentence, kind = _expected(job, error), type(error).__name__
    if sentence is not None:
        return Failed(job, sentence, detail, kind)
    text = str(error).strip().partition("\n")[0].rstrip(".")
    sentence = f"Unexpected error in {job}: {kind}{': ' + text if text else ''}."
    return Failed(job, sentence, detail, kind, unexpected=True)


def where_to_report() -> str:
    """Where an unexpected error is told to who can mend it: "at ADDRESS"."""
    # As the package's own metadata say it, so that a copy of the project names its own place.
    for line in metadata.metadata("napari-vitface").get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        if label.strip().lower() in ("issues", "issue tracker", "bug tracker", "tracker"):
            return f"at {address.strip()}"
    return "to those from whom you have napari-vitface"


def _expected(job: str, error: BaseException) -> str | None:
    """The sentence of an error that can happen to anybody; None for any other."""
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
            return f"The disk is full{where}; make room and try again."
        return f"The system refused something that {job} needs{where}: {error.strerror}."
    return None
