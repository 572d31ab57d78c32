"""How the decoded frames of one video become arrays: size, colours, depth and rotation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.video.scale import ImageScaler, Scale, one_thread
from napari_vitface.video.white import white_level

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

#: Chroma this near to neutral cannot be seen; lossy codecs leave no more of a grey camera's.
NEUTRAL = 2


@dataclass(frozen=True)
class Picture:
    """What the frames of a video look like as arrays.

    Attributes
    ----------
    width, height : int
        As coded, before rotation.
    turns : int
        Quarter turns anticlockwise that set the frame upright (the file's display matrix).
    mirrored : bool
        Whether the upright frame is then flipped left to right.
    colour : bool
    depth : int
        Significant bits of a value: 8 gives uint8, more gives uint16.
    white : int
        The value of the brightest white.
    """

    width: int
    height: int
    turns: int
    mirrored: bool
    colour: bool
    depth: int
    white: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3), upright."""
        size = (self.width, self.height) if self.turns % 2 else (self.height, self.width)
        return (*size, 3) if self.colour else size

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)

    @property
    def layout(self) -> str:
        """FFmpeg's name of the pixel format of the arrays."""
        if self.depth == 8:
            return "rgb24" if self.colour else "gray"
        return "rgb48le" if self.colour else "gray16le"


def describe(frames: Iterable[VideoFrame], white: int | None = None) -> Picture:
    """Choose size, colours and depth from some decoded frames of a video, the first one first.

    Grey of 16 bits is white where the brightest of these frames needs it, unless `white` says.

    Grey recordings are often stored as colour; they are read as grey if all these frames are. No
    more frames are taken than it needs.
    """
    samples = iter(frames)
    first = next(samples)
    depth = min(16, max(component.bits for component in first.format.components))
    grey_format = not _is_yuv(first) and not _is_rgb(first)
    colour = not grey_format and not all(_is_neutral(frame) for frame in chain([first], samples))
    if not grey_format and depth > 8:
        depth = 16  # swscale spreads colours over all 16 bits
    turns, mirrored = orientation(first)
    depth = max(8, depth)
    if white is None or depth == 8:
        white = (1 << depth) - 1
        if grey_format and depth == 16:
            white = white_level(_plane(frame) for frame in chain([first], samples))
    return Picture(first.width, first.height, turns, mirrored, colour, depth, white)


def _is_neutral(frame: VideoFrame) -> bool:
    """Whether a frame shows only greys, judged by its chroma, whatever it is stored as."""
    from av.error import FFmpegError

    try:
        # Chroma is repeated, not interpolated: that could overshoot.
        chroma = frame.reformat(format="yuv444p", interpolation="POINT")
    except (FFmpegError, ValueError):
        return False
    # Five bits a colour cannot say grey more exactly.
    bits = min(component.bits for component in frame.format.components if not component.is_alpha)
    tolerance = NEUTRAL << max(0, 8 - bits)
    planes = (_values(plane, np.dtype(np.uint8)) for plane in chroma.planes[1:3])
    return all(
        int(values.min()) >= 128 - tolerance and int(values.max()) <= 128 + tolerance
        for values in planes
    )


def _is_rgb(frame: VideoFrame) -> bool:
    """Whether red, green and blue are stored, or a palette of them."""
    return bool(frame.format.is_rgb or frame.format.has_palette)


def _is_yuv(frame: VideoFrame) -> bool:
    """Whether luma and chroma are stored, in planes or packed."""
    stored = [component for component in frame.format.components if not component.is_alpha]
    return len(stored) >= 3 and not _is_rgb(frame)


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns anticlockwise, then mirroring, that set a frame upright.

    From the display matrix; angles that are no quarter turns are taken to the nearest one.
    """
    from av.sidedata.sidedata import SideDataContainer

    # Not `frame.side_data`, which the frame keeps and which keeps the frame: pixels and threads of
    # every opened video would stay until Python looks for such circles.
    stored: Any = SideDataContainer(frame)  # type: ignore[call-arg]
    for side_data in (stored[i] for i in range(len(stored))):
        if side_data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side_data), dtype=np.int32)[:5].tolist()
            mirrored = a * d - b * c < 0
            if mirrored:
                a = -a
            # The matrix maps (x, y), y down, to (a x + c y, b x + d y): clockwise by atan2(b, a).
            turns = -round(math.degrees(math.atan2(b, a)) / 90) % 4
            return turns, mirrored
    return 0, False


class PictureConverter:
    """Turns decoded frames into arrays, whole or scaled. Keeps filter tables; not thread-safe."""

    def __init__(self, picture: Picture, scale: Scale | None = None) -> None:
        from av.video.reformatter import VideoReformatter

        self.picture = picture
        self._reformatter = VideoReformatter()
        self._one_thread = one_thread()
        self._scaler = None if scale is None else ImageScaler(scale)
        # Grey frames that need no crop, turn or depth go from one filter to the next as they are.
        self._direct = (
            scale is not None
            and scale.crop is None
            and scale.grey
            and picture.layout == "gray"
            and picture.turns == 0
            and not picture.mirrored
        )

    def __call__(self, frame: VideoFrame) -> NDArray[Any]:
        if self._scaler is None:
            return self.upright(frame)
        if self._direct and not self._is_stored_so(frame) and not _is_rgb(frame):
            return self._scaler.resized_frame(self._converted(frame))
        return self._scaler(self.upright(frame), white=self.picture.white)

    def upright(self, frame: VideoFrame) -> NDArray[Any]:
        """The frame as `Video` gives it."""
        picture = self.picture
        stored = self._is_stored_so(frame)
        image = _plane(frame) if stored else self._converted(frame).to_ndarray()
        if image.ndim == 3 and not picture.colour:
            image = image[..., 1]
        if picture.turns:
            image = np.rot90(image, picture.turns)
        if picture.mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)

    def _is_stored_so(self, frame: VideoFrame) -> bool:
        """Whether the first plane of the frame already is the picture."""
        picture = self.picture
        if picture.colour or (frame.width, frame.height) != (picture.width, picture.height):
            return False
        if not frame.format.name.startswith(("gray", "yuv")) or not _is_full_range(frame):
            return False
        return frame.format.components[0].bits == picture.depth

    def _layout(self, frame: VideoFrame) -> str:
        """FFmpeg's name of the format to convert to.

        A grey picture stored as colours goes by one of them, because luma would be rounded.
        """
        if _is_rgb(frame) and not self.picture.colour:
            return "rgb24" if self.picture.depth == 8 else "rgb48le"
        return self.picture.layout

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        """In the layout of the arrays, with the full range of values.

        A stream that changes its size on the way is brought back to the size that it began with.
        """
        from av.video.reformatter import ColorRange

        return self._reformatter.reformat(
            frame,
            width=self.picture.width,
            height=self.picture.height,
            format=self._layout(frame),
            interpolation="BILINEAR",
            # Naming the target's range too would make PyAV before 17 ignore both.
            src_color_range=ColorRange.JPEG if _is_full_range(frame) else ColorRange.MPEG,
            **self._one_thread,
        )


def _is_full_range(frame: VideoFrame) -> bool:
    """Whether black is 0 and white the largest value, rather than 16 and 235 of 255."""
    from av.video.reformatter import ColorRange

    if not _is_yuv(frame) or frame.format.name.startswith("yuvj"):
        return True
    return bool(frame.color_range == ColorRange.JPEG)


def _plane(frame: VideoFrame) -> NDArray[Any]:
    """A copy of the grey values of a frame, as they are stored."""
    values = _values(frame.planes[0], _stored_dtype(frame))
    return values.astype(values.dtype.newbyteorder("="))


def _values(plane: VideoPlane, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A plane without the padding of its lines."""
    values = np.frombuffer(plane, dtype=dtype)  # type: ignore[call-overload]
    return values.reshape(plane.height, -1)[:, : plane.width]


def _stored_dtype(frame: VideoFrame) -> np.dtype[Any]:
    if frame.format.components[0].bits == 8:
        return np.dtype(np.uint8)
    return np.dtype(">u2" if frame.format.is_big_endian else "<u2")
