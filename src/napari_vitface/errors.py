"""The errors that users see: each is one sentence that says what happened and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Characters of a message; what a file holds may be quoted in it, and a file may hold anything.
_LONGEST = 1000
#: What moves the cursor, ends the line, turns the direction of writing, is not seen or is no
#: character at all.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

#: What h5py says of files that are not whole, or not HDF5, and what that means.
_PLAIN = {
    "truncated file": "it is cut off: copy or write it again",
    "file signature not found": "it is empty or no HDF5 file",
    "No space left on device": "No space left on device",
}


def one_line(text: str) -> str:
    """`text` as it can be shown anywhere: control characters escaped, not endless.

    File names may hold any character but a slash, and what they hold must not write to a terminal.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    return escaped(text)


def escaped(text: str) -> str:
    """`text` with control characters escaped, line ends too, at its full length."""
    return _UNSHOWN.sub(lambda found: ascii(found[0])[1:-1], text)


def reason(error: Exception) -> str:
    """What a library says of a file that it cannot read, in a line and without HDF5's own words."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return next((plain for words, plain in _PLAIN.items() if words in text), text)


class VitFaceError(Exception):
    """Base of all errors that are the user's to mend; shown as it is, without a traceback."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class ChoiceError(VitFaceError):
    """What was chosen cannot be had, whatever video it is for."""


class VideoError(VitFaceError):
    """A video, image folder or frame cannot be read."""


class CheckpointError(VitFaceError):
    """A model file is not a checkpoint of ours, is damaged, or is of a newer format."""


class BackboneError(VitFaceError):
    """A timm model cannot serve as backbone, for the reason given in the text."""


class LabelError(VitFaceError):
    """A label or prediction table cannot be read or does not fit what it is used with."""


class UnknownSettingError(VitFaceError, TypeError):
    """What was called takes nothing of that name."""


class FeatureFileError(VitFaceError):
    """A file of features is damaged, or was made otherwise: computing it again replaces it."""


class OutputExistsError(VitFaceError):
    """A file that is to be written is there, and it was not said that it may be replaced."""


class ClusterError(VitFaceError):
    """A cluster cannot be reached, or its workers cannot do what they are asked for."""


class EngineError(VitFaceError):
    """The engine process died or could not be started."""


@contextmanager
def damage_told(path: Path, what: str) -> Iterator[None]:
    """Have whatever a library makes of a damaged file be a `LabelError`: it is read as `what`."""
    try:
        yield
    except LabelError:
        raise
    except Exception as error:
        raise LabelError(f"{path} cannot be read as {what} ({reason(error)}).") from error
