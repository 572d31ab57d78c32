"""Keypoints are found by what they are of the face, whatever they are called."""

from __future__ import annotations

import pytest

from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.roles import roles_of

FACEMAP = ("eye(back)", "eye(bottom)", "eye(front)", "eye(top)", "lowerlip", "mouth",
           "nose(bottom)", "nose(r)", "nose(tip)", "nose(top)", "nosebridge", "paw",
           "whisker(I)", "whisker(III)", "whisker(II)")  # fmt: skip


def test_ours_and_facemaps_names_say_their_role() -> None:
    ours, theirs = roles_of(MOUSE_FACE.names), roles_of(FACEMAP)
    assert ours["eye-top"] == ("eye top",)
    assert ours["whisker"] == ("whisker 1", "whisker 2", "whisker 3")
    assert ours["mouth"] == ("mouth", "lip")
    assert theirs["eye-back"] == ("eye(back)",)
    assert theirs["nose"] == ("nose(bottom)", "nose(r)", "nose(tip)", "nose(top)")
    assert theirs["whisker"] == ("whisker(I)", "whisker(III)", "whisker(II)")
    assert theirs["paw"] == ("paw",)


def test_what_is_said_comes_before_what_names_say() -> None:
    assert roles_of(("A", "nose"), {"nose": ("A",)})["nose"] == ("A",)
    with pytest.raises(ValueError, match="no keypoint 'B'"):
        roles_of(("A",), {"nose": ("B",)})
    with pytest.raises(ValueError, match="no role 'ear'"):
        roles_of(("A",), {"ear": ("A",)})
