"""Time stamps and flags of all packets of a video file, in file order.

Two ways lead to it. Where the container brings a table of its own (MP4, QuickTime, AVI) and it
proves right on samples, that is taken, and the pictures are not read. Else the packets are read
once, without decoding them.
"""

from __future__ import annotations

import itertools
from array import array
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from napari_vitface.video.packets import ReadLog, open_container, read_packets
from napari_vitface.video.sample_table import composition_offsets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

#: Stands for a missing time stamp in arrays.
NO_TIME: int = np.iinfo(np.int64).min

#: Codecs whose packets may be shown in another order than they are stored in.
REORDERING = {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3"}

#: An MPEG-4 packet this small may be a placeholder of a packed B-frame, which holds no frame.
SMALLEST_MPEG4 = 16

#: Packets compared with the container's own table, at the start and at two places further on.
COMPARED = 64


@dataclass
class PacketTable:
    """What is known of each packet that holds data, without decoding.

    Attributes
    ----------
    by_pts : bool
        Whether FFmpeg seeks by presentation times in this container, rather than by decoding times.
    pts, dts : (packets,) int64
        Presentation and decoding times; `NO_TIME` where the container has none.
    pos : (packets,) int64
        Where each packet stands in the file, in bytes; negative where FFmpeg does not say.
    key : (packets,) bool
        Whether decoding can start here.
    shown : (packets,) bool
        False for what is decoded but never shown: cut by an edit list, alternate references of VP8.
    promised : int or None
        Packets that the container claims.
    claimed_seconds : float
        Duration that the container claims; 0 if it does not.
    seen : int
        Packets, empty ones included.
    damaged : bool
        Reading met errors or corrupt packets.
    unclear : bool
        Only decoding can tell which packets hold a frame.
    """

    codec: str
    time_base: Fraction
    rate: float
    by_pts: bool
    promised: int | None
    claimed_seconds: float
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    pos: NDArray[np.int64]
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    seen: int
    damaged: bool
    unclear: bool

    def __len__(self) -> int:
        return len(self.pts)


def read_packet_table(path: Path) -> PacketTable:
    """Tabulate the packets of a video file by the cheaper of the two ways."""
    container, stream = open_container(path)
    with closing(container):
        # Probing may have read packets; the container's own table is there from the start.
        table = _from_container(path, container, stream)
        if table is not None:
            return table
    container, stream = open_container(path)
    with closing(container):
        return _by_reading(container, stream)


class StreamFacts(TypedDict):
    """What the container says of a stream, by the fields of `PacketTable`."""

    codec: str
    time_base: Fraction
    rate: float
    by_pts: bool
    promised: int | None
    claimed_seconds: float


def _common(container: InputContainer, stream: VideoStream) -> StreamFacts:
    entries = getattr(stream, "index_entries", None)  # PyAV 17 and later
    promised = stream.frames or None
    if promised and entries and "mp4" in container.format.name:
        # An edit list leaves whole groups of pictures out of the table.
        promised = min(promised, len(entries))
    claimed = 0.0
    if stream.duration is not None and stream.time_base is not None:
        claimed = float(stream.duration * stream.time_base)
    elif len(container.streams) == 1:
        # With sound this would be the longer of the two.
        claimed = (container.duration or 0) / av.time_base
    return {
        "codec": stream.codec_context.name,
        "time_base": stream.time_base or Fraction(1, 1000),
        "rate": float(stream.average_rate or stream.guessed_rate or 0),
        "by_pts": any(kind in container.format.name for kind in ("matroska", "mp4")),
        "promised": promised,
        "claimed_seconds": claimed,
    }


def _by_reading(container: InputContainer, stream: VideoStream) -> PacketTable:
    pts, dts, pos = array("q"), array("q"), array("q")
    key, shown = bytearray(), bytearray()
    smallest, corrupt = 1 << 62, False
    common = _common(container, stream)
    vp8 = common["codec"] == "vp8"
    log = ReadLog()
    for packet in read_packets(container, stream, log):
        pts.append(NO_TIME if packet.pts is None else packet.pts)
        dts.append(NO_TIME if packet.dts is None else packet.dts)
        pos.append(-1 if packet.pos is None else packet.pos)
        key.append(packet.is_keyframe)
        shown.append(not packet.is_discard and (not vp8 or _vp8_is_shown(packet)))
        smallest = min(smallest, packet.size)
        corrupt = corrupt or packet.is_corrupt
    seen = len(pts) + log.empty
    if "mp4" in container.format.name and common["promised"] and pts:
        # Before PyAV 17 only the duration tells packets that an edit list leaves out.
        lasts = (max(pts) - max(0, min(pts))) * common["time_base"] + 1.5 / (common["rate"] or 25)
        if common["claimed_seconds"] <= lasts:
            common["promised"] = min(common["promised"], seen)
    return PacketTable(
        **common,
        pts=np.array(pts, dtype=np.int64),
        dts=np.array(dts, dtype=np.int64),
        pos=np.array(pos, dtype=np.int64),
        key=np.frombuffer(bytes(key), dtype=bool),
        shown=np.frombuffer(bytes(shown), dtype=bool),
        seen=seen,
        damaged=bool(log.errors or corrupt),
        unclear=common["codec"] == "mpeg4" and smallest <= SMALLEST_MPEG4,
    )


def _vp8_is_shown(packet: Packet) -> bool:
    """Bit 4 of a VP8 frame's first byte is ``show_frame`` (RFC 6386, 9.1)."""
    data: Any = packet
    return bool(memoryview(data)[0] & 0x10)


def _from_container(
    path: Path, container: InputContainer, stream: VideoStream
) -> PacketTable | None:
    """The container's own table, if it has one that is complete and agrees with the packets."""
    entries = getattr(stream, "index_entries", None)
    common = _common(container, stream)
    codec, promised = common["codec"], common["promised"]
    mp4, avi = "mp4" in container.format.name, container.format.name == "avi"
    reorders = codec in REORDERING and stream.codec_context.has_b_frames
    if not entries or not (mp4 or (avi and not reorders)) or codec == "vp8":
        return None
    if promised != len(entries):
        return None
    rows: NDArray[np.int64] = np.fromiter(
        ((entry.timestamp, entry.flags, entry.pos, entry.size) for entry in entries),
        dtype=np.dtype((np.int64, 4)),
        count=len(entries),
    )
    offsets = (
        composition_offsets(path, stream.id, len(rows)) if mp4 else np.zeros(len(rows), np.int64)
    )
    if offsets is None:
        return None
    inside = rows[:, 2] + rows[:, 3] <= path.stat().st_size
    stop = len(rows) if inside.all() else int(np.argmin(inside))
    rows, offsets = rows[:stop], offsets[:stop]
    full = rows[:, 3] > 0
    rows, offsets = rows[full], offsets[full]
    if not len(rows):
        return None
    table = PacketTable(
        **common,
        pts=rows[:, 0] + offsets,
        dts=rows[:, 0],
        pos=rows[:, 2],
        key=(rows[:, 1] & 1) > 0,
        shown=(rows[:, 1] & 2) == 0,
        seen=stop,
        damaged=False,
        unclear=codec == "mpeg4" and int(rows[:, 3].min()) <= SMALLEST_MPEG4,
    )
    return table if _agrees(table, container, stream) else None


def _agrees(table: PacketTable, container: InputContainer, stream: VideoStream) -> bool:
    """Compare a container's own table with packets from the start and from two places further on.

    Shifts all presentation times as the packets have them (an edit list moves them together).
    """
    keys = np.flatnonzero(table.key)
    if not len(keys):
        return False
    starts = {0, int(keys[len(keys) // 2]), int(keys[-1])}
    first = True
    for start in sorted(starts):
        if start > 0:
            try:
                stamps = table.pts if table.by_pts else table.dts
                container.seek(int(stamps[start]), stream=stream, backward=True)
            except FFmpegError:
                return False
        packets = list(itertools.islice(read_packets(container, stream), COMPARED))
        if len(packets) != min(COMPARED, len(table) - start):
            return False
        if first:
            if packets[0].pts is None:
                return False
            table.pts = table.pts + (packets[0].pts - int(table.pts[0]))
            first = False
        for number, packet in enumerate(packets, start):
            if packet.pos != table.pos[number]:
                table.pos = np.full(len(table), -1)
            if (packet.pts, packet.dts, packet.is_keyframe, not packet.is_discard) != (
                table.pts[number],
                table.dts[number],
                table.key[number],
                table.shown[number],
            ):
                return False
    return True
