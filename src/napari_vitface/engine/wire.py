"""How messages travel between the window and the engine process: JSON and raw array bytes.

One message is ``b"VTF1"``, the length of the header (uint32, little endian), the header, and the
bytes of its arrays one after the other. The header is JSON: ``{"body": ..., "buffers": [[dtype,
shape], ...]}``. In the body, values that JSON lacks are objects with one key: ``$array`` (position
in buffers), ``$tuple``, ``$range``, ``$slice``, ``$map`` (a dict whose keys are not plain strings)
and ``$record`` (the full name of a `Record` and its fields by name). Nothing is ever unpickled, and
nothing is imported because a message names it.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import fields
from typing import Any, BinaryIO

import numpy as np

from napari_vitface.jobs import events, results, video_events
from napari_vitface.record import Record

MAGIC = b"VTF1"
_PREFIX = struct.Struct("<4sI")
#: Bytes that are taken before the first of them has come: a picture of 4096 x 4096 in colour.
_AT_ONCE = 48 << 20
#: Records of these modules can come before anything else has loaded them.
_LOADED = (events, results, video_events)


class WireError(Exception):
    """The bytes are not a message of ours."""


def encode_message(message: Any) -> bytes:
    """The bytes of one message. Raises `TypeError` for what cannot travel."""
    return b"".join(_chunks(message))


def write_message(stream: BinaryIO, message: Any) -> None:
    """Write one message and flush, without a copy of its arrays."""
    stream.writelines(_chunks(message))
    stream.flush()


def _chunks(message: Any) -> list[bytes | memoryview]:
    arrays: list[np.ndarray] = []
    body = _pack(message, arrays)
    buffers = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"body": body, "buffers": buffers}, separators=(",", ":")).encode("ascii")
    contents = [memoryview(array.reshape(-1)).cast("B") for array in arrays if array.size]
    return [_PREFIX.pack(MAGIC, len(header)) + header, *contents]


def read_message(stream: BinaryIO) -> Any:
    """Read one message; `EOFError` when the other side is gone, `WireError` on foreign bytes."""
    try:
        return _read(stream)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError,
            ValueError, MemoryError) as error:  # fmt: skip
        raise WireError(f"no message: {type(error).__name__}: {error}") from error


def _read(stream: BinaryIO) -> Any:
    magic, length = _PREFIX.unpack(_read_exactly(stream, _PREFIX.size))
    if magic != MAGIC:
        raise WireError(f"expected a message, found {magic!r}")
    header = json.loads(_read_exactly(stream, length))
    arrays = []
    for dtype_text, shape in header["buffers"]:
        dtype = np.dtype(dtype_text)
        if dtype.hasobject:
            raise WireError("arrays of Python objects do not travel")
        data = _read_exactly(stream, dtype.itemsize * math.prod(shape))
        arrays.append(np.frombuffer(data, dtype).reshape(shape))
    return _unpack(header["body"], arrays)


def _read_exactly(stream: BinaryIO, count: int) -> bytearray:
    # A bytearray, so that arrays made of it can be written to. Memory is taken as bytes arrive: a
    # damaged length must not ask for all there is.
    data = bytearray(min(count, _AT_ONCE))
    done = 0
    while done < count:
        if done == len(data):
            data.extend(bytes(min(count - done, _AT_ONCE)))
        with memoryview(data) as view:
            got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return data


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _pack(value.item(), arrays)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("arrays of Python objects cannot be sent to the engine")
        arrays.append(np.asarray(value, order="C"))
        return {"$array": len(arrays) - 1}
    if isinstance(value, Record):
        content = {each.name: _pack(getattr(value, each.name), arrays) for each in fields(value)}
        return {"$record": [value.full_name(), content]}
    if isinstance(value, tuple):
        return {"$tuple": [_pack(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _pack(item, arrays) for key, item in value.items()}
        pairs = [[_pack(key, arrays), _pack(item, arrays)] for key, item in value.items()]
        return {"$map": pairs}
    if isinstance(value, range | slice):
        kind = "$range" if isinstance(value, range) else "$slice"
        return {kind: [value.start, value.stop, value.step]}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be sent to the engine")


def _unpack(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((kind, content),) = value.items()
        match kind:
            case "$array":
                return arrays[content]
            case "$tuple":
                return tuple(_unpack(item, arrays) for item in content)
            case "$range":
                return range(*content)
            case "$slice":
                return slice(*content)
            case "$map":
                return {_unpack(key, arrays): _unpack(item, arrays) for key, item in content}
            case "$record":
                name, found = content
                if name not in Record.known:
                    raise WireError(f"unknown record {name!r}")
                unpacked = {key: _unpack(item, arrays) for key, item in found.items()}
                return Record.known[name](**unpacked)
    return {key: _unpack(item, arrays) for key, item in value.items()}
