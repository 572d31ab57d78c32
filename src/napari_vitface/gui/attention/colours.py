"""Colour maps for attention, under which the video shows."""

from __future__ import annotations

import numpy as np
from napari.utils import Colormap

#: Names of the colour maps offered for attention; each fades out towards no attention.
ATTENTION_COLOURS = ("inferno", "viridis", "turbo", "magma", "red")


def attention_colormap(name: str) -> Colormap:
    """A napari colour map whose low end is transparent, so that the video shows through."""
    from napari.utils.colormaps import ensure_colormap

    source = ensure_colormap(name)
    levels = np.linspace(0.0, 1.0, 64)
    colours = np.asarray(source.map(levels), dtype=np.float32).copy()
    colours[:, 3] = np.clip(levels * 1.6, 0.0, 1.0)
    return Colormap(colours, name=f"attention {name}", display_name=name)
