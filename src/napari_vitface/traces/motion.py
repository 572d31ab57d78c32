"""Motion energy of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.features.motion import mean_change
from napari_vitface.traces.measure import (
    WHOLE,
    Column,
    Kept,
    MeasureOfFrames,
    Rectangle,
    TraceMaterial,
    within,
)
from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from napari_vitface.settings.traces import Motion
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.states.features.extractor import Extractor, Layout, Pictures
    from napari_vitface.video import Video


def energy(kind: Motion, material: TraceMaterial) -> MotionEnergy:
    """The measure of a video's regions."""
    return MotionEnergy(material, kind.bin)


class MotionEnergy(MeasureOfFrames):
    """Mean absolute change of each region since the frame before, of pixels averaged in squares.

    Facemap (Stringer et al. 2019, doi:10.1126/science.aav7893; Syeda et al. 2024,
    doi:10.1038/s41593-023-01490-6) sums what is the mean here: a mean does not grow with a region.
    """

    def __init__(self, material: TraceMaterial, size: int) -> None:
        self.rectangles = whole_bins(material, size)
        self.columns = [Column(f"motion energy {name}", "grey levels") for name in material.regions]
        self._bin = size
        self._first = material.frames.start == 0

    def extractor(self, window: FixedCrop) -> Extractor:
        places = tuple(within(window, each) for each in self.rectangles)
        return _Energies(places, self._bin, window.size)

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        values = kept.read(start, stop)
        if start == 0 and self._first:
            # Nobody knows what was before.
            values[0] = np.nan
        return values


class _Energies:
    before = True

    def __init__(
        self, places: Sequence[tuple[slice, slice]], size: int, window: tuple[int, int]
    ) -> None:
        self.scale: Scale | None = Scale(None, window, grey=True)
        self.columns = tuple(str(number) for number in range(len(places)))
        self.about: Layout = {}
        self._places, self._bin = places, size

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        now, before = pictures.images, pictures.before
        changes = [
            mean_change(*(sums(images[:, rows, columns], self._bin) for images in (now, before)))
            for rows, columns in self._places
        ]
        return np.stack(changes, axis=1) / np.float32(self._bin**2)


@dataclass(frozen=True)
class BinnedPixels:
    """An extractor: the sums of squares of pixels of regions, one region after the other.

    Attributes
    ----------
    rectangles : tuple of Rectangle
        Of the video.
    bin : int
        Side of the squares.
    window : FixedCrop
        What the pictures show.
    """

    rectangles: tuple[Rectangle, ...]
    bin: int
    window: FixedCrop

    before = False

    @property
    def scale(self) -> Scale:
        return Scale(None, self.window.size, grey=True)

    @property
    def columns(self) -> tuple[str, ...]:
        count = sum(w * h for _, _, w, h in self.rectangles) // self.bin**2
        return tuple(map(str, range(count)))

    @property
    def about(self) -> dict[str, object]:
        # 16 x 16 x 255 is below 65535.
        return {"stored": "uint16"}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        images = pictures.images
        parts = [
            sums(images[:, rows, columns], self.bin).reshape(len(images), -1)
            for rows, columns in (within(self.window, each) for each in self.rectangles)
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)


def sums(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(B, h // size, w // size) sums of squares of pixels of (B, h, w) images."""
    if size == 1:
        return images
    # Whole rows first: these are next to each other in memory.
    rows = images[:, ::size].astype(np.uint16)
    for offset in range(1, size):
        rows += images[:, offset::size]
    found = rows[:, :, ::size].copy()
    for offset in range(1, size):
        found += rows[:, :, offset::size]
    return found


def whole_bins(material: TraceMaterial, size: int) -> tuple[Rectangle, ...]:
    """The regions without the pixels at right and below that fill no square.

    Raises
    ------
    VitFaceError
        A region is smaller than a square.
    """
    found = []
    for name, (x, y, w, h) in material.regions.items():
        if min(w, h) < size:
            raise VitFaceError(
                f"The region {name} of {w} x {h} pixels is smaller than a bin of {size} x {size}; "
                "take smaller bins (--bin) or a larger region."
            )
        found.append((x, y, w // size * size, h // size * size))
    return tuple(found)


def regions_of(video: Video, regions: Mapping[str, Rectangle] | None) -> Mapping[str, Rectangle]:
    """The named regions; the whole frame where there are none."""
    return regions or {WHOLE: (0, 0, video.shape[2], video.shape[1])}
