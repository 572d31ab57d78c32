"""What FFmpeg does not tell of an MP4 or QuickTime file: its composition times.

FFmpeg reads a file's sample table when it opens it and shows when each frame is *decoded*. When it
is *shown* stands in the ``ctts`` box (ISO/IEC 14496-12, 8.6.1.3), read here, so that a recording of
hours can be indexed without reading its pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Boxes of one track that lead to its sample table.
_TABLE = (b"mdia", b"minf", b"stbl")
#: Boxes of a file in which FFmpeg looks for a header.
_HEADERS = (b"moov", b"cmov", b"trak", b"udta", b"meta", b"moof")
_COMPRESSED = re.compile(rb"cmov.{4}dcom", re.DOTALL)


def composition_offsets(path: Path, track: int, count: int) -> NDArray[np.int64] | None:
    """Presentation minus decoding time of each sample of a track, in the track's time unit.

    Parameters
    ----------
    path : Path
    track : int
        The track's number in the file (``stream.id``).
    count : int
        Samples that the track should have.

    Returns
    -------
    (count,) int64 array or None
        Zeros where the file has no such box; None where it cannot be read with certainty.
    """
    try:
        with path.open("rb") as file:
            end = path.stat().st_size
            for movie in _boxes(file, 0, end, b"moov"):
                for box in _boxes(file, *movie, b"trak"):
                    if _track_number(file, box) == track:
                        return _offsets(file, box, count)
    except (OSError, ValueError):
        return None
    return None


def has_compressed_header(path: Path) -> bool:
    """Whether a QuickTime file's header is compressed, as programs wrote it in the nineties.

    FFmpeg takes as much memory for it as the file says.
    """
    try:
        file = path.open("rb")
    except OSError:  # opening the video says so
        return False
    start, end = 0, path.stat().st_size
    with file:
        while start + 8 <= end:
            file.seek(start)
            header = file.read(16)
            length = int.from_bytes(header[:4])
            if length == 1:
                length = int.from_bytes(header[8:16])
            if header[4:8] in _HEADERS:
                # Whatever the lengths in it say: FFmpeg puts up with wrong ones.
                file.seek(start)
                if _COMPRESSED.search(file.read(length or end - start)):
                    return True
            if length < 8:
                break
            start += length
    return False


def _boxes(file: BufferedReader, start: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the content of the boxes of one kind between two places of a file."""
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        length, content = int.from_bytes(header[:4]), start + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16]), start + 16
        elif length == 0:
            length = end - start
        if length < content - start or start + length > end:
            raise ValueError("a box reaches beyond the one that holds it")
        if header[4:8] == kind:
            yield content, start + length
        start += length


def _track_number(file: BufferedReader, track: tuple[int, int]) -> int:
    content, _ = next(_boxes(file, *track, b"tkhd"), (0, 0))
    file.seek(content)
    header = file.read(24)
    # Version 1 has creation and modification times of 8 bytes each, version 0 of 4.
    place = 20 if header[0] == 1 else 12
    return int.from_bytes(header[place : place + 4])


def _offsets(file: BufferedReader, track: tuple[int, int], count: int) -> NDArray[np.int64] | None:
    place = track
    for kind in _TABLE:
        found = next(_boxes(file, *place, kind), None)
        if found is None:
            return None
        place = found
    table = next(_boxes(file, *place, b"ctts"), None)
    if table is None:
        return np.zeros(count, dtype=np.int64)
    file.seek(table[0])
    runs = int.from_bytes(file.read(8)[4:])
    if runs * 8 > table[1] - table[0] - 8:
        return None
    entries = np.frombuffer(file.read(runs * 8), dtype=">i4").reshape(-1, 2)
    lengths = entries[:, 0].view(">u4").astype(np.int64)
    # Before they are written out: a damaged file may ask for any number.
    if int(lengths.sum()) != count:
        return None
    return np.repeat(entries[:, 1].astype(np.int64), lengths)
