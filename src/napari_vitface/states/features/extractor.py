"""What computes a kind of feature, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_vitface.states.features.crop import Crop
from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.video import Video


#: How something was computed, beside the settings: numbers and texts, as JSON has them.
Layout = dict[str, int | float | str | list[int] | list[str]]


@dataclass(frozen=True)
class Material:
    """What features of a video are made of.

    Attributes
    ----------
    video : Video
    crop : Crop
    poses : PoseTable, optional
        A row for each frame of the video.
    model : KeypointModel, optional
    """

    video: Video
    crop: Crop
    poses: PoseTable | None = None
    model: KeypointModel | None = None


@dataclass(frozen=True)
class Pictures:
    """Some frames in order, those that can be decoded.

    Attributes
    ----------
    frames : (B,) int64
    images : (B, h, w) or (B, h, w, 3) uint8
        The crop at the extractor's scale; (B, 0, 0) if it asks for none.
    before : as `images`
        The frames before these in the video; before the first one stands itself. None, (0, h, w),
        if the extractor does not ask for them.
    """

    frames: NDArray[np.int64]
    images: NDArray[np.uint8]
    before: NDArray[np.uint8]


class Extractor(Protocol):
    """Computes one kind of feature of one video.

    A `FeatureKind` names the function that makes it: ``function(kind, material)``.

    Attributes
    ----------
    columns : tuple of str
        Names of the D numbers of a frame.
    scale : Scale or None
        How it wants the crop; None if it looks at no picture.
    before : bool
        Whether it wants the frame before as well.
    about : Layout
        How it computes: what is kept in files and must be the same for two videos to be compared.
    """

    columns: tuple[str, ...]
    scale: Scale | None
    before: bool
    about: Layout

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        """(B, D) of B frames."""
        ...
