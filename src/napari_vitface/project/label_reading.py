"""Reading labels for training and evaluation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.formats.format import read_as
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.labelled_images import Labels, joined
from napari_vitface.project.embedded_images import kept_for, with_images


def read_labels(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Labels:
    """Read the labels of a project or of a part of it.

    Parameters
    ----------
    path : path or sequence of paths
        What `Project.open` takes: a project folder, its ``labeled-data`` folder, a
        ``labeled-data/<video>`` folder, or a table: ``CollectedData_<scorer>.csv`` or ``.h5``, or
        Lightning Pose's one for all videos. Or what another of the `FORMATS` of
        `napari_vitface.formats.format` reads. Images that its file holds itself are kept in the
        user's cache.

    Returns
    -------
    Labels
        In the order of the files (videos by name). Where a folder holds both CSV and HDF5, the
        HDF5 file counts, as it does for DeepLabCut; if the two disagree, or one cannot be read,
        `Labels.problems` says so. Frames in which points are only called hidden come after the
        others of their video. Keypoints are those of the project that a table has columns for.

    Raises
    ------
    LabelError
        If there are no labels, a table cannot be read, or the image of a label is not there.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise LabelError("No labels were named.")
    return joined([_read_one(Path(source).expanduser().absolute()) for source in paths])


def _read_one(path: Path) -> Labels:
    labels: Labels = read_as("labels", path)
    if labels.embedded:
        labels, _ = with_images(labels, kept_for(path))
    for image in labels.images:
        if not is_file(image):
            raise LabelError(
                f"The image {image} is labelled in {path} but is not there; put it back or remove "
                "its row."
            )
    return labels
