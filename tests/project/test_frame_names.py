from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.project.frame_names import ListedFrames, NumberedFrames


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "img0007.png"),
        (["img00051.png"], "img00007.png"),
        (["img5.png", "img51.png", "img512.png"], "img7.png"),
        (["img0051.png", "img12345.png"], "img0007.png"),
        (["no number.png"], "img0007.png"),
        (["img07.png", "img10.png"], "img07.png"),
        (["cam_7.png"], "cam_7.png"),
    ],
)
def test_names_of_new_images_follow_those_that_are_there(there: list[str], expected: str) -> None:
    assert NumberedFrames(there).name(7) == expected


@given(st.lists(st.integers(0, 10**7), max_size=5), st.integers(1, 8), st.integers(0, 10**7))
def test_a_frame_is_found_again_by_the_name_of_its_image(
    there: list[int], digits: int, frame: int
) -> None:
    names = NumberedFrames(f"img{number:0{digits}d}.png" for number in there)
    assert names.frame(names.name(frame)) == frame
    assert names.frame_of_key(names.key(frame)) == frame


def test_frames_of_a_folder_are_its_files() -> None:
    names = ListedFrames(["a.png", "b_7.png", "c.png"])
    assert [names.frame(name) for name in ("a.png", "c.png", "d.png")] == [0, 2, None]
    assert names.name(1) == "b_7.png"
    assert names.frame_of_key("b_7.png") == names.frame_of_key(7) == 1
    # One that has gone is kept behind the others, always in the same place.
    assert names.frame_of_key("d.png") == names.frame_of_key("d.png") == 3
    assert names.name(3) == "d.png"
    assert names.frame_of_key(12) == 4
    assert names.name(4) == "img0012.png"
