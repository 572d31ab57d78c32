from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.gui.names_on_canvas import choose_sides

SIZE = (60.0, 12.0)


def overlap(boxes: np.ndarray) -> float:
    """Square pixels that names have in common."""
    total = 0.0
    for k, one in enumerate(boxes):
        for other in boxes[:k]:
            common = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
            total += float(common.clip(0).prod())
    return total


def placed(points: np.ndarray, before: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    return choose_sides(points, np.tile(SIZE, (len(points), 1)), 8.0, before)


def test_a_name_with_room_stands_at_the_right_of_its_point() -> None:
    sides, boxes = placed(np.array([[10.0, 20.0], [10.0, 60.0]]))
    assert sides.tolist() == [0, 0]
    np.testing.assert_allclose(boxes[0], [[18, 14], [78, 26]])


def test_names_of_neighbours_go_to_different_sides() -> None:
    points = np.array([[100.0, 50.0], [103.0, 55.0], [98.0, 58.0]])
    sides, boxes = placed(points)
    assert len(set(sides)) == 3
    assert overlap(boxes) == 0


def test_a_name_does_not_lie_on_another_point() -> None:
    sides, _ = placed(np.array([[100.0, 50.0], [130.0, 50.0]]))
    assert sides.tolist() == [1, 0]


def test_names_stay_where_they_were_until_they_are_in_the_way() -> None:
    before = np.array([1, 0])
    sides, _ = placed(np.array([[100.0, 50.0], [100.0, 90.0]]), before)
    assert sides.tolist() == [1, 0]
    sides, boxes = placed(np.array([[100.0, 50.0], [25.0, 52.0]]), before)
    assert overlap(boxes) == 0


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_names_never_overlap_more_than_all_at_the_right_of_their_points(
    count: int, seed: int
) -> None:
    points = np.random.default_rng(seed).uniform(0, 300, (count, 2))
    _, boxes = placed(points)
    right = points[:, None] + np.array([[8.0, -6.0], [68.0, 6.0]])
    # Sides are chosen one after the other, which may cost a little; it is far from what it saves.
    assert overlap(boxes) <= overlap(right) + 60
