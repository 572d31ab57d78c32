"""Intervals of a video, in order, and edits of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.events.intervals import EventEdit, Events, Interval, checked_label, make_edit

INTERVALS = st.builds(
    lambda onset, length, label: Interval(onset, onset + length, label),
    st.integers(0, 40),
    st.integers(0, 12),
    st.sampled_from(["groom", "shock"]),
)


@pytest.mark.parametrize(
    "values",
    [(-1, 3, "a"), (5, 4, "a"), (0, 1 << 50, "a"), (0, 1, ""), (0, 1, " a"), (0, 1, "n/a")],
)
def test_what_is_no_interval(values: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Interval(*values)


@pytest.mark.parametrize("text", ["", "  ", "NaN", "n/a", "a\tb", "a\nb", "\ufeffa", "x" * 101])
def test_what_is_no_label(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be a label"):
        checked_label(text)


def test_a_label_has_no_spaces_around_it() -> None:
    assert checked_label("  tail shock ") == "tail shock"


def test_a_point_event_is_seen_in_one_frame() -> None:
    point = Interval(7, 7, "lick")
    assert point.is_point
    assert [f for f in range(5, 10) if point.overlaps(f, f + 1)] == [7]
    assert [f for f in range(5, 12) if Interval(7, 9, "lick").overlaps(f, f + 1)] == [7, 8]


@given(st.lists(INTERVALS), st.integers(0, 60), st.integers(0, 30))
def test_those_in_view_are_those_that_overlap_it(
    intervals: list[Interval], start: int, length: int
) -> None:
    expected = sorted(i for i in set(intervals) if i.overlaps(start, start + length))
    assert Events(intervals).within(start, start + length) == expected


@given(st.lists(INTERVALS), st.lists(INTERVALS), st.lists(INTERVALS), st.integers(0, 50))
def test_an_edit_is_taken_back_by_its_inverse(
    before: list[Interval], remove: list[Interval], add: list[Interval], at: int
) -> None:
    events = Events(before)
    edit = make_edit(events, "change", remove=remove, add=add)
    after = (set(before) - set(remove)) | set(add)
    if edit is None:
        assert after == set(before)
        return
    assert EventEdit.from_json(json.loads(json.dumps(edit.to_json()))) == edit
    events.apply(edit)
    assert events == Events(after)
    assert list(events) == sorted(after)
    # What was added is found in view too.
    assert events.within(at, at + 5) == Events(after).within(at, at + 5)
    events.apply(edit.inverse())
    assert events == Events(before)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"what": "x", "removed": []},
        {"what": "x", "removed": [], "added": [[1, 2]]},
        {"what": "x", "removed": [], "added": [[5, 2, "a"]]},
        {"what": 1, "removed": [], "added": []},
    ],
)
def test_what_is_no_edit_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"no (edit|interval)|ends at"):
        EventEdit.from_json(data)
