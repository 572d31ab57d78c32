"""Whether a model knows what it sees: frames in which it is sure of too few keypoints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vitface.words import counted

#: Confidence from which on a keypoint counts as sure. The model that ships is as sure of at least
#: ten of its twelve keypoints in every held-out real and drawn frame, and of at most three in
#: footage without a face as it knows them.
SURE = 0.5


def is_unsure(confidence: NDArray[np.float32]) -> NDArray[np.bool_]:
    """In which frames (N,) fewer than half of the keypoints are sure.

    Parameters
    ----------
    confidence : (N, K) array
        In [0, 1].
    """
    return np.asarray((confidence >= SURE).mean(axis=1) < 0.5, dtype=np.bool_)


def mostly_unsure(unsure: int, judged: int) -> bool:
    """Whether that is so in most frames."""
    return 2 * unsure > judged


def unsure_sentence(unsure: int, judged: int, model: str, *, searched: bool = False) -> str:
    """What is to be said then, and what may help.

    Parameters
    ----------
    searched : bool
        The face has been looked for already.
    """
    finding = "" if searched else "find the face (Find face; --crop auto), "
    return (
        f"In {unsure} of {counted(judged, 'frame')} the model {model} is sure of fewer than half "
        "of the keypoints: it may not know this view of a face, or this size. What may help: "
        f"{finding}correct some frames and fine-tune, or choose another model."
    )
