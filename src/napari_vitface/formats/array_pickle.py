"""Arrays, lists, dicts, text and numbers in a pickle of numpy, taken without running it.

A pickle names things of Python, which are then imported and called. Here no name is ever looked up:
the few that numpy's arrays are made with stand for functions of this module, and every other one
for an `Unread`, which takes what it is given and does nothing.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.lib import format as npy

from napari_vitface.formats.plain_pickle import NotPlain


class Unread:
    """What only running the pickle would make."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Unread:
        # As what `getattr` of something would give.
        return Unread()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Take an item."""

    def extend(self, items: Any) -> None:
        """Take some items."""

    def add(self, item: Any) -> None:
        """Take an item."""


class _Kind:
    """The type of an array's numbers, as numpy describes it in a pickle."""

    def __init__(self, kind: Any, *_: Any) -> None:
        self.kind = str(kind)
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1]) if state[1] in ("<", ">", "|") else "|"

    def dtype(self) -> np.dtype[Any] | None:
        """As numpy has it; None of objects, dates and records."""
        found = np.dtype(self.kind if self.order == "|" else self.order + self.kind)
        return found if found.kind in "biufcSU" else None


class Array:
    """An array, or a list of objects, when all of it is known."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, data = state
        dtype = kind.dtype() if isinstance(kind, _Kind) and kind.kind not in ("O", "O8") else None
        if dtype is None:
            self.value = data if isinstance(data, list) else Unread()
            return
        lengths = tuple(int(length) for length in shape)
        numbers = np.frombuffer(data, dtype)
        self.value = numbers.reshape(lengths[::-1]).T if by_columns else numbers.reshape(lengths)


def _from_buffer(data: Any, kind: _Kind, shape: Any, order: Any) -> Array:
    # What numpy names in protocol 5.
    made = Array()
    made.__setstate__((1, shape, kind, order == "F", data))
    return made


def _scalar(kind: _Kind, data: Any = b"") -> Any:
    dtype = kind.dtype()
    return Unread() if dtype is None else np.frombuffer(data, dtype)[0].item()


def _encode(text: str, encoding: str = "") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise NotPlain(f"it holds text in the encoding {encoding!r}")
    return text.encode("latin1")


_MEANING: dict[tuple[str, str], Any] = {("_codecs", "encode"): _encode, ("numpy", "dtype"): _Kind}
for _core in ("numpy.core", "numpy._core"):
    _MEANING[f"{_core}.multiarray", "_reconstruct"] = Array
    _MEANING[f"{_core}.multiarray", "scalar"] = _scalar
    _MEANING[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # A class of its own for each, because some instructions make things of classes alone.
        return _MEANING.get((module, name)) or type("Unread", (Unread,), {})

    def persistent_load(self, name: Any) -> Any:
        return Unread()


def load_npy(content: bytes) -> Any:
    """What `numpy.save` wrote of an object: arrays, lists, dicts, text, numbers and `Unread`.

    Raises
    ------
    Exception
        Whatever a damaged file makes numpy and `pickle` raise.
    """
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, _, dtype = read_header(file)
    if shape != () or not dtype.hasobject:
        raise ValueError("it holds an array and not what Facemap saves")
    start = file.tell()
    for instruction, argument, _ in pickletools.genops(content[start:]):
        # The places of a memo are taken, not only counted.
        if instruction.name in ("PUT", "LONG_BINPUT") and (argument or 0) > len(content):
            raise ValueError("a pickle is damaged")
    file.seek(start)
    found = _Unpickler(file).load()
    whole = plain(found)
    return whole[0] if isinstance(whole, list) and len(whole) == 1 else whole


def plain(value: Any) -> Any:
    """An array of the pickle as numpy's or a list, and anything else as it is."""
    return value.value if isinstance(value, Array) else value
