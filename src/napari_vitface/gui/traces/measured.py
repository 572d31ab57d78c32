"""A table of traces of an open video, as the window shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measured:
    """A table of traces of an open video, as far as it is shown.

    Attributes
    ----------
    path : Path
    components : Path or None
        The file of spatial components beside it, if there is one.
    names : tuple of str
        All of its traces.
    pupil : mapping of str to (T,) float32
        The traces of the pupil for each frame of the video, without "pupil" in their names; empty
        where none was measured.
    """

    path: Path
    components: Path | None
    names: tuple[str, ...]
    pupil: Mapping[str, NDArray[np.float32]]


#: What is shown of a video of which nothing was measured: it has no names.
NOTHING = Measured(Path(), None, (), {})
