from __future__ import annotations

import numpy as np

from napari_vitface.pose.confidence import is_unsure, mostly_unsure, unsure_sentence


def test_a_frame_is_unsure_where_fewer_than_half_of_the_keypoints_are_sure() -> None:
    confidence = np.array([[0.9, 0.5, 0.1, 0.1], [0.9, 0.49, 0.1, 0.1], [0, 0, 0, 0]], np.float32)
    assert is_unsure(confidence).tolist() == [False, True, True]


def test_most_frames_are_more_than_half() -> None:
    assert mostly_unsure(3, 5)
    assert not mostly_unsure(2, 4)
    assert not mostly_unsure(0, 0)


def test_what_was_tried_is_not_proposed_again() -> None:
    assert "Find face" in unsure_sentence(3, 5, "mouse-face")
    assert "Find face" not in unsure_sentence(3, 5, "mouse-face", searched=True)
