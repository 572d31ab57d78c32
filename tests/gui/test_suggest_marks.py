from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_vitface.gui.open_video import OpenVideo, Suggestion
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.edits import LabelEdit, make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, Point, labelled
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from conftest import Pump

KEYPOINTS = KeypointSet(("eye", "nose tip", "mouth"))


def poses(count: int = 40, low: dict[tuple[int, int], float] | None = None) -> PoseTable:
    """Sure predictions but for some (frame, keypoint)."""
    xy = np.full((count, 3, 2), 20.0, dtype=np.float32)
    confidence = np.full((count, 3), 0.9, dtype=np.float32)
    for place, value in (low or {}).items():
        confidence[place] = value
    return PoseTable(KEYPOINTS, xy, confidence)


@pytest.fixture
def opened(session: Workbench, video_path: Path) -> OpenVideo:
    return session.add_video(open_for_window(video_path))


@pytest.fixture
def label(session: Workbench, opened: OpenVideo, tmp_path: Path, pump: Pump) -> Callable[..., None]:
    """Say something about points of the video, in a project of its own."""
    session.labelling.documents.create(tmp_path / "project", KEYPOINTS, "me")
    pump.until(lambda: session.labelling.document is not None)

    def do(points: dict[tuple[int, int], Point]) -> None:
        edit = make_edit(session.labelling.labels, "place points", points)
        assert isinstance(edit, LabelEdit)
        assert session.labelling.do(edit)

    return do


def count_changes(session: Workbench) -> list[None]:
    told: list[None] = []
    assert session.marks is not None
    session.marks.changed.connect(lambda: told.append(None))
    return told


def test_without_a_video_nothing_is_marked(session: Workbench) -> None:
    assert session.marks.suggested == {}
    assert session.marks.low_confidence.tolist() == []


def test_frames_with_a_doubtful_prediction_are_marked(
    session: Workbench, opened: OpenVideo
) -> None:
    told = count_changes(session)
    session.set_poses(opened, poses(low={(3, 1): 0.5, (9, 0): 0.1, (9, 2): 0.7}), "a")
    assert told
    assert session.marks.low_confidence.tolist() == [3, 9]
    told.clear()
    session.marks.threshold = 0.2
    assert told
    assert session.marks.low_confidence.tolist() == [9]
    session.marks.threshold = 0.95
    assert session.marks.low_confidence.tolist() == list(range(40))
    session.set_poses(opened, None, "b")
    assert session.marks.low_confidence.tolist() == []


def test_what_was_not_predicted_is_not_doubtful(session: Workbench, opened: OpenVideo) -> None:
    table = PoseTable.empty(KEYPOINTS, 40)
    table.xy[5, 0], table.confidence[5, 0], table.state[5, 0] = (4, 4), 0.3, 1
    session.set_poses(opened, table, "a")
    assert session.marks.low_confidence.tolist() == [5]


def test_labels_settle_doubts_and_undo_brings_them_back(
    session: Workbench, opened: OpenVideo, label: Callable[..., None]
) -> None:
    session.set_poses(opened, poses(low={(3, 1): 0.5, (7, 0): 0.1, (7, 2): 0.2, (9, 0): 0.3}), "a")
    assert session.marks.low_confidence.tolist() == [3, 7, 9]
    told = count_changes(session)
    label({(7, 0): labelled(4, 5)})
    assert session.marks.low_confidence.tolist() == [3, 7, 9]
    assert not told
    label({(7, 2): NOT_VISIBLE})
    assert session.marks.low_confidence.tolist() == [3, 9]
    assert told
    # The same when it is counted from scratch.
    session.marks.threshold = 0.55
    assert session.marks.low_confidence.tolist() == [3, 9]
    session.labelling.undo()
    assert session.marks.low_confidence.tolist() == [3, 7, 9]


def test_a_labelled_frame_is_suggested_no_longer(
    session: Workbench, opened: OpenVideo, label: Callable[..., None]
) -> None:
    told = count_changes(session)
    session.marks.suggest(opened, [Suggestion(8, "blurred"), Suggestion(2, "dark")])
    assert list(session.marks.suggested.items()) == [(8, "blurred"), (2, "dark")]
    told.clear()
    label({(8, 1): labelled(1, 1)})
    assert told
    assert session.marks.suggested == {2: "dark"}
    assert [suggestion.frame for suggestion in session.marks.suggestions] == [8, 2]
    session.labelling.undo()
    assert list(session.marks.suggested) == [8, 2]


def test_each_video_has_its_own_suggestions(
    session: Workbench, opened: OpenVideo, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    session.marks.suggest(opened, [Suggestion(8, "blurred")])
    other = session.add_video(open_for_window(write_video(tmp_path / "other.mp4")))
    assert session.marks.suggested == {}
    session.marks.suggest(other, [Suggestion(1, "dark")])
    session.videos.show(opened)
    assert session.marks.suggested == {8: "blurred"}
