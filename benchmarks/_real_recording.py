"""The labelled recording of real frames, and what of it a model has not learnt from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napari_vitface.formats.labelled_images import Labels
from napari_vitface.model.checkpoint import find_model
from napari_vitface.model.header import read_metadata
from napari_vitface.model.metadata import held_out_frames
from napari_vitface.project.label_reading import read_labels

#: Frames whose labels `audit` found to be mistakes (see docs/choosing-frames.md).
MISTAKES = (68, 2997, 3575, 5379, 6677, 7197, 8629)

#: Where the real recordings are, and the labelled one of them.
DATA = Path(os.environ.get("VITFACE_DATA", Path(__file__).parents[2] / "shared" / "data"))
FOLDER = DATA / "mouse_face"


def frames_held_out(model: str) -> list[int]:
    """The frames of the recording that the model's training kept apart."""
    training = read_metadata(find_model(model))["training"]
    return [frame for part in held_out_frames(training) for frame in part["frames"]]


def held_out_labels(model: str) -> Labels:
    """Their labels, without those that are mistakes."""
    labels = read_labels(FOLDER)
    rows = np.isin(labels.frames, frames_held_out(model)) & ~np.isin(labels.frames, MISTAKES)
    return labels.take(np.flatnonzero(rows))
