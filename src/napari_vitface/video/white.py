"""The white level of recordings of more than 8 bits, whose files seldom say which value is white.

Cameras of 10, 12 and 14 bits write files of 16. Taken for 16 bits, pictures are all but black.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: Frames, spread over a recording, whose largest value tells its white level.
SAMPLES = 32


def white_level(frames: Iterable[NDArray[np.uint16]]) -> int:
    """The largest value of as many bits as the brightest of some frames needs, at least 8.

    A power of two less one, so that a part of a recording, or another recording of the camera,
    gives the same: a picture comes out at most half as bright as it could be.
    """
    top = max((int(frame.max()) for frame in frames if frame.size), default=0)
    return (1 << max(8, top.bit_length())) - 1


def spread(count: int) -> list[int]:
    """Numbers of at most `SAMPLES` of `count` frames, spread evenly."""
    chosen = np.linspace(0, count - 1, min(count, SAMPLES)).round().astype(int)
    return np.unique(chosen).tolist()
