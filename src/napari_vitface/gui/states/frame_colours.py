"""Colours of frames: by their label, or by their time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray

#: Of frames without a label where others have one.
NONE = "#8a8a8a"


def frame_colours(label: NDArray[np.int16], colours: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 4) red, green, blue and alpha of frames.

    Parameters
    ----------
    label : (n,) int16
        Position of each frame's label; -1 for none.
    colours : sequence of str
        ``#rrggbb`` of each label; without any, frames run from dark to bright with time.
    """
    if not colours:
        shades = ensure_colormap("viridis").map(np.linspace(0, 1, len(label)))
        return (255 * np.asarray(shades)).round().astype(np.uint8)
    table = np.array([_rgba(colour, 255) for colour in colours])
    found = np.empty((len(label), 4), np.uint8)
    found[:] = _rgba(NONE, 110)
    found[label >= 0] = table[label[label >= 0]]
    return found


def _rgba(colour: str, alpha: int) -> list[int]:
    return [*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), alpha]
