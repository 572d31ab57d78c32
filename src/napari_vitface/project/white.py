"""White levels that a project sets for its recordings of more than 8 bits.

They are in ``vitface/project.yaml`` under ``white``, by the name of the recording, so that a video
and its labelled images have the same one. Where none is set it comes from the data, see
`napari_vitface.video.white`.
"""

from __future__ import annotations

from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.settings import own_file, read_settings
from napari_vitface.project.project_search import video_name
from napari_vitface.video.images import EightBitReader
from napari_vitface.video.white import checked_white

_KEY = "white"


def set_white(recording: Path) -> int | None:
    """The white level that its project sets for a recording; None: it comes from the data.

    Parameters
    ----------
    recording : Path
        A video in a project's ``videos``, a folder of labelled images in its ``labeled-data``, or
        such a folder on its own.
    """
    recording = recording.absolute()
    for project in (recording.parent.parent, recording):
        white = white_in(project, video_name(recording))
        if white is not None:
            return white
    return None


def white_of(recording: Path, white: int | None) -> int | None:
    """The white level that is given, or what its project sets for a recording."""
    return set_white(recording) if white is None else white


def white_in(project: Path, name: str) -> int | None:
    """The white level that the project in a folder sets for a recording."""
    if not is_file(own_file(project)):
        return None
    try:
        whites = read_settings(project).own.get(_KEY)
    except LabelError:  # opening the project says so
        return None
    white = whites.get(name) if isinstance(whites, dict) else None
    return white if type(white) is int and 1 <= white <= 65535 else None


def write_white(project: Path, name: str, white: int | None) -> None:
    """Set the white level of a recording; None: it is to come from the data.

    Raises
    ------
    LabelError
        If the project's settings cannot be read or written.
    """
    settings = read_settings(project)
    whites = settings.own.get(_KEY)
    whites = dict(whites) if isinstance(whites, dict) else {}
    if white is None:
        whites.pop(name, None)
    else:
        whites[name] = checked_white(white, name)
    settings.own[_KEY] = whites
    settings.write()


def labelled_images(white: int | None = None) -> EightBitReader:
    """A reader of labelled images: their white level is `white`, or what their project sets."""
    if white is not None:
        checked_white(white, "the labelled images")
    return EightBitReader(lambda folder: white_of(folder, white))
