"""Plain data in pickles: read in every protocol, and nothing else carried out."""

from __future__ import annotations

import pickle
import pickletools
import struct
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.formats.plain_pickle import NotPlain, load_plain
from napari_vitface.formats.poses import read_poses

atoms = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text(max_size=8)
)  # fmt: skip
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(atoms, inner, max_size=3)
    ),
    max_leaves=12,
)
protocols = st.integers(0, pickle.HIGHEST_PROTOCOL)

called: list[Any] = []


def call(*arguments: Any) -> Any:
    called.append(arguments)
    return call


class Hostile:
    """Has `call` called as it is unpickled, in one of the ways of pickle."""

    def __init__(self, way: str) -> None:
        self.way = way

    def __reduce__(self) -> Any:
        return {
            "reduce": (call, (1,)),
            "state": (call, (), {"a": 1}),
            "items": (call, (), None, iter([1]), None),
        }[self.way]


hostile = st.sampled_from([*map(Hostile, ("reduce", "state", "items")), call, Hostile])


def only_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(only_plain, value))
    if isinstance(value, dict):
        return all(map(only_plain, [*value, *value.values()]))
    return value is None or type(value) in (bool, int, float, str)


@given(plain, protocols)
def test_plain_data_is_read_in_every_protocol(data: Any, protocol: int) -> None:
    assert load_plain(pickle.dumps(data, protocol)) == data


@given(plain, plain, hostile, protocols)
def test_nothing_is_called_wherever_it_stands(
    before: Any, after: Any, what: Any, protocol: int
) -> None:
    content = pickle.dumps([before, {"a": (what, after)}], protocol)
    with pytest.raises(NotPlain):
        load_plain(content)
    assert not called


@given(st.data(), protocols)
def test_damage_and_any_instructions_make_nothing_but_plain_data(
    data: st.DataObject, protocol: int
) -> None:
    # Instructions of every kind in any order, with what a module would be imported by.
    codes = st.sampled_from([one.code.encode("latin-1") for one in pickletools.opcodes])
    names = st.sampled_from([b"antigravity\nfly\n", b"\x8c\x0bantigravity", b"\x8c\x03fly", b"1\n"])
    stream = b"".join(data.draw(st.lists(codes | names | st.binary(max_size=3), max_size=30)))
    start = pickle.dumps(data.draw(plain), protocol)
    cut = data.draw(st.integers(0, len(start)))
    for content in (stream + b".", start[:cut] + stream + start[cut:]):
        with suppress(Exception):
            assert only_plain(load_plain(content))
    assert "antigravity" not in sys.modules


def doubled(times: int) -> bytes:
    """A list of two of a list of two of … , each two being one in memory."""
    step = b"".join(b"q%ch%c\x86" % (i, i) for i in range(times))
    return b"\x80\x02\x8c\x01a" + step + b"."


BOMBS = {
    "a memo by number": b"Np999999999\n.",
    "a memo by four bytes": b"Nr" + struct.pack("<I", 2**31) + b".",
    "bytes of any number": b"\x96" + struct.pack("<Q", 2**40) + b".",
    "a text of any length": b"\x8d" + struct.pack("<Q", 2**60) + b".",
    "a frame of any length": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "a number of any length": b"\x8b" + struct.pack("<I", 2**31 - 1) + b".",
    "digits": b"I" + b"9" * 100_000 + b"\n.",
    "doubled": doubled(250),
    "nested": b"]" + b"\x85" * 100_000 + b".",
    "itself": b"]q\x00h\x00a.",
    "more than columns need": b"\x80\x02(" + b"]" * (1 << 22) + b"l.",
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_few_bytes_make_no_more_than_a_few(what: str) -> None:
    content = BOMBS[what]
    tracemalloc.start()
    try:
        with pytest.raises((NotPlain, ValueError, RecursionError, pickle.UnpicklingError)):
            load_plain(content)
        assert tracemalloc.get_traced_memory()[1] < 200 * len(content) + (1 << 20)
    finally:
        tracemalloc.stop()


def test_doubling_is_read_as_long_as_it_means_little() -> None:
    data: Any = "a"
    for _ in range(10):
        data = (data, data)
    assert load_plain(doubled(10)) == data


@pytest.mark.parametrize("times", [25, 250])
@pytest.mark.parametrize(
    ("place", "attribute"),
    [
        ("df_with_missing", "info"),
        ("df_with_missing", "non_index_axes"),
        ("df_with_missing", "values_cols"),
        ("df_with_missing/table", "values_block_0_kind"),
    ],
)
def test_a_table_whose_names_double_is_refused(
    tmp_path: Path, place: str, attribute: str, times: int
) -> None:
    path = tmp_path / "p.h5"
    columns = pd.MultiIndex.from_product([["A"], ["nose"], ["x", "y", "likelihood"]])
    table = pd.DataFrame([[1.0, 2.0, 0.5]], columns=columns)
    table.to_hdf(path, key="df_with_missing", mode="w", format="table")
    content = doubled(times)
    with h5py.File(path, "r+") as file:
        # A list of it, as a list is expected in each place.
        file[place].attrs[attribute] = np.bytes_(content[:2] + b"]" + content[2:-1] + b"a.")
    with pytest.raises(LabelError, match=r"p\.h5 cannot be read"):
        read_poses(path)
