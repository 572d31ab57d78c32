"""How the decoded frames of one video become arrays: size, colours, depth and rotation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.video.scale import ImageScaler, Scale, frame_to_array

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.video.frame import VideoFrame

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
    """

    width: int
    height: int
    turns: int
    mirrored: bool
    colour: bool
    depth: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3), upright."""
        size = (self.width, self.height) if self.turns % 2 else (self.height, self.width)
        return (*size, 3) if self.colour else size

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)

    @property
    def white(self) -> int:
        """The value of the brightest white."""
        return (1 << self.depth) - 1

    @property
    def layout(self) -> str:
        """FFmpeg's name of the pixel format of the arrays."""
        if self.depth == 8:
            return "rgb24" if self.colour else "gray"
        return "rgb48le" if self.colour else "gray16le"


def describe(frames: Iterable[VideoFrame]) -> Picture:
    """Choose size, colours and depth from some decoded frames of a video, the first one first.

    Grey recordings are often stored as colour; they are read as grey if all these frames are.
    """
    samples = list(frames)
    first = samples[0]
    depth = max(component.bits for component in first.format.components)
    grey_format = first.format.name.startswith(("gray", "mono", "ya"))
    colour = not grey_format and not all(_is_neutral(frame) for frame in samples)
    if not grey_format and depth > 8:
        depth = 16  # swscale spreads colours over all 16 bits
    turns, mirrored = orientation(first)
    return Picture(first.width, first.height, turns, mirrored, colour, max(8, depth))


def _is_neutral(frame: VideoFrame) -> bool:
    """Whether a colour frame shows only greys, judged by its colour planes."""
    if not frame.format.name.startswith("yuv") or len(frame.planes) != 3:
        return False
    depth = frame.format.components[0].bits
    kind = np.dtype(np.uint8 if depth == 8 else ">u2" if frame.format.is_big_endian else "<u2")
    middle, tolerance = 1 << (depth - 1), NEUTRAL << (depth - 8)
    for plane in (frame.planes[1], frame.planes[2]):
        values = np.frombuffer(plane, dtype=kind)  # type: ignore[call-overload]
        values = values.reshape(plane.height, -1)[:, : plane.width]
        if int(values.max()) > middle + tolerance or int(values.min()) < middle - tolerance:
            return False
    return True


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns anticlockwise, then mirroring, that set a frame upright.

    From the display matrix; angles that are no quarter turns are taken to the nearest one.
    """
    stored: Any = frame.side_data
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
    """Turns decoded frames into arrays. Keeps the filter's tables; not thread-safe."""

    def __init__(self, picture: Picture, scale: Scale | None = None) -> None:
        from av.video.reformatter import VideoReformatter

        self.picture = picture
        self._reformatter = VideoReformatter()
        self._scaler = None if scale is None else ImageScaler(scale)
        # One pass of swscale, where nothing has to be done between decoding and resizing.
        self._direct = (
            scale is not None
            and scale.crop is None
            and picture.depth == 8
            and picture.turns == 0
            and not picture.mirrored
            and (picture.colour or scale.grey)
        )

    def __call__(self, frame: VideoFrame) -> NDArray[Any]:
        if self._scaler is None:
            return self.upright(frame)
        if self._direct:
            return self._scaler.frame(frame)
        return self._scaler(self.upright(frame), white=self.picture.white)

    def upright(self, frame: VideoFrame) -> NDArray[Any]:
        """The frame as `Video` gives it."""
        picture = self.picture
        if 8 < picture.depth < 16 and not picture.colour and frame.format.name.startswith("gray"):
            image = _raw_grey(frame)
        else:
            image = frame_to_array(
                frame, self._reformatter, picture.layout, picture.width, picture.height
            )
        if picture.turns:
            image = np.rot90(image, picture.turns)
        if picture.mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)


def _raw_grey(frame: VideoFrame) -> NDArray[np.uint16]:
    """Values of 9 to 14 bits as they are stored, which swscale would spread over 16."""
    plane = frame.planes[0]
    kind = ">u2" if frame.format.is_big_endian else "<u2"
    values = np.frombuffer(plane, dtype=kind)  # type: ignore[call-overload]
    return values.reshape(plane.height, -1)[:, : plane.width].astype(np.uint16)
