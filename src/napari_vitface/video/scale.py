"""The one resampler of the project: from a video frame to the size and colours a model wants.

Training, prediction and attention all resample here, so that a model sees the same pixels in each.
The filter is swscale's bilinear one, which widens to a triangle over all source pixels when it
reduces (so it does not alias) and keeps pixel centres: x goes to ``(x + 0.5) * s - 0.5``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

#: Name of swscale's filter in PyAV.
FILTER = "BILINEAR"


@dataclass(frozen=True)
class Scale:
    """What a model wants of a frame: a crop, then a size without padding, then grey or RGB.

    Parameters
    ----------
    crop : (x, y, w, h) or None
        Window in video pixels, inside the frame; None takes the whole frame.
    size : (h, w)
        Size after resizing. The factors of both axes may differ.
    grey : bool
        One grey channel, else RGB.
    """

    crop: tuple[int, int, int, int] | None
    size: tuple[int, int]
    grey: bool

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ValueError(f"size must be positive, got {self.size}")
        if self.crop is not None and (min(self.crop[:2]) < 0 or min(self.crop[2:]) < 1):
            raise ValueError(f"crop must be x, y, width, height inside the frame, got {self.crop}")


def scale_image(
    image: NDArray[Any], scale: Scale, *, white: int | None = None
) -> NDArray[np.uint8]:
    """Crop, resize and convert one frame as `Video.frames` does with the same `scale`.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8 or uint16
        A grey or RGB frame.
    scale : Scale
    white : int, optional
        The value that becomes 255. Default: the largest of the dtype. Pass `Video.white` for
        frames of 10 or 12 bits that are held in 16.

    Returns
    -------
    (h, w) or (h, w, 3) array of uint8

    Raises
    ------
    ValueError
        If the image is not a frame of the kinds above, or the crop is not inside it.
    """
    return ImageScaler(scale)(image, white=white)


class ImageScaler:
    """`scale_image` for many frames: keeps the filter's tables between calls. Not thread-safe."""

    def __init__(self, scale: Scale) -> None:
        from av.video.reformatter import VideoReformatter

        self.scale = scale
        self._reformatter: VideoReformatter = VideoReformatter()

    def __call__(self, image: NDArray[Any], *, white: int | None = None) -> NDArray[np.uint8]:
        from av.video.frame import VideoFrame

        image = np.asarray(image)
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
            raise ValueError(f"a frame is (H, W) or (H, W, 3), not {image.shape}")
        if self.scale.crop is not None:
            image = cropped(image, self.scale.crop)
        image = as_uint8(image, white)
        if image.shape[:2] == self.scale.size and (image.ndim == 2) == self.scale.grey:
            return np.ascontiguousarray(image)
        layout = "gray" if image.ndim == 2 else "rgb24"
        return self.frame(VideoFrame.from_ndarray(np.ascontiguousarray(image), format=layout))

    def frame(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A whole decoded frame, straight to the size and colours; the crop is not applied."""
        height, width = self.scale.size
        return frame_to_array(
            frame, self._reformatter, "gray" if self.scale.grey else "rgb24", width, height
        )


def frame_to_array(
    frame: VideoFrame, reformatter: VideoReformatter, layout: str, width: int, height: int
) -> NDArray[Any]:
    """Convert a decoded frame to a packed full-range layout and copy it out."""
    from av.video.reformatter import ColorRange

    limited = frame.format.name.startswith("yuv") and not frame.format.name.startswith("yuvj")
    if limited and frame.color_range == ColorRange.JPEG:
        limited = False
    changed = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format=layout,
        interpolation=FILTER,
        src_color_range=ColorRange.MPEG if limited else ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return np.ascontiguousarray(changed.to_ndarray())


def cropped(image: NDArray[Any], crop: tuple[int, int, int, int]) -> NDArray[Any]:
    """The window x, y, w, h of an image; `ValueError` if it is not inside."""
    x, y, width, height = crop
    if x + width > image.shape[1] or y + height > image.shape[0]:
        raise ValueError(
            f"the crop {crop} (x, y, width, height) is not inside the frame of "
            f"{image.shape[1]} x {image.shape[0]} pixels"
        )
    return image[y : y + height, x : x + width]


def as_uint8(image: NDArray[Any], white: int | None = None) -> NDArray[np.uint8]:
    """8-bit grey levels of an unsigned image; `white` becomes 255, what is above it too."""
    if image.dtype == np.uint8 and white in (None, 255):
        return image
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a frame is uint8 or uint16, not {image.dtype}")
    white = int(np.iinfo(image.dtype).max) if white is None else white
    levels = np.arange(np.iinfo(image.dtype).max + 1, dtype=np.float64) * (255 / white)
    return np.minimum(levels + 0.5, 255).astype(np.uint8)[image]
