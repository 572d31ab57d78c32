"""What says nothing of an expression, and may tell states apart all the same.

A classifier that is no better than these has learned the light, the stimulus or the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.features.crop import PLACEMENT
from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from napari_vitface.settings.features import Brightness, Position, Time
    from napari_vitface.states.features.crop import Crop
    from napari_vitface.states.features.extractor import Layout, Material, Pictures


def brightness(kind: Brightness, material: Material) -> BrightnessExtractor:
    """The extractor of a crop."""
    return BrightnessExtractor(material.crop.size)


class BrightnessExtractor:
    """Mean grey level of a crop of `size` (h, w)."""

    columns = ("brightness",)
    before = False

    def __init__(self, size: tuple[int, int]) -> None:
        self.scale = Scale(None, size, grey=True)
        self.about: Layout = {}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        return pictures.images.mean(axis=(1, 2), dtype=np.float32)[:, None]


def position(kind: Position, material: Material) -> PositionExtractor:
    """The extractor of a crop."""
    return PositionExtractor(material.crop)


class PositionExtractor:
    """Where a crop lies; the same in every frame if it does not follow the face."""

    columns = PLACEMENT
    scale = None
    before = False

    def __init__(self, crop: Crop) -> None:
        self._crop = crop
        self.about: Layout = {}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        return self._crop.placement(pictures.frames)


def time(kind: Time, material: Material) -> TimeExtractor:
    """The extractor of a video."""
    return TimeExtractor(material.video.times)


class TimeExtractor:
    """Presentation times (T,) in seconds from the first frame of the video."""

    columns = ("time",)
    scale = None
    before = False

    def __init__(self, times: NDArray[np.float64]) -> None:
        self._times = times
        self.about: Layout = {}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        return self._times[pictures.frames].astype(np.float32)[:, None]
