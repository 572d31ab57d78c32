from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

TWO = KeypointSet(("eye", "nose"))
NAN = np.nan


def test_a_bare_table_knows_what_is_there() -> None:
    table = PoseTable(TWO, [[[1, 2], [NAN, NAN]], [[3, 4], [5, NAN]]])
    assert table.confidence.tolist() == [[1, 0], [1, 0]]
    assert table.state.tolist() == [[1, 0], [1, 0]]
    assert table.frames.tolist() == [0, 1]
    assert (table.xy.dtype, table.confidence.dtype) == (np.float32, np.float32)
    assert (table.state.dtype, table.frames.dtype) == (np.uint8, np.int64)


def test_rows_are_found_by_frame() -> None:
    table = PoseTable(TWO, np.zeros((3, 2, 2)), frames=[2, 5, 9])
    assert [table.row(frame) for frame in (2, 5, 9)] == [0, 1, 2]
    assert [table.row(frame) for frame in (-1, 0, 3, 10)] == [None] * 4


def test_a_dense_table_has_a_row_for_every_frame() -> None:
    table = PoseTable(
        TWO,
        np.arange(12).reshape(3, 2, 2),
        confidence=np.full((3, 2), 0.5),
        state=np.full((3, 2), PointState.LABELLED),
        frames=[1, 3, 4],
    )
    dense = table.dense(4)
    assert dense.frames.tolist() == [0, 1, 2, 3]
    assert np.isnan(dense.xy[[0, 2]]).all()
    np.testing.assert_array_equal(dense.xy[[1, 3]], table.xy[:2])
    assert dense.confidence.tolist() == [[0, 0], [0.5, 0.5], [0, 0], [0.5, 0.5]]
    assert dense.state[:, 0].tolist() == [0, PointState.LABELLED, 0, PointState.LABELLED]


def test_an_empty_table_has_no_points() -> None:
    table = PoseTable.empty(TWO, 3)
    assert len(table) == 3
    assert not table.state.any()
    assert len(PoseTable.empty(TWO, 0)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"xy": np.zeros((3, 3, 2))}, r"xy must have the shape \(frames, 2, 2\)"),
        ({"xy": np.zeros((3, 2))}, "xy must have the shape"),
        ({"confidence": np.zeros((3, 3))}, r"confidence must have the shape \(3, 2\)"),
        ({"state": np.zeros((2, 2))}, "state must have the shape"),
        ({"frames": [0, 1]}, "strictly increasing"),
        ({"frames": [0, 2, 2]}, "strictly increasing"),
        ({"frames": [2, 1, 3]}, "strictly increasing"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoseTable(TWO, **{"xy": np.zeros((3, 2, 2)), **arguments})  # type: ignore[arg-type]
