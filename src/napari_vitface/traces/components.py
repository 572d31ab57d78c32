"""Components of motion and of the movie: singular vectors of the pixels of regions.

What is done is what Facemap does (Stringer et al. 2019, doi:10.1126/science.aav7893, and Syeda et
al. 2024, doi:10.1038/s41593-023-01490-6), found from the same frames of a recording: the mean is
that of ten stretches of 100 frames; up to 15 stretches of 1000 frames give 250 vectors each, and
these together the components, onto which each frame is projected. Before vectors are found, each
frame's mean over the region is taken from it, so that they do not follow the light.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.steps import Steps
from napari_vitface.traces.measure import (
    Column,
    Components,
    Kept,
    Rectangle,
    TraceMaterial,
)
from napari_vitface.traces.motion import BinnedPixels, whole_bins
from napari_vitface.traces.svd import RunningSvd

if TYPE_CHECKING:
    from napari_vitface.settings.traces import SvdKind
    from napari_vitface.states.features.crop import FixedCrop

_MEAN_STRETCH, _MEAN_FRAMES = 100, 1000
_STRETCH, _FRAMES, _OF_STRETCH = 1000, 15000, 250


def motion(kind: SvdKind, material: TraceMaterial) -> RegionComponents:
    """The measure of the absolute change of pixels."""
    return RegionComponents("motion", kind, material)


def movie(kind: SvdKind, material: TraceMaterial) -> RegionComponents:
    """The measure of pixels."""
    return RegionComponents("movie", kind, material)


class RegionComponents:
    """Components of each region, and how much of each is in every frame."""

    def __init__(
        self, of: Literal["motion", "movie"], kind: SvdKind, material: TraceMaterial
    ) -> None:
        self.rectangles = whole_bins(material, kind.bin)
        self.columns: list[Column] = []
        self.components: list[Components] = []
        self.notices: list[str] = []
        self._of = of
        self._kind = kind
        self._material = material

    def extractor(self, window: FixedCrop) -> BinnedPixels:
        return BinnedPixels(tuple(self.rectangles), self._kind.bin, window)

    def prepare(self, kept: Kept) -> Steps[None]:
        means = self._means(kept)
        starts = stretches(kept.count, _STRETCH, _FRAMES, last=1)
        count = self._kind.components
        of_stretch = _OF_STRETCH if len(starts) > 1 else count
        found = [RunningSvd(of_stretch, count) for _ in self.rectangles]
        empty = True
        for number, start in enumerate(starts):
            yield f"Finding components of {self._of} ({number + 1} of {len(starts)})"
            images = self._seen(kept, start + 1, min(start + _STRETCH, kept.count))
            images = images[np.isfinite(images[:, 0])]
            empty = empty and not len(images)
            for svd, mean, (left, right) in zip(found, means, self._places(), strict=True):
                part = images[:, left:right] - mean
                part -= part.mean(axis=1, keepdims=True)
                if len(part):
                    svd.add(part.T)
        if empty:
            raise VitFaceError(
                f"{self._material.video.path.name} has no two frames in a row that can be decoded, "
                f"so there are no components of {self._of}."
            )
        yield f"Joining components of {self._of}"
        regions = zip(self._material.regions, self.rectangles, found, means, strict=True)
        for name, rectangle, svd, mean in regions:
            self._keep(name, rectangle, *svd.finish(), mean)

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        images = self._seen(kept, start, stop)
        parts = []
        for each, (left, right) in zip(self.components, self._places(), strict=True):
            masks = each.masks.reshape(len(each.masks), -1)
            parts.append((images[:, left:right] - each.mean.ravel()) @ masks.T)
        return np.concatenate(parts, axis=1)

    def _keep(
        self,
        name: str,
        rectangle: Rectangle,
        vectors: NDArray[np.float32],
        values: NDArray[np.float32],
        mean: NDArray[np.float32],
    ) -> None:
        size = rectangle[3] // self._kind.bin, rectangle[2] // self._kind.bin
        masks = np.ascontiguousarray(vectors.T).reshape(-1, *size)
        self.components.append(
            Components(self._of, name, rectangle, masks, values, mean.reshape(size), self._kind.bin)
        )
        self.columns += [
            Column(f"{self._of} {name} {number}", "grey levels")
            for number in range(1, len(masks) + 1)
        ]

    def _places(self) -> Iterator[tuple[int, int]]:
        """Where each region's pixels stand in a row."""
        start = 0
        for _, _, w, h in self.rectangles:
            stop = start + w * h // self._kind.bin**2
            yield start, stop
            start = stop

    def _means(self, kept: Kept) -> list[NDArray[np.float32]]:
        of_stretches = []
        for start in stretches(kept.count, _MEAN_STRETCH, _MEAN_FRAMES):
            stop = min(start + _MEAN_STRETCH, kept.count)
            # A change belongs to the stretch that has both of its frames.
            images = self._seen(kept, start + (self._of == "motion"), stop)
            images = images[np.isfinite(images[:, 0])]
            if len(images):
                of_stretches.append(images.mean(axis=0, dtype=np.float64))
        zeros = np.zeros(sum(stop - start for start, stop in self._places()))
        mean = np.mean(of_stretches or [zeros], axis=0).astype(np.float32)
        return [mean[left:right] for left, right in self._places()]

    def _seen(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        """(N, pixels) of frames, in grey levels; NaN where nothing is known."""
        shrink = np.float32(1 / self._kind.bin**2)
        if self._of == "movie":
            return kept.read(start, stop) * shrink
        first = max(start - 1, 0)
        change = np.abs(np.diff(kept.read(first, stop), axis=0)) * shrink
        if start == 0:
            missing = np.full((min(stop, 1), change.shape[1]), np.nan, np.float32)
            change = np.concatenate([missing, change])
        return change


def stretches(count: int, length: int, frames: int, last: int = 0) -> list[int]:
    """Where stretches of a recording begin that are spread evenly over it.

    Parameters
    ----------
    count : int
        Frames of the recording.
    length : int
        Frames of a stretch.
    frames : int
        Of all stretches together, at most.
    last : int
        Frames behind the last stretch.
    """
    length = min(length, count)
    number = min(frames, count) // length
    starts = np.linspace(0, max(count - length - last, 0), number)
    return [int(start) for start in starts]
