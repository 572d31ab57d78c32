"""The index of a video file: which packet is which frame, when it shows, where to start decoding.

A frame's number is its rank by presentation time among the packets that hold a frame. A packet that
is damaged in the middle keeps its number, so that the frames after it keep theirs.
"""

from __future__ import annotations

from array import array
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.video.packet_table import (
    NO_TIME,
    REORDERING,
    PacketTable,
    read_packet_table,
)
from napari_vitface.video.packets import PacketDecoder, open_container, read_packets

if TYPE_CHECKING:
    from av.packet import Packet


#: Attributes of a `FrameIndex` with a value for each key frame.
_OF_KEYS = ("key_frames", "key_packets", "key_pts", "key_dts", "key_pos", "key_shares_time")


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
        Frame numbers at which decoding can start, increasing; negative before the first frame.
    key_packets, key_pts, key_dts : (keys,) int64
        Their packet numbers and time stamps (`NO_TIME` where missing).
    key_pos : (keys,) int64
        Where they stand in the file, in bytes; negative where that is not known.
    key_shares_time : (keys,) bool
        Whether another key frame has the same time stamp, so that the place has to tell them apart.
    by_pts, rate, promised, claimed_seconds, seen, damaged
        As in `PacketTable`.
    """

    rank: NDArray[np.int32]
    times: NDArray[np.float64]
    key_frames: NDArray[np.int64]
    key_packets: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    key_dts: NDArray[np.int64]
    key_pos: NDArray[np.int64]
    key_shares_time: NDArray[np.bool_]
    by_pts: bool
    rate: float
    promised: int | None
    claimed_seconds: float
    seen: int
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
        for name in _OF_KEYS:
            setattr(self, name, getattr(self, name)[kept])
        self.key_frames = self.key_frames - first


def build_index(path: Path, *, by_decoding: bool = False) -> FrameIndex:
    """Number the frames of a video file by presentation time.

    With `by_decoding` everything is decoded: slow, for the rare files whose packets do not tell
    which of them hold a frame, or in which order they are shown.
    """
    table = read_packet_table(path)
    if not len(table):
        raise VideoError(f"{path} holds no frames: its recording was cut off at the very start.")
    order = None if by_decoding else _presentation_order(path, table)
    if order is None:
        order = _decoded_order(path, table)
    if not len(order):
        raise VideoError(f"None of the frames of {path} are to be shown: its times are damaged.")
    rank = np.full(len(table), -1, dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    keys = np.flatnonzero(table.key & (rank >= 0))
    keys = keys[np.argsort(rank[keys], kind="stable")]
    return FrameIndex(
        rank=rank,
        times=_times(table, order),
        key_frames=rank[keys].astype(np.int64),
        key_packets=keys,
        key_pts=table.pts[keys],
        key_dts=table.dts[keys],
        key_pos=np.where(_is_shared(table.pos[keys]), -1, table.pos[keys]),
        key_shares_time=_is_shared(
            np.where(table.pts[keys] == NO_TIME, table.dts[keys], table.pts[keys])
        ),
        by_pts=table.by_pts,
        rate=table.rate,
        promised=table.promised,
        claimed_seconds=table.claimed_seconds,
        seen=table.seen,
        damaged=table.damaged,
    )


def _presentation_order(path: Path, table: PacketTable) -> NDArray[np.int64] | None:
    """Numbers of the shown packets by presentation time; None if only decoding can tell."""
    if table.unclear:
        return None
    numbers = np.flatnonzero(table.shown)
    pts = table.pts[numbers]
    if (pts == NO_TIME).any():
        if table.codec not in REORDERING:
            return numbers
        inferred = _infer_pts(path)
        if inferred is None or len(inferred) != len(table):
            return None
        pts = inferred[numbers]
    order = np.argsort(pts, kind="stable")
    if table.codec in REORDERING and (pts[order[1:]] == pts[order[:-1]]).any():
        # Equal times do not tell the order of frames that are not stored in it.
        return numbers if (order[1:] > order[:-1]).all() else None
    return numbers[order]


def _is_shared(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values occur more than once."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


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


def _decoded_order(path: Path, table: PacketTable) -> NDArray[np.int64]:
    """Packet numbers in the order in which the decoder puts out their frames.

    Packets that are lost to damage are put in where they stand in the file.
    """
    for threads in (True, False):
        decoder = PacketDecoder(path, threads=threads)
        with closing(decoder):
            numbers = np.array(array("q", (number for number, _ in decoder)), dtype=np.int64)
        if not decoder.errors:
            break
    if not len(numbers):
        raise VideoError(f"None of the frames of {path} can be decoded: the file is damaged.")
    _, first_use = np.unique(numbers, return_index=True)
    numbers = numbers[np.sort(first_use)]
    silent = np.setdiff1d(np.flatnonzero(table.shown), numbers)
    lost = lost_to_errors(silent, decoder.errors, np.flatnonzero(table.key))
    holding = np.union1d(numbers, lost)
    order = np.empty(len(holding), dtype=np.int64)
    is_lost = np.isin(holding, lost)
    order[is_lost] = holding[is_lost]
    order[~is_lost] = numbers
    return order


def lost_to_errors(
    silent: NDArray[np.int64], errors: set[int], keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those packets without a frame that an error explains.

    A packet that cannot be decoded can cost the frames of all packets up to the next key frame.

    Parameters
    ----------
    silent : (N,) array of int
        Numbers of packets that gave no frame.
    errors : set of int
        Numbers of packets that raised an error.
    keys : (M,) array of int
        Numbers of key packets.
    """
    failed = np.sort(np.fromiter(errors, dtype=np.int64, count=len(errors)))
    if not len(failed):
        return silent[:0]
    keys = np.sort(keys)
    last_error = failed[np.maximum(np.searchsorted(failed, silent, side="right") - 1, 0)]
    last_key = np.searchsorted(keys, silent, side="right") - 1
    since = np.where(last_key >= 0, keys[last_key] if len(keys) else 0, 0)
    return silent[(last_error <= silent) & (last_error >= since)]


def _times(table: PacketTable, order: NDArray[np.int64]) -> NDArray[np.float64]:
    for stamps in (table.pts[order], np.sort(table.dts[order])):
        if (stamps != NO_TIME).all() and (np.diff(stamps) >= 0).all():
            return (stamps - stamps[0]) * float(table.time_base)
    return np.arange(len(order)) / (table.rate or 25.0)
