"""Images that a file of labels holds itself, put into files for what reads images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.user_folders import cache_folder

IMAGES = "labeled-data"


def with_images(labels: Labels, folder: Path) -> tuple[Labels, int]:
    """Labels whose images are files: those that only their own file holds are put into a folder.

    They go to ``<folder>/labeled-data/<video>``. An image that is there is never written over.
    Gives the number of those written, too.

    Raises
    ------
    LabelError
        One cannot be written.
    """
    images, written = list(labels.images), 0
    for row, (image, video) in enumerate(zip(labels.images, labels.videos, strict=True)):
        if image not in labels.embedded or is_file(image):
            continue
        images[row] = place = folder / IMAGES / str(video) / image.name
        if is_file(place):
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(place) as temporary:
                temporary.write_bytes(labels.embedded[image]())
        except OSError as error:
            raise LabelError(
                f"{place} could not be written ({error.strerror or error})."
            ) from error
        written += 1
    return replace(labels, images=tuple(images)), written


def kept_for(path: Path) -> Path:
    """The folder of the cache for the images of a file of labels; another when it changes."""
    status = path.stat()
    text = f"{path.absolute()} {status.st_size} {status.st_mtime_ns}"
    return cache_folder() / "labels" / hashlib.sha256(text.encode()).hexdigest()[:32]
