"""Arrays and names from HDF5 files of others, taken only as far as the file itself holds them."""

from __future__ import annotations

import math
import zlib
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

#: An array, or a piece of one that is compressed by itself, has at most this many bytes for each
#: that is stored of it, unless it is smaller than `_SMALL`.
_TIGHTEST = 100
_SMALL = 1 << 26
#: More keypoints, edges and animals than any file has.
_MOST_NAMES = 100_000


def content(group: h5py.Group, name: str) -> NDArray[Any]:
    """All of a dataset; `ValueError` where the file claims more than it can hold.

    HDF5 can point to other files, and declare arrays of which nothing is stored.
    """
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name} is no array")
    if dataset.file.filename != group.file.filename or dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} is kept in another file")
    if dataset.dtype.hasobject:
        raise ValueError(f"{name} holds neither numbers nor names of one length")
    piece = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    claimed = max(dataset.nbytes, piece)
    if claimed > _SMALL + _TIGHTEST * dataset.id.get_storage_size():
        raise ValueError(f"{name} claims {claimed} bytes, which the file cannot hold")
    if dataset.chunks:
        _check_chunks(dataset.id, piece)
    return np.asarray(dataset[()])


def _check_chunks(dataset: h5py.h5d.DatasetID, piece: int) -> None:
    """Refuse compressed pieces that inflate to more than their `piece` bytes; HDF5 lets them."""
    plan = dataset.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    deflates = filters.count(h5py.h5z.FILTER_DEFLATE)
    harmless = filters.count(h5py.h5z.FILTER_SHUFFLE) + filters.count(h5py.h5z.FILTER_FLETCHER32)
    if deflates > 1 or deflates + harmless < len(filters):
        raise ValueError("it is compressed in another way than gzip")
    for i in range(dataset.get_num_chunks() if deflates else 0):
        mask, stored = dataset.read_direct_chunk(dataset.get_chunk_info(i).chunk_offset)
        if mask >> filters.index(h5py.h5z.FILTER_DEFLATE) & 1:
            continue
        inflater = zlib.decompressobj()
        # A checksum of four bytes may go with what is compressed.
        inflater.decompress(stored, piece + 5)
        if not inflater.eof:
            raise ValueError("a compressed piece of it is damaged")


def names_in(group: h5py.Group, name: str) -> list[str]:
    """The texts in a dataset, of one length or of any, as a flat list.

    Texts of any length lie outside of the array, so how long they are is not known before.
    """
    dataset = group[name]
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.size > _MOST_NAMES:
        raise ValueError(f"{name} holds no names")
    return [text(value) for value in np.ravel(dataset[()]).tolist()]


def text(value: Any) -> str:
    """A text of HDF5, which is bytes where a program wrote it so, and nothing where it is empty."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if isinstance(value, h5py.Empty) else str(value)
