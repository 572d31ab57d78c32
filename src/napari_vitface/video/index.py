"""The index of a video file: which packet is which frame, when it shows, where to start decoding.

Built by reading the packets once, without decoding them. A frame's number is its rank by
presentation time among the packets that hold a frame; packets that hold none do not count (hidden
by an edit list, alternate references of VP8, empty ones). A packet damaged in the middle keeps its
number, so that the frames after it keep theirs.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.packets import PacketDecoder, ReadLog, open_container, read_packets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

#: Stands for a missing time stamp in arrays.
NO_TIME = np.iinfo(np.int64).min

#: Codecs whose packets may be shown in another order than they are stored in.
REORDERING = {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3", "av1"}

#: An MPEG-4 packet this small may be a placeholder of a packed B-frame, which holds no frame.
SMALLEST_MPEG4 = 16


@dataclass
class FrameIndex:
    """Frames of a video file in presentation order.

    Attributes
    ----------
    rank : (packets,) int32
        Frame number of each packet in file order; -1 where it gives no frame.
    times : (frames,) float64
        Presentation times in seconds from the first frame.
    key_frames : (keys,) int64
        Frame numbers at which decoding can start, increasing.
    key_packets, key_pts, key_dts : (keys,) int64
        Their packet numbers and time stamps (`NO_TIME` where missing).
    by_pts : bool
        Whether the container seeks by presentation times (Matroska) or by decoding times.
    promised : int or None
        Frames that the container claims.
    packets : int
        Packets read, hidden and empty ones included.
    damaged : bool
        Whether reading met errors, corrupt packets, or fewer packets than promised.
    """

    rank: NDArray[np.int32]
    times: NDArray[np.float64]
    key_frames: NDArray[np.int64]
    key_packets: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    key_dts: NDArray[np.int64]
    by_pts: bool
    promised: int | None
    packets: int
    damaged: bool

    def __len__(self) -> int:
        return len(self.times)

    def entry(self, frame: int) -> int:
        """Position in the key arrays of the last key frame not after `frame`; -1: file start."""
        return int(np.searchsorted(self.key_frames, frame, side="right")) - 1

    def keep(self, first: int, stop: int) -> None:
        """Forget the frames before `first` and from `stop` on, which cannot be decoded."""
        if first == 0 and stop == len(self):
            return
        inside = (self.rank >= first) & (self.rank < stop)
        self.rank = np.where(inside, self.rank - first, -1).astype(np.int32)
        self.times = self.times[first:stop] - self.times[first]
        # A key frame before `first` may still be where decoding has to start.
        kept = self.key_frames < stop
        for name in ("key_frames", "key_packets", "key_pts", "key_dts"):
            setattr(self, name, getattr(self, name)[kept])
        self.key_frames = self.key_frames - first


def build_index(path: Path) -> FrameIndex:
    """Read all packets of a video file and order them by presentation time."""
    container, stream = open_container(path)
    try:
        table = _PacketTable(container, stream)
    finally:
        container.close()
    if not len(table.pts):
        raise VideoError(f"{path} holds no frames: its recording was cut off at the very start.")
    order = table.presentation_order(path)
    if order is None:
        order = decoded_order(path)
    return table.index(order)


def reindex_by_decoding(path: Path) -> FrameIndex:
    """Index by decoding everything: slow, for the rare files whose packets do not tell."""
    container, stream = open_container(path)
    try:
        table = _PacketTable(container, stream)
    finally:
        container.close()
    return table.index(decoded_order(path))


def decoded_order(path: Path) -> NDArray[np.int64]:
    """Packet numbers in the order in which the decoder puts out their frames."""
    decoder = PacketDecoder(path, threads=True)
    try:
        numbers = array("q", (number for number, _ in decoder))
    finally:
        decoder.close()
    if not numbers:
        raise VideoError(f"None of the frames of {path} can be decoded.")
    _, first_use = np.unique(np.asarray(numbers), return_index=True)
    return np.asarray(numbers)[np.sort(first_use)]


class _PacketTable:
    """Time stamps and flags of all packets, in file order."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        pts, dts = array("q"), array("q")
        key, shown = bytearray(), bytearray()
        smallest, corrupt = 1 << 62, False
        codec = stream.codec_context.name
        log = ReadLog()
        for packet in read_packets(container, stream, log):
            pts.append(NO_TIME if packet.pts is None else packet.pts)
            dts.append(NO_TIME if packet.dts is None else packet.dts)
            key.append(packet.is_keyframe)
            shown.append(not packet.is_discard and _is_shown(packet, codec))
            smallest = min(smallest, packet.size)
            corrupt = corrupt or packet.is_corrupt
        self.pts = np.array(pts, dtype=np.int64)
        self.dts = np.array(dts, dtype=np.int64)
        self.key = np.frombuffer(bytes(key), dtype=bool)
        self.shown = np.frombuffer(bytes(shown), dtype=bool)
        self.codec = codec
        self.packed = codec == "mpeg4" and smallest <= SMALLEST_MPEG4
        self.seen = len(pts) + log.empty
        self.promised = stream.frames or None
        self.damaged = bool(
            log.errors or corrupt or (self.promised is not None and self.promised > self.seen)
        )
        self.time_base = stream.time_base or Fraction(1, 1000)
        self.rate = stream.average_rate or stream.guessed_rate
        self.by_pts = "matroska" in container.format.name

    def presentation_order(self, path: Path) -> NDArray[np.int64] | None:
        """Numbers of the shown packets by presentation time; None if only decoding can tell."""
        if self.packed:
            return None
        numbers = np.flatnonzero(self.shown)
        pts = self.pts[numbers]
        if (pts == NO_TIME).any():
            if self.codec not in REORDERING:
                return numbers
            inferred = _infer_pts(path)
            if inferred is None or len(inferred) != len(self.pts):
                return None
            self.display = inferred
            pts = inferred[numbers]
        return numbers[np.argsort(pts, kind="stable")]

    def index(self, order: NDArray[np.int64]) -> FrameIndex:
        rank = np.full(len(self.pts), -1, dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        keys = np.flatnonzero(self.key & (rank >= 0))
        keys = keys[np.argsort(rank[keys], kind="stable")]
        return FrameIndex(
            rank=rank,
            times=self._times(order),
            key_frames=rank[keys].astype(np.int64),
            key_packets=keys,
            key_pts=self.pts[keys],
            key_dts=self.dts[keys],
            by_pts=self.by_pts,
            promised=self.promised,
            packets=self.seen,
            damaged=self.damaged,
        )

    def _times(self, order: NDArray[np.int64]) -> NDArray[np.float64]:
        for stamps in (self.pts[order], np.sort(self.dts[order])):
            if (stamps != NO_TIME).all() and (np.diff(stamps) >= 0).all():
                return (stamps - stamps[0]) * float(self.time_base)
        return np.arange(len(order)) / float(self.rate or 25)


def _is_shown(packet: Packet, codec: str) -> bool:
    """False for VP8's alternate references: bit 4 of a frame's first byte is `show_frame`."""
    return codec != "vp8" or bool(memoryview(packet)[0] & 0x10)  # type: ignore[arg-type]


def _infer_pts(path: Path) -> NDArray[np.int64] | None:
    """Presentation times from the pictures' own order numbers, where the container has none.

    AVI stores H.264 with B-frames so. FFmpeg's filter reads the slice headers, nothing is decoded.
    """
    container, stream = open_container(path)
    try:
        reorder = av.BitStreamFilterContext("dts2pts", stream)
        pts = array("q")
        for packet in read_packets(container, stream):
            pts.extend(_stamps(reorder.filter(packet)))
        pts.extend(_stamps(reorder.filter(None)))
    except (FFmpegError, ValueError, OverflowError):
        return None
    finally:
        container.close()
    result = np.array(pts, dtype=np.int64)
    return None if (result == NO_TIME).any() else result


def _stamps(packets: list[Packet]) -> list[int]:
    return [NO_TIME if packet.pts is None else packet.pts for packet in packets]
