"""Writing video: frames in, one complete file out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VideoError
from napari_vitface.video.packets import file_address, keep_ffmpeg_silent

#: Encoders for a codec name, the first that FFmpeg has.
ENCODERS = {
    "h264": ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4"),
    "hevc": ("libx265", "hevc_videotoolbox", "hevc_mf"),
    "vp9": ("libvpx-vp9",),
    "vp8": ("libvpx",),
    "av1": ("libsvtav1", "libaom-av1"),
}

#: Ticks a second for frames that come at times of their own: the usual frame rates divide it, and
#: MPEG-4, which has room for 16 bits, takes it.
TICKS = 60_000


class VideoWriter:
    """Encode frames into a video file, which appears under its name only when it is complete.

    Use as a context manager: leaving the block normally finishes the file, an error in the block
    leaves whatever was there before.

    Parameters
    ----------
    path : path
        The suffix chooses the container.
    size : (H, W)
        Of the frames. Odd sizes are padded by repeating the last row or column where the pixel
        format needs even ones, so coordinates stay what they are.
    frame_rate : float or None
        Frames per second; None for frames that are written with times of their own.
    codec : str
        ``"h264"`` or another of `ENCODERS`, or FFmpeg's name of an encoder.
    pixel_format : str
        FFmpeg's name of the stored pixel format; ``yuv420p`` plays everywhere.
    options : mapping of str to str, optional
        Options of the encoder and, of those that it does not know, of the container.
    keyframe_interval : int, optional
        Longest distance between two key frames.

    Raises
    ------
    VideoError
        If the file cannot be written or the codec does not exist or does not fit the container.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        frame_rate: float | None,
        *,
        codec: str = "h264",
        pixel_format: str = "yuv420p",
        options: Mapping[str, str] | None = None,
        keyframe_interval: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.size = size
        self._exit = ExitStack()
        self._reformatter = VideoReformatter()
        self._count = 0
        try:
            self._temporary = self._exit.enter_context(atomic_write(self.path))
            keep_ffmpeg_silent()
            self._container = av.open(file_address(self._temporary), "w")
            rate = Fraction(30 if frame_rate is None else frame_rate).limit_denominator(1001)
            self._tick = Fraction(1, TICKS) if frame_rate is None else 1 / rate
            self._stream = cast(VideoStream, self._container.add_stream(_encoder(codec), rate=rate))
            even = "420" in pixel_format or "422" in pixel_format
            height, width = size
            self._stream.width = width + width % 2 if even else width
            self._stream.height = height + height % 2 if even else height
            self._stream.pix_fmt = pixel_format
            self._stream.codec_context.thread_type = "AUTO"
            if keyframe_interval is not None:
                self._stream.codec_context.gop_size = keyframe_interval
            if options:
                self._stream.codec_context.options = dict(options)
            self._stream.codec_context.time_base = self._tick
            self._timed = frame_rate is None
        except (FFmpegError, OSError, ValueError) as error:
            self._abandon(error)
            raise VideoError(f"{self.path} cannot be written as video: {error}.") from error

    def write(self, frame: NDArray[Any], *, time: float | None = None) -> None:
        """Add one frame: (H, W) grey or (H, W, 3) RGB, uint8; uint16 for deeper pixel formats.

        `time` in seconds, increasing, if and only if the video has no frame rate.
        """
        if (time is None) == self._timed:
            raise ValueError("frames have times of their own if the video has no frame rate")
        frame = np.asarray(frame)
        if frame.shape[:2] != tuple(self.size):
            raise ValueError(f"a frame of {frame.shape[:2]} in a video of {self.size}")
        extra = (self._stream.height - self.size[0], self._stream.width - self.size[1])
        if any(extra):
            margins = ((0, extra[0]), (0, extra[1]), (0, 0))[: frame.ndim]
            frame = np.pad(frame, margins, mode="edge")
        deep = frame.dtype == np.uint16
        layout = (
            ("rgb48le" if deep else "rgb24")
            if frame.ndim == 3
            else ("gray16le" if deep else "gray")
        )
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=layout)
        try:
            picture = self._reformatter.reformat(picture, format=self._stream.pix_fmt)
        except (FFmpegError, OSError) as error:
            raise VideoError(f"{self.path} cannot be written as video: {error}.") from error
        picture.pts = self._count if time is None else round(time * TICKS)
        picture.time_base = self._tick
        self._count += 1
        self._encode(picture)

    def _encode(self, picture: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (FFmpegError, OSError) as error:
            raise VideoError(f"{self.path} cannot be written as video: {error}.") from error

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            if not self._count:
                raise VideoError(f"{self.path} was not written: it was given no frame.")
            self._encode(None)
            self._container.close()
        except BaseException as error:
            self._abandon(error)
            raise
        self._exit.close()

    def _abandon(self, error: BaseException) -> None:
        container = getattr(self, "_container", None)
        if container is not None:
            with suppress(FFmpegError, OSError):
                container.close()
        try:
            self._exit.__exit__(type(error), error, error.__traceback__)
        except BaseException as again:
            if again is not error:
                raise

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            self.close()
        else:
            self._abandon(error)


def _encoder(codec: str) -> str:
    for name in ENCODERS.get(codec, (codec,)):
        try:
            av.Codec(name, "w")
        except (ValueError, FFmpegError):
            continue
        return name
    raise ValueError(f"this build of FFmpeg has no encoder for {codec}")
