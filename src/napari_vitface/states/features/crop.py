"""The part of each frame that features are computed of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.video.scale import ImageScaler, Scale

if TYPE_CHECKING:
    from napari_vitface.video import Video

#: Columns of `Crop.placement`.
PLACEMENT = ("x", "y", "angle", "zoom")


class CropDescription(TypedDict, total=False):
    """A window on the face, as plain data for files."""

    rectangle: Required[list[int]]
    #: Of one that moves: with what of the face, and the digest of the keypoints that move it.
    follows: str
    keypoints: str


class Crop(Protocol):
    """A window on the face."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture that it gives."""
        ...

    def described(self) -> CropDescription:
        """What it is, as plain data for files."""
        ...

    def placement(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, 4): centre (x, y) in video pixels, angle in degrees, video pixels a pixel."""
        ...

    def read(
        self, video: Video, frames: Sequence[int], scales: Sequence[Scale]
    ) -> Iterator[tuple[int, tuple[NDArray[np.uint8], ...] | None]]:
        """The crop of frames at each of the scales; None for one that cannot be decoded."""
        ...


@dataclass(frozen=True)
class FixedCrop:
    """The same window in every frame.

    Attributes
    ----------
    rectangle : (x, y, w, h)
        In video pixels.
    """

    rectangle: tuple[int, int, int, int]

    @classmethod
    def of(cls, video: Video, rectangle: Sequence[int] | None = None) -> FixedCrop:
        """A window in a video; by default the whole frame.

        Raises
        ------
        VitFaceError
            It is not inside the frame.
        """
        height, width = video.shape[1], video.shape[2]
        x, y, w, h = (0, 0, width, height) if rectangle is None else map(int, rectangle)
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            raise VitFaceError(
                f"The crop {x},{y},{w},{h} (x, y, width, height) does not lie within the frames of "
                f"{video.path.name}, which are {width} x {height} pixels; give one inside them."
            )
        return cls((x, y, w, h))

    @property
    def size(self) -> tuple[int, int]:
        return self.rectangle[3], self.rectangle[2]

    def described(self) -> CropDescription:
        return {"rectangle": list(self.rectangle)}

    def placement(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        x, y, w, h = self.rectangle
        row = np.array([x + (w - 1) / 2, y + (h - 1) / 2, 0, 1], np.float32)
        return np.tile(row, (len(frames), 1))

    def read(
        self, video: Video, frames: Sequence[int], scales: Sequence[Scale]
    ) -> Iterator[tuple[int, tuple[NDArray[np.uint8], ...] | None]]:
        own = [Scale(self.rectangle, each.size, each.grey) for each in scales]
        # Where all want the same, the thread that decodes scales as well; where they want grey in
        # several sizes, it crops.
        together, grey = len(set(own)) == 1, all(each.grey for each in own)
        cropped = Scale(self.rectangle, self.size, grey=True) if grey else None
        scalers = [ImageScaler(each) for each in (scales if grey else own)]
        source = video.frames(frames, scale=own[0] if together else cropped)
        with closing(source):  # type: ignore[type-var]
            for number, image in source:
                if image is None:
                    yield number, None
                elif together:
                    yield number, (image,) * len(own)
                else:
                    white = None if grey else video.white
                    yield number, tuple(scaler(image, white=white) for scaler in scalers)
