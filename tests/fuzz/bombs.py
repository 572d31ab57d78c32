"""Small files whose data inflate to far more than the file says: some gigabytes from a megabyte."""

from __future__ import annotations

import io
import lzma
import random
import struct
import zlib
from functools import lru_cache

#: Megabytes that a bomb inflates to.
_SIZE = 1500


@lru_cache
def deflated(megabytes: int = _SIZE) -> bytes:
    """Zeros without end, as zlib: a megabyte of them, again and again."""
    packer = zlib.compressobj(9)
    nothing = bytes(1 << 20)
    start = packer.compress(nothing) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(nothing) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + piece * (megabytes - 1)


@lru_cache
def by_lzma(megabytes: int = 400) -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    nothing = bytes(1 << 20)
    return b"".join(packer.compress(nothing) for _ in range(megabytes)) + packer.flush()


def tiff(chance: random.Random, content: bytes) -> bytes:
    """A small page, or several, of one strip or tile."""
    compression, data = chance.choice(
        [(8, deflated()), (32946, deflated()), (34925, by_lzma()), (32773, b"\x81\0" * 12_000_000)]
    )
    side, tile = chance.choice([16, 64, 512]), chance.choice([None, None, 64, 1 << 15])
    return tiff_of(data, compression, side, tile, chance.choice([1, 3]))


def tiff_of(
    data: bytes, compression: int, side: int, tile: int | None = None, pages: int = 1
) -> bytes:
    """A TIFF file of grey pages that all have the same data."""
    file = bytearray(b"II*\0" + bytes(4) + data + bytes(len(data) % 2))
    place = [(322, tile), (323, tile), (324, 8), (325, len(data))]
    if tile is None:
        place = [(273, 8), (278, side), (279, len(data))]
    tags = [(256, side), (257, side), (258, 8), (259, compression), (262, 1), (277, 1), *place]
    link = 4
    for _ in range(pages):
        file[link : link + 4] = struct.pack("<I", len(file))
        file += struct.pack("<H", len(tags))
        for tag, value in sorted(tags):
            file += struct.pack("<HHII", tag, 4, 1, value)
        link = len(file)
        file += bytes(4)
    return bytes(file)


def png(chance: random.Random, content: bytes) -> bytes:
    """A picture, its title or its colour profile."""
    before, _, after = content.partition(b"IDAT")
    before, length = before[:-4], struct.unpack(">I", before[-4:])[0]
    picture, rest = after[:length], after[length + 4 :]
    kind = chance.choice([b"IDAT", b"zTXt", b"iTXt", b"iCCP"])
    if kind == b"IDAT":
        return before + _chunk(kind, deflated()) + rest
    start = b"Title\0\1\0\0\0" if kind == b"iTXt" else b"Title\0\0"
    return before + _chunk(kind, start + deflated()) + _chunk(b"IDAT", picture) + rest


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def movie(chance: random.Random, content: bytes) -> bytes:
    """QuickTime with a compressed header, at several places."""
    claim = chance.choice([_SIZE << 20, (1 << 32) - 1])
    packed = _box(b"cmvd", struct.pack(">I", claim) + deflated())
    header = _box(b"cmov", _box(b"dcom", b"zlib") + packed)
    header = chance.choice([_box(b"moov", header), header, _box(b"udta", header)])
    if chance.random() < 0.3:
        # FFmpeg puts up with lengths that reach beyond the file.
        header = struct.pack(">I", len(header) + 500) + header[4:]
    return _box(b"ftyp", b"qt  \0\0\0\0qt  ") + _box(b"mdat", bytes(100)) + header


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def predictions(chance: random.Random, content: bytes) -> bytes:
    """The table of an HDF5 file, in a piece compressed by itself, or twice."""
    import h5py

    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        group = opened["df_with_missing"]
        table, attributes = group["table"][()], dict(group["table"].attrs)
        del group["table"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(chance.choice([table.shape, (1 << 20,)]))
        data = deflated()
        for _ in range(chance.choice([1, 1, 2])):
            plan.set_deflate(9)
        if chance.random() < 0.3:
            plan.set_fletcher32()
        if plan.get_nfilters() > 1:
            data = zlib.compress(data)
        kind = h5py.h5t.py_create(table.dtype, logical=True)
        space = h5py.h5s.create_simple(table.shape, (h5py.h5s.UNLIMITED,))
        made = h5py.h5d.create(group.id, b"table", kind, space, plan)
        made.write_direct_chunk((0,), data)
        for name, value in attributes.items():
            group["table"].attrs[name] = value
    return file.getvalue()
