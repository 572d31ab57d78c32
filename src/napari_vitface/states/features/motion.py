"""Motion energy: how much the pixels of the crop change from frame to frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from napari_vitface.settings.features import Motion
    from napari_vitface.states.features.extractor import Layout, Material, Pictures


def extractor(kind: Motion, material: Material) -> MotionExtractor:
    """The extractor of a crop."""
    return MotionExtractor(material.crop.size)


class MotionExtractor:
    """Mean absolute difference of a crop to the frame before, in grey levels; 0 at the first.

    As the motion energy of Facemap, which sums what is the mean here: a mean does not grow with the
    size of the crop.

    Parameters
    ----------
    size : (h, w)
    """

    columns = ("motion energy",)
    before = True

    def __init__(self, size: tuple[int, int]) -> None:
        self.scale = Scale(None, size, grey=True)
        self.about: Layout = {}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        now, before = pictures.images, pictures.before
        return mean_change(now, before)[:, None]


def mean_change(now: NDArray[Any], before: NDArray[Any]) -> NDArray[np.float32]:
    """(B,) mean absolute difference of (B, h, w) images of whole numbers without sign."""
    found = np.empty(len(now), np.float32)
    larger, smaller = np.empty((2, *now.shape[1:]), now.dtype)
    # One at a time, in the same arrays, which stay in the processor's cache.
    for number, (one, other) in enumerate(zip(now, before, strict=True)):
        # The larger less the smaller stays within the bits that there are.
        np.maximum(one, other, out=larger)
        np.minimum(one, other, out=smaller)
        np.subtract(larger, smaller, out=larger)
        found[number] = larger.sum(axis=0, dtype=np.uint32).sum() / larger.size
    return found
