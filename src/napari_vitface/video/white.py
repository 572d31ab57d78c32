"""The white level of recordings of more than 8 bits, whose files seldom say which value is white.

Cameras of 10, 12 and 14 bits write files of 16. Taken for 16 bits, pictures are all but black.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError

#: Frames, spread over a recording, whose largest value tells its white level.
SAMPLES = 32
#: Bits a pixel that cameras have.
DEPTHS = (8, 10, 12, 14, 16)


def checked_white(white: int, what: str) -> int:
    """A white level that was given for something; `VideoError` if it can be none."""
    if not 1 <= white <= 65535:
        raise VideoError(f"The white level of {what} must be from 1 to 65535, not {white}.")
    return white


def white_level(frames: Iterable[NDArray[np.uint16]]) -> int:
    """The largest value of the least of `DEPTHS` that holds the brightest value of some frames.

    Not the brightest value itself, and not any number of bits: a few labelled frames of a recording
    are seldom its brightest, and have to be as bright to a model as the recording is. They are,
    unless they hold less than a quarter of its range.
    """
    top = max((int(frame.max()) for frame in frames if frame.size), default=0)
    return next(white for bits in DEPTHS if top <= (white := (1 << bits) - 1))


def spread(count: int) -> list[int]:
    """Numbers of at most `SAMPLES` of `count` frames, spread evenly."""
    chosen = np.linspace(0, count - 1, min(count, SAMPLES)).round().astype(int)
    return np.unique(chosen).tolist()
