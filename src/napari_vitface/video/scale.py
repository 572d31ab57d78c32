"""The one resampler of the project: from a video frame to the size and colours a model wants.

Training, prediction and attention all resample here, so that a model sees the same pixels in each.
The filter is swscale's bilinear one, which widens to a triangle over all source pixels when it
reduces (so it does not alias) and keeps pixel centres: x goes to ``(x + 0.5) * s - 0.5``. It always
works on the finished grey or RGB frame; letting it convert colours in the same pass is faster but
gives other pixels (it drops half of the colour samples).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: swscale's SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT: without accurate rounding, filters of
#: more than a few rows lose whole grey levels; exact bits are the same on every processor. The
#: number itself, because PyAV before 18 has no names for the last two.
FILTER = 2 | 0x40000 | 0x80000


def one_thread() -> dict[str, int]:
    """Arguments of `VideoReformatter.reformat` that keep it on the calling thread.

    PyAV 17 and later start a thread for each processor, which takes longer than converting a frame.
    """
    import av

    return {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


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
    """Crop, resize and convert one frame exactly as `Video.frames` does with the same `scale`.

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


def scaled_images(
    read: Callable[[int], NDArray[Any] | None],
    frames: Iterable[int],
    scale: Scale | None,
    white: int,
) -> Iterator[tuple[int, NDArray[Any] | None]]:
    """Frames with their images, scaled if that is asked for; None where there is no image."""
    scaler = partial(ImageScaler(scale), white=white) if scale is not None else np.asarray
    for frame in frames:
        image = read(frame)
        yield frame, image if image is None else scaler(image)


class ImageScaler:
    """`scale_image` for many frames: keeps the filter's tables between calls. Not thread-safe."""

    def __init__(self, scale: Scale) -> None:
        from av.video.reformatter import VideoReformatter

        self.scale = scale
        self._reformatter = VideoReformatter()
        self._one_thread = one_thread()

    def __call__(self, image: NDArray[Any], *, white: int | None = None) -> NDArray[np.uint8]:
        image = np.asarray(image)
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
            raise ValueError(f"a frame is (H, W) or (H, W, 3), not {image.shape}")
        if self.scale.crop is not None:
            image = cropped(image, self.scale.crop)
        image = as_uint8(image, white)
        if image.ndim == 2:
            grey = self._resized(image)
            return grey if self.scale.grey else np.repeat(grey[..., None], 3, axis=2)
        if self.scale.grey:
            return self._resized(luma(image))
        # Plane by plane: swscale takes packed RGB through YUV and back, and loses a level by it.
        return np.stack([self._resized(image[..., channel]) for channel in range(3)], axis=-1)

    def _resized(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from av.video.frame import VideoFrame

        plane = np.ascontiguousarray(plane)
        if plane.shape == self.scale.size:
            return plane
        return self.resized_frame(VideoFrame.from_ndarray(plane, format="gray"))

    def resized_frame(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The same for a frame of FFmpeg's format ``gray``, without crop."""
        height, width = self.scale.size
        if (frame.height, frame.width) != (height, width):
            frame = self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="gray",
                interpolation=FILTER,
                **self._one_thread,
            )
        return np.ascontiguousarray(frame.to_ndarray())


def luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of an (H, W, 3) RGB image: the weights of BT.601, as cameras and FFmpeg use."""
    red, green, blue = (image[..., channel].astype(np.uint32) for channel in range(3))
    # In 1/65536; the weights add up to 65536, so grey keeps its value.
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)


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
    """8-bit grey levels of an unsigned image; `white` becomes 255, and so does what is above."""
    if image.dtype == np.uint8 and white in (None, 255):
        return image
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a frame is uint8 or uint16, not {image.dtype}")
    top = int(np.iinfo(image.dtype).max)
    levels = np.arange(top + 1, dtype=np.float64) * (255 / (top if white is None else white))
    return np.minimum(levels + 0.5, 255).astype(np.uint8)[image]
