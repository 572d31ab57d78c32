from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.frame_range import frame_range, name_runs, parse_frames, runs_of

part = st.none() | st.integers(-30, 30)


@given(part, part, st.none() | st.integers(1, 7))
def test_the_text_means_what_it_means_in_python(start, stop, step):
    text = ":".join("" if number is None else str(number) for number in (start, stop, step))
    assert parse_frames(text) == slice(start, stop, step)
    expected = range(20)[start:stop:step]
    if len(expected):
        assert frame_range(text, 20, "a.mp4") == expected
    else:
        with pytest.raises(VitFaceError, match=r"a\.mp4 has 20 frames, and none of them"):
            frame_range(text, 20, "a.mp4")


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:2:3:4", "1.5:3", "0:9:0", "9:0:-1"])
def test_anything_else_is_refused_with_a_sentence(text):
    with pytest.raises(VitFaceError, match=r"START:STOP:STEP|step of the frames"):
        parse_frames(text)


def test_a_range_must_lie_in_the_video():
    assert frame_range(range(2, 8, 3), 8, "a.mp4") == range(2, 8, 3)
    assert frame_range(None, 8, "a.mp4") == range(8)
    for frames in (range(5, 12), range(-2, 3), range(5, 0, -1)):
        with pytest.raises(VitFaceError, match="frames 0 to 7"):
            frame_range(frames, 8, "a.mp4")


@given(st.sets(st.integers(0, 60)))
def test_runs_hold_every_frame_once_and_none_else(frames):
    runs = runs_of(sorted(frames))
    assert [f for a, b in runs for f in range(a, b + 1)] == sorted(frames)
    assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(runs))


def test_runs_are_named_and_many_are_counted():
    assert name_runs([]) == ""
    assert name_runs([(3, 3)]) == "3"
    assert name_runs([(3, 3), (7, 12), (40, 40)]) == "3, 7-12 and 40"
    assert name_runs([(10 * i, 10 * i + 1) for i in range(100)]).endswith(
        "90-91, 100-101, 110-111 and 176 more"
    )
