from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.pose.keypoints import (
    MOUSE_FACE,
    KeypointSet,
    distinct_colours,
)

names = st.lists(
    st.text(min_size=1).filter(lambda name: bool(name.strip())), min_size=1, unique=True
)


@given(names, st.data())
def test_a_set_survives_json(names: list[str], data: st.DataObject) -> None:
    pairs = st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=4)
    keypoints = KeypointSet(tuple(names), tuple(data.draw(pairs)), tuple(data.draw(pairs)))
    assert KeypointSet.from_dict(json.loads(json.dumps(keypoints.to_dict()))) == keypoints


def test_names_have_positions() -> None:
    assert MOUSE_FACE.index("nose tip") == 5
    assert len(MOUSE_FACE) == 12
    with pytest.raises(KeyError, match="no keypoint 'ear'; there are: eye top, eye front"):
        MOUSE_FACE.index("ear")


def test_edges_are_pairs_of_positions() -> None:
    assert KeypointSet(("a", "b", "c"), skeleton=(("c", "a"),)).edges() == [(2, 0)]


@pytest.mark.parametrize("names", [(), ("a", "a"), ("a", " "), ("a", "")])
def test_names_are_unique_and_not_empty(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="unique and not empty"):
        KeypointSet(names)


@pytest.mark.parametrize("field", ["skeleton", "swaps"])
def test_pairs_join_keypoints_of_the_set(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} names keypoints .*\['tail'\]"):
        KeypointSet(("a", "b"), **{field: (("a", "tail"),)})


def test_there_is_one_colour_a_keypoint() -> None:
    with pytest.raises(ValueError, match="2 keypoints but 1 colour"):
        KeypointSet(("a", "b"), colours=("#ff0000",))


@pytest.mark.parametrize("count", [1, 12, 40])
def test_colours_differ(count: int) -> None:
    assert len(set(distinct_colours(count))) == count
