"""The lists, tuples, dicts, text and numbers in a pickle, and no other pickle.

No pickle from a file is ever run, and this is no exception. What makes pickles dangerous is that
they name things of Python that are then imported, called or changed. A stream with an instruction
that could is refused before any of it is carried out; the unpickler, which only makes what the
format has signs of its own for, could not find such a thing either. PyTables leaves no other way
to learn the columns of a table.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, NoReturn

from napari_vitface.formats.repeats import check_repeats

#: Of a stream. What it makes takes at most about a hundred times as much memory.
_MOST_BYTES = 1 << 22
#: Values, those counted again that are repeated by reference.
_MOST_VALUES = 1_000_000
#: The instructions that lists, tuples, dicts, text, numbers and None are made with.
_PLAIN = frozenset([
    "APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPUT",
    "BINSTRING", "BINUNICODE", "BINUNICODE8", "DICT", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE",
    "FLOAT", "FRAME", "GET", "INT", "LIST", "LONG", "LONG1", "LONG_BINGET", "LONG_BINPUT", "MARK",
    "MEMOIZE", "NEWFALSE", "NEWTRUE", "NONE", "POP", "POP_MARK", "PROTO", "PUT", "SETITEM",
    "SETITEMS", "SHORT_BINSTRING", "SHORT_BINUNICODE", "STOP", "STRING", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "UNICODE",
])  # fmt: skip


class NotPlain(Exception):
    """A file holds what cannot be read without running a pickle; the text says what."""


def load_plain(content: bytes) -> Any:
    """What is in a pickle of plain data.

    Raises
    ------
    NotPlain
        If it asks for anything else.
    Exception
        Whatever a damaged pickle makes `pickle` raise.
    """
    if len(content) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES >> 20} MB are no names of columns")
    for instruction, argument, position in pickletools.genops(content):
        if instruction.name not in _PLAIN:
            raise NotPlain(f"it holds the pickle instruction {instruction.name} at byte {position}")
        # A few bytes can ask for a memo of any length, the places of which are not only counted
        # but taken.
        if instruction.name in ("PUT", "LONG_BINPUT") and (argument or 0) > len(content):
            raise ValueError("a pickle is damaged")
    data = _Unpickler(io.BytesIO(content)).load()
    # As references, a kilobyte can hold a list of lists of lists that nobody could write out.
    check_repeats(data, _MOST_VALUES)
    return data


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise NotPlain(f"it holds {module}.{name}")

    def persistent_load(self, name: Any) -> NoReturn:
        raise NotPlain("it refers to something outside the file")
