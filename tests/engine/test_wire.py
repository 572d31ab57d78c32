from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_vitface.engine.wire import WireError, encode_message, read_message, write_message
from napari_vitface.jobs.events import AttentionComputed, Failed, Finished, PosesPredicted, Progress
from napari_vitface.jobs.results.models import ExportResult

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def round_trip(message: object) -> object:
    stream = io.BytesIO()
    write_message(stream, message)
    assert stream.getvalue() == encode_message(message)
    stream.seek(0)
    answer = read_message(stream)
    assert stream.read() == b""
    return answer


@given(plain)
def test_plain_values_arrive_as_they_were_sent(value):
    assert round_trip(value) == value


@given(
    npst.arrays(
        st.sampled_from([np.float32, np.int64, np.uint8, np.bool_, ">f8"]),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_arrays_keep_their_shape_type_and_bits(array):
    answer = round_trip({"a": array})["a"]
    assert answer.dtype == array.dtype
    assert answer.shape == array.shape
    assert answer.tobytes() == array.tobytes()
    answer[...] = 0  # an array that arrived can be written to


def test_an_array_that_is_a_view_arrives_whole():
    array = np.arange(24).reshape(4, 6)[::2, ::-1]
    np.testing.assert_array_equal(round_trip(array), array)


def test_events_arrive_as_events():
    event = PosesPredicted(
        np.array([3, 4]), np.full((2, 1, 2), np.nan, np.float32), np.ones((2, 1), np.float32)
    )
    answer = round_trip(event)
    assert isinstance(answer, PosesPredicted)
    np.testing.assert_array_equal(answer.xy, event.xy)
    attention = AttentionComputed(
        7, ("eye top",), *np.ones((2, 1, 2)), (16.0, 16.0), (7.5, 7.5), *np.ones((4, 1, 2))
    )
    answer = round_trip(attention)
    assert (answer.names, answer.scale) == (("eye top",), (16.0, 16.0))
    assert round_trip(Progress(1, 2, None, "µ ü")) == Progress(1, 2, None, "µ ü")


def test_results_arrive_as_what_they_are_and_the_window_knows_those_of_all_jobs():
    sent = Finished("export", ExportResult("mouse-face", "a.onnx", 1.5, None))
    assert round_trip(sent) == sent
    window = "import napari_vitface.engine; from napari_vitface.record import Record"
    jobs = (
        "import pkgutil, napari_vitface.jobs as jobs; [__import__(module.name) for module in "
        "pkgutil.walk_packages(jobs.__path__, jobs.__name__ + '.')]"
    )
    known = [
        subprocess.check_output([sys.executable, "-c", f"{code}; print(*sorted(Record.known))"])
        for code in (window, f"{window}; {jobs}")
    ]
    assert known[0] == known[1]
    assert b"ExportResult" in known[0]


def test_paths_ranges_slices_and_numpy_scalars_travel():
    path = Path("a") / "b ü.mp4"
    sent = {"p": path, "r": range(1, 9, 2), "s": slice(None, 3), "n": np.float32(0.5)}
    assert round_trip(sent) == {
        "p": str(path),
        "r": range(1, 9, 2),
        "s": slice(None, 3),
        "n": 0.5,
    }


@pytest.mark.parametrize("value", [object(), np.array([object()]), lambda: 0, {1, 2}])
def test_objects_do_not_travel(value):
    with pytest.raises(TypeError, match="cannot be sent"):
        encode_message({"value": value})


def test_foreign_bytes_are_refused_and_nothing_is_unpickled():
    with pytest.raises(WireError):
        read_message(io.BytesIO(pickle.dumps({"type": "ready"})))
    with pytest.raises(WireError, match="unknown record"):
        read_message(io.BytesIO(_message('{"$record":["subprocess.Popen",{}]}')))
    with pytest.raises(WireError, match="Python objects"):
        read_message(io.BytesIO(_message('{"$array":0}', '[["|O",[1]]]')))
    with pytest.raises(WireError, match="SyntaxError"):
        read_message(io.BytesIO(_message('{"$array":0}', f'[["{"9" * 5000}",[1]]]')))


@given(st.integers(0, 200))
def test_a_message_that_is_cut_off_is_an_end(length):
    data = encode_message({"a": np.arange(30, dtype=np.int64)})
    with pytest.raises(EOFError):
        read_message(io.BytesIO(data[: min(length, len(data) - 1)]))


def test_failed_keeps_its_detail():
    assert round_trip(Failed("predict", "No.", "line\nline")).detail == "line\nline"


def _message(body: str, buffers: str = "[]") -> bytes:
    header = f'{{"body":{body},"buffers":{buffers}}}'.encode()
    return b"VTF1" + len(header).to_bytes(4, "little") + header
