"""Reading the packets of a video file, and decoding them so that each frame names its packet.

Packets are numbered in file order, empty ones left out; everything else in this package speaks of
frames by those numbers or by their rank in presentation order. The number travels through the
decoder as the packet's time stamp and comes back as the frame's, which tells for certain which
packet made a frame, whatever the codec reorders, delays or drops.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from napari_vitface.errors import VideoError
from napari_vitface.video.sample_table import has_compressed_header

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Reading goes on after an error in the container, but not for ever.
MAX_READ_ERRORS = 100
#: What FFmpeg may open: containers that hold their pictures themselves. Playlists and the like name
#: other files and addresses.
_CONTAINERS = (
    "mov,matroska,webm,avi,asf,mpeg,mpegts,mpegvideo,m4v,h264,hevc,mjpeg,ogg,flv,ivf,nut,mxf,dv,"
    "gif,rm,wtv,yuv4mpegpipe"
)
#: Titles and comments may be in any encoding; before PyAV 19 that was an error unless ignored.
_ANY_METADATA: Any = (
    {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
)


def file_address(path: Path) -> str:
    """A path as FFmpeg takes it for a file, also if its name begins as an address does."""
    return f"file:{path}"


def keep_ffmpeg_silent() -> None:
    """Keep FFmpeg's messages from Python: they would wait for ever when a decoder is closed.

    PyAV closes a decoder with the interpreter's lock held and waits for its threads; one that just
    has something to say would wait for that lock. PyAV is silent by itself, but other packages in
    the process, among them some versions of torchvision, ask it for messages.
    """
    av.logging.set_level(None)


def open_container(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a video file with FFmpeg and choose its first video stream.

    Raises
    ------
    VideoError
        If the file is missing, empty, not a video, or without a video stream.
    """
    if not path.is_file():
        raise VideoError(f"{path} is not a file: check the name, and that its disk is connected.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes): copy or record it again.")
    if has_compressed_header(path):
        raise VideoError(
            f"{path} has a compressed header, which may be of any size and is not read: convert it "
            "with FFmpeg."
        )
    keep_ffmpeg_silent()
    try:
        container = av.open(
            file_address(path),
            options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
            **_ANY_METADATA,
        )
    except (FFmpegError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise VideoError(f"{path} may not be read: ask for the right to read it.") from error
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"{path} cannot be read as a video ({reason}): it is another kind of file, or was cut "
            "off before its index was written."
        ) from error
    stream = container.streams.best("video")  # not a cover picture
    if stream is None:
        holds = " only sound" if container.streams.audio else " no video stream"
        container.close()
        raise VideoError(f"{path} holds{holds}, so there are no frames to read.")
    if stream.codec_context is None:
        container.close()
        raise VideoError(
            f"{path} holds video of a kind that cannot be decoded here, or was cut off at its "
            "start: convert it with FFmpeg, or record it again."
        )
    return container, stream


@dataclass
class ReadLog:
    """What happened while packets were read: errors of the container and empty packets."""

    errors: int = 0
    empty: int = 0


def read_packets(
    container: InputContainer, stream: VideoStream, log: ReadLog | None = None
) -> Iterator[Packet]:
    """All packets from where the container stands; goes on after damaged places if it can."""
    log = ReadLog() if log is None else log
    failures = 0
    while True:
        try:
            for packet in container.demux(stream):
                failures = 0
                if packet.size:
                    yield packet
                elif packet.dts is not None or packet.pts is not None:
                    log.empty += 1
            return
        except FFmpegError:
            log.errors += 1
            failures += 1
            if failures > MAX_READ_ERRORS:
                return


class PacketDecoder:
    """Decodes one file from any key frame on; iterating gives ``(packet number, frame)``.

    Frames come in the decoder's output order, which is presentation order. A packet that cannot be
    decoded gives no frame. With `threads` several packets are decoded at once, and an error in one
    can cost its neighbours; without, an error costs only its own packet and its number is added to
    `errors`.
    """

    def __init__(self, path: Path, *, threads: bool = True) -> None:
        self._path = path
        self._threads = threads
        self.errors: set[int] = set()
        self._open()

    def _open(self) -> None:
        self.container, self.stream = open_container(self._path)
        self.stream.thread_type = "AUTO" if self._threads else "NONE"
        if not self._threads:
            self.stream.codec_context.thread_count = 1
        self._start(0)
        # QuickTime gives a palette with the first packet alone, and a decoder that seeks before it
        # has seen that one would draw all in black.
        self._needs_first = self.stream.codec_context.pix_fmt == "pal8"

    def _start(self, number: int) -> None:
        self._packets = read_packets(self.container, self.stream)
        self._number = number  # of the next packet
        self._frames: deque[tuple[int, VideoFrame]] = deque()
        self._ended = False

    def rewind(self) -> None:
        """Go back to the first packet."""
        self.container.close()
        self._open()

    def seek(self, number: int, time: int, pts: int | None, dts: int | None, pos: int) -> bool:
        """Seek by `time` and go to the key packet `number`; False if it is not found.

        It is known by its time stamps and, unless `pos` is negative, by its place in the file.
        After False the position is undefined: seek again or rewind.
        """
        if self._needs_first:
            self.rewind()
            next(self, None)
            self._needs_first = False
        try:
            self.container.seek(time, stream=self.stream, backward=True)
        except FFmpegError:
            return False
        self._start(number)
        for packet in self._packets:
            found = packet.is_keyframe and packet.pts == pts and packet.dts in (dts, None)
            if found and (pos < 0 or packet.pos == pos):
                self._decode(packet)
                return True
            stamp, wanted = (packet.dts, dts) if pts is None else (packet.pts, pts)
            if packet.is_keyframe and stamp is not None and wanted is not None and stamp > wanted:
                return False
        return False

    def _decode(self, packet: Packet | None) -> None:
        if packet is not None:
            packet.pts = self._number
            self._number += 1
        try:
            frames = self.stream.codec_context.decode(packet)
        except EOFError:
            return
        except FFmpegError:
            self.errors.add(self._number - 1)
            return
        for frame in frames:
            if frame.pts is not None:
                self._frames.append((frame.pts, frame))

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        return self

    def __next__(self) -> tuple[int, VideoFrame]:
        while not self._frames and not self._ended:
            packet = next(self._packets, None)
            self._ended = packet is None
            self._decode(packet)
        if not self._frames:
            raise StopIteration
        return self._frames.popleft()

    def close(self) -> None:
        self._packets = iter(())
        self._frames.clear()
        self.container.close()
