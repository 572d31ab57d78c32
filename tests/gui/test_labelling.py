"""Labelling without a window: the document, the commands, undo and redo, getting around."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.gui.correct import project_places
from napari_vitface.gui.correct.labelling import Labelling
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.overlays import KEYPOINTS
from napari_vitface.pose.edits import PredictionEdit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, labelled, occluded
from napari_vitface.pose.table import PoseTable
from napari_vitface.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump
    from napari.components import ViewerModel
    from napari.layers import Points

    from napari_vitface.gui.workbench import Workbench

FACE = KeypointSet(("nose", "left ear", "right ear"), swaps=(("left ear", "right ear"),))
NOSE, LEFT, RIGHT = range(3)


def predictions(count: int = 40) -> PoseTable:
    xy = np.zeros((count, 3, 2), np.float32)
    xy[:, NOSE] = 30, 40
    xy[:, LEFT] = 50, 20
    xy[:, RIGHT] = np.nan
    confidence = np.full((count, 3), 0.5, np.float32)
    return PoseTable(FACE, xy, confidence)


@pytest.fixture
def told(session: Workbench) -> list[str]:
    heard: list[str] = []
    session.told.connect(lambda text, level: heard.append(text))
    return heard


@pytest.fixture
def hints(session: Workbench) -> list[str]:
    heard: list[str] = []
    session.labelling.hinted.connect(lambda text: text and heard.append(text))
    return heard


@pytest.fixture
def labelling(session: Workbench, pump: Pump, video_path: Path, tmp_path: Path) -> Labelling:
    """A video with predictions, in a new project."""
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: not session.labelling.documents.opening)
    session.set_poses(opened, predictions(), session.model_name)
    session.labelling.documents.create(tmp_path / "project", FACE, "me")
    pump.until(lambda: session.labelling.document is not None)
    return session.labelling


def saved_table(labelling: Labelling) -> Any:
    import pandas as pd

    assert labelling.project is not None
    (path,) = labelling.project.folder.glob("labeled-data/mouse/CollectedData_me.h5")
    return pd.read_hdf(path)


# --------------------------------------------------------------------- edits


def test_a_label_is_shown_over_the_prediction_and_only_in_its_frame(
    labelling: Labelling, session: Workbench
) -> None:
    assert labelling.move({NOSE: (60.25, 70.5)})
    assert labelling.labels.point(0, NOSE) == labelled(60.25, 70.5)
    np.testing.assert_array_equal(session.shown_pose(0).xy[NOSE], [60.25, 70.5])
    np.testing.assert_array_equal(session.shown_pose(1).xy[NOSE], [30, 40])


def test_the_layer_shows_the_edit_at_once(labelling: Labelling, session: Workbench) -> None:
    layer: Points = session.viewer.layers[KEYPOINTS]
    labelling.move({NOSE: (60.25, 70.5)})
    np.testing.assert_array_equal(layer.data[NOSE], [70.5, 60.25])
    assert layer.features["state"][NOSE] == "labelled"
    assert layer.border_width[NOSE] > 0
    assert layer.border_width[LEFT] == 0


@pytest.mark.parametrize(
    ("command", "selected", "expected"),
    [
        ("delete", [NOSE], {NOSE: NOT_VISIBLE}),
        ("occlude", [NOSE], {NOSE: occluded(30, 40)}),
        ("occlude", [RIGHT], {RIGHT: NOT_VISIBLE}),
        ("accept_all", [], {NOSE: labelled(30, 40), LEFT: labelled(50, 20)}),
        ("accept_selected", [LEFT, RIGHT], {LEFT: labelled(50, 20)}),
        ("nudge_right", [NOSE], {NOSE: labelled(31, 40)}),
        ("nudge_up", [NOSE, LEFT], {NOSE: labelled(30, 39), LEFT: labelled(50, 19)}),
        ("swap", [NOSE, LEFT], {NOSE: labelled(50, 20), LEFT: labelled(30, 40)}),
        ("swap", [], {LEFT: NOT_VISIBLE, RIGHT: labelled(50, 20)}),
    ],
)
def test_commands(
    labelling: Labelling, command: str, selected: list[int], expected: dict[int, Any]
) -> None:
    labelling.selection.select(selected)
    labelling.run(command)
    said = {k: labelling.labels.point(0, k) for k in range(3)}
    assert said == {k: expected.get(k, ABSENT) for k in range(3)}
    # Each is one step of undo.
    labelling.run("undo")
    assert len(labelling.labels) == 0
    assert not labelling.document.history.can_undo
    labelling.run("redo")
    assert {k: labelling.labels.point(0, k) for k in range(3)} == said


def test_what_was_said_can_be_taken_back(labelling: Labelling, session: Workbench) -> None:
    labelling.selection.select([NOSE])
    labelling.run("delete")
    assert not session.shown_pose(0).drawn[NOSE]
    labelling.run("forget")
    assert session.shown_pose(0).drawn[NOSE]
    assert len(labelling.labels) == 0


def test_a_deleted_point_does_not_come_back_with_new_predictions(
    labelling: Labelling, session: Workbench
) -> None:
    labelling.delete([NOSE])
    session.set_poses(session.current, predictions(), session.model_name)
    assert not session.shown_pose(0).drawn[NOSE]
    assert not session.viewer.layers[KEYPOINTS].shown[NOSE]


def test_clicks_place_what_is_missing_in_order(
    labelling: Labelling, session: Workbench, hints: list[str]
) -> None:
    session.set_poses(session.current, None, session.model_name)
    targets = []
    for place in ((1.5, 2), (3, 4), (5, 6)):
        targets.append(labelling.selection.target)
        assert labelling.place(*place)
    assert targets == [NOSE, LEFT, RIGHT]
    np.testing.assert_array_equal(labelling.labels.xy(0), [[1.5, 2], [3, 4], [5, 6]])
    assert labelling.selection.target is None
    assert not labelling.place(9, 9)
    assert "Every keypoint" in hints[-1]


def test_a_click_places_what_was_chosen_in_the_list(labelling: Labelling) -> None:
    assert labelling.selection.target == RIGHT
    labelling.selection.choose(NOSE)
    labelling.place(7, 8)
    assert labelling.labels.point(0, NOSE) == labelled(7, 8)
    # The choice is used up.
    assert labelling.selection.target == RIGHT


def test_what_is_not_visible_is_not_missing(labelling: Labelling) -> None:
    labelling.delete([RIGHT])
    assert labelling.selection.target is None


def test_a_click_outside_of_the_frame_places_nothing(
    labelling: Labelling, hints: list[str]
) -> None:
    assert not labelling.place(200, 10)
    assert len(labelling.labels) == 0
    assert "outside" in hints[-1]


def test_copying_from_the_frame_before(labelling: Labelling, session: Workbench) -> None:
    labelling.move({NOSE: (1, 2), RIGHT: (3, 4)}, frame=5)
    labelling.delete([LEFT])
    session.go_to(9)
    labelling.move({NOSE: (11, 12)})
    labelling.run("copy_previous")
    assert labelling.labels.point(9, NOSE) == labelled(11, 12)
    assert labelling.labels.point(9, RIGHT) == labelled(3, 4)
    assert labelling.document.history.undo_text == "copy right ear from frame 5"


def test_nothing_selected_is_a_hint_and_no_edit(labelling: Labelling, hints: list[str]) -> None:
    for command in ("delete", "occlude", "forget", "nudge_left", "accept_selected"):
        hints.clear()
        labelling.run(command)
        assert "Select a point" in hints[-1]
    assert len(labelling.labels) == 0


def test_keypoints_are_selected_one_after_the_other(labelling: Labelling) -> None:
    seen = []
    for command in ["next_keypoint"] * 4 + ["previous_keypoint"] * 2:
        labelling.run(command)
        seen.append(labelling.selection.indices)
    assert seen == [(0,), (1,), (2,), (0,), (2,), (1,)]


# --------------------------------------------------------------------- undo


def test_undo_goes_to_the_frame_that_it_changes(labelling: Labelling, session: Workbench) -> None:
    for frame in (3, 17, 30):
        session.go_to(frame)
        labelling.move({NOSE: (frame, frame)})
    session.go_to(39)
    visited = []
    while labelling.document.history.can_undo:
        labelling.run("undo")
        visited.append(session.frame)
    assert visited == [30, 17, 3]
    assert len(labelling.labels) == 0
    for frame in (3, 17, 30):
        labelling.run("redo")
        assert session.frame == frame
    assert labelling.labels.frames().tolist() == [3, 17, 30]


def test_undo_goes_on_behind_a_save(labelling: Labelling, session: Workbench) -> None:
    labelling.move({NOSE: (1, 2)})
    labelling.move({NOSE: (3, 4)})
    assert labelling.saving.save()
    labelling.run("undo")
    assert labelling.labels.point(0, NOSE) == labelled(1, 2)
    labelling.run("undo")
    assert labelling.labels.point(0, NOSE) == ABSENT
    assert labelling.saving.save()
    assert len(saved_table(labelling).dropna(how="all")) == 0


def test_an_edit_of_predictions_is_undone_in_turn(labelling: Labelling, session: Workbench) -> None:
    labelling.move({NOSE: (1, 2)})
    raw = session.predictions
    operation = {"smooth": "median", "window": 5, "model": session.current.model}
    assert labelling.do(PredictionEdit("smooth", operation))
    assert labelling.document.operations == [operation]
    labelling.run("undo")
    assert labelling.document.operations == []
    assert session.predictions is raw
    assert labelling.labels.point(0, NOSE) == labelled(1, 2)


# --------------------------------------------------------------------- on disk


def test_saving_writes_what_deeplabcut_reads(labelling: Labelling) -> None:
    labelling.move({NOSE: (60.123456789, 70.5)}, frame=12)
    assert labelling.saving.line == "1 edit since the last save, safe in the journal."
    assert labelling.saving.save()
    assert labelling.saving.line == "Saved."
    table = saved_table(labelling)
    assert table.index.tolist() == [("labeled-data", "mouse", "img0012.png")]
    assert table[("me", "nose", "x")].iloc[0] == 60.123456789
    images = labelling.project.folder / "labeled-data"
    assert (images / "mouse" / "img0012.png").is_file()
    # What is not there any more is not said to be saved.
    images.rename(images.with_name("moved"))
    assert labelling.saving.line.startswith(f"{images} is not there")


def test_an_edit_that_was_undone_and_redone_counts_once(labelling: Labelling) -> None:
    for x in range(5):
        labelling.move({NOSE: (x, 2)})
    labelling.undo()
    assert labelling.documents.edits == 4
    labelling.redo()
    assert labelling.documents.edits == 5
    labelling.saving.save()
    assert labelling.documents.edits == 0
    labelling.undo()
    labelling.undo()
    assert labelling.saving.line.startswith("2 edits since")
    labelling.move({NOSE: (9, 9)})
    assert labelling.documents.edits == 3


def test_labels_are_found_again_with_the_video(
    labelling: Labelling, session: Workbench, pump: Pump, video_path: Path, told: list[str]
) -> None:
    labelling.move({NOSE: (1.25, 2)}, frame=7)
    labelling.saving.save()
    labelling.move({LEFT: (3, 4)}, frame=8)
    session.viewer.layers.clear()
    session.add_video(open_for_window(video_path))
    pump.until(lambda: labelling.document is not None)
    assert labelling.labels.point(7, NOSE) == labelled(1.25, 2)
    assert labelling.labels.point(8, LEFT) == labelled(3, 4)
    assert told == ["Restored 1 edit of mouse.mp4 that had not been saved."]
    assert labelling.saving.line.startswith("1 edit since")


def test_changes_of_another_program_survive_a_save(labelling: Labelling, told: list[str]) -> None:
    labelling.move({NOSE: (1, 2)})
    labelling.saving.save()
    folder = labelling.project.folder / "labeled-data" / "mouse"
    change_on_disk(folder, ("me", "left ear"), (11.0, 12.0))
    labelling.move({RIGHT: (5, 6)})
    assert labelling.saving.save()
    assert labelling.labels.point(0, LEFT) == labelled(11, 12)
    table = saved_table(labelling)
    assert table[("me", "left ear", "x")].iloc[0] == 11
    assert table[("me", "right ear", "x")].iloc[0] == 5
    assert "Another program had changed 1 point" in told[-1]


def change_on_disk(folder: Path, column: tuple[str, str], place: tuple[float, float]) -> None:
    """Change a label as DeepLabCut would, in both of its files."""
    import pandas as pd

    path = folder / "CollectedData_me.h5"
    table = pd.read_hdf(path)
    for coordinate, value in zip("xy", place, strict=True):
        table.iloc[0, table.columns.get_loc((*column, coordinate))] = value
    table.to_hdf(path, key="df_with_missing", mode="w")
    table.to_csv(path.with_suffix(".csv"))


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_conflict_overwrites_nothing_until_it_is_decided(
    labelling: Labelling, session: Workbench, side: str
) -> None:
    labelling.move({NOSE: (1, 2)})
    labelling.saving.save()
    folder = labelling.project.folder / "labeled-data" / "mouse"
    change_on_disk(folder, ("me", "nose"), (21.0, 22.0))
    labelling.move({NOSE: (31, 32)})
    found: list[Any] = []
    labelling.saving.conflict_found.connect(found.append)
    assert not labelling.saving.save()
    assert found == [labelling.saving.conflict]
    assert saved_table(labelling)[("me", "nose", "x")].iloc[0] == 21
    assert labelling.labels.point(0, NOSE) == labelled(31, 32)
    assert labelling.saving.resolve({(0, NOSE): side})
    expected = labelled(31, 32) if side == "ours" else labelled(21, 22)
    assert labelling.labels.point(0, NOSE) == expected
    assert saved_table(labelling)[("me", "nose", "x")].iloc[0] == expected.x
    np.testing.assert_array_equal(session.viewer.layers[KEYPOINTS].data[NOSE], expected[1::-1])
    assert labelling.saving.conflict is None


def test_an_edit_that_cannot_be_made_safe_is_not_done(
    labelling: Labelling, session: Workbench, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(line: Any) -> None:
        raise LabelError("There is no space left for the journal.")

    monkeypatch.setattr(labelling.document.history, "record", full)
    assert not labelling.move({NOSE: (60, 70)})
    assert told == ["There is no space left for the journal."]
    assert labelling.labels.point(0, NOSE) == ABSENT
    # What is drawn is what is kept.
    np.testing.assert_array_equal(session.viewer.layers[KEYPOINTS].data[NOSE], [40, 30])


def test_a_folder_that_is_gone_is_told_and_nothing_is_lost(
    labelling: Labelling, told: list[str]
) -> None:
    labelling.move({NOSE: (1, 2)})
    shutil.rmtree(labelling.project.folder / "labeled-data")
    assert not labelling.saving.save()
    assert "not saved" in told[-1]
    assert labelling.labels.point(0, NOSE) == labelled(1, 2)
    assert labelling.saving.line.startswith("1 edit since")


# --------------------------------------------------------------------- projects


def test_the_first_edit_asks_where_and_is_kept(
    session: Workbench, pump: Pump, video_path: Path, tmp_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: not session.labelling.documents.opening)
    session.set_poses(opened, predictions(), session.model_name)
    labelling = session.labelling
    asked = []
    labelling.home_wanted.connect(lambda: asked.append(True))
    assert not labelling.move({NOSE: (60, 70)})
    assert asked == [True]
    # The project has its keypoints in another order.
    other = KeypointSet(("tail", "right ear", "left ear", "nose"))
    labelling.documents.create(tmp_path / "project", other, "me")
    pump.until(lambda: labelling.document is not None)
    assert labelling.labels.point(0, 3) == labelled(60, 70)
    np.testing.assert_array_equal(session.shown_pose(0).xy[2], [50, 20])
    assert not labelling.waits


def test_an_edit_that_nobody_wants_to_keep_is_not_shown(
    session: Workbench, pump: Pump, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: not session.labelling.documents.opening)
    session.set_poses(opened, predictions(), session.model_name)
    session.labelling.move({NOSE: (60, 70)})
    session.labelling.drop_waiting()
    np.testing.assert_array_equal(session.viewer.layers[KEYPOINTS].data[NOSE], [40, 30])


def test_a_second_video_goes_into_the_same_project(
    labelling: Labelling,
    session: Workbench,
    pump: Pump,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    labelling.move({NOSE: (1, 2)})
    first = session.current
    session.add_video(open_for_window(write_video(tmp_path / "second.mp4", 10)))
    pump.until(lambda: not labelling.documents.opening)
    assert labelling.document is None
    assert labelling.project is not None
    labelling.documents.add_current()
    pump.until(lambda: labelling.document is not None)
    assert [entry.name for entry in labelling.project.videos] == ["mouse", "second"]
    labelling.move({NOSE: (3, 4)})
    session.videos.show(first)
    assert labelling.labels.point(0, NOSE) == labelled(1, 2)


def test_keypoints_are_renamed_and_appended_with_their_labels(
    labelling: Labelling, session: Workbench
) -> None:
    labelling.move({NOSE: (1, 2), LEFT: (3, 4)})
    changed = []
    labelling.keypoints_changed.connect(lambda: changed.append(labelling.keypoints.names))
    new = KeypointSet(("snout", "left ear", "right ear", "tail"), (("snout", "tail"),))
    assert labelling.documents.change_keypoints(new, {"nose": "snout"})
    assert changed == [new.names]
    assert labelling.labels.point(0, 0) == labelled(1, 2)
    layer = session.viewer.layers[KEYPOINTS]
    assert list(layer.features["name"]) == list(new.names)
    labelling.move({3: (5, 6)})
    assert labelling.saving.save()
    table = saved_table(labelling)
    assert table[("me", "snout", "x")].iloc[0] == 1
    assert table[("me", "tail", "x")].iloc[0] == 5
    while labelling.document.history.can_undo:
        labelling.run("undo")
    assert len(labelling.labels) == 0


def test_a_deeplabcut_project_above_the_video_is_found(
    session: Workbench, pump: Pump, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    project = Project.create(tmp_path / "theirs", FACE, "them")
    path = write_video(project.folder / "videos" / "a.mp4", 10)
    project.add_video(path)
    session.add_video(open_for_window(path))
    pump.until(lambda: session.labelling.document is not None)
    assert session.labelling.project.scorer == "them"


def test_a_project_asked_for_while_it_is_being_found_is_opened_once(
    session: Workbench,
    pump: Pump,
    tmp_path: Path,
    write_video: Callable[..., Path],
    told: list[str],
) -> None:
    project = Project.create(tmp_path / "theirs", FACE, "them")
    path = write_video(project.folder / "videos" / "a.mp4", 10)
    project.add_video(path)
    session.add_video(open_for_window(path))
    documents = session.labelling.documents
    assert documents.opening
    documents.open(project.folder)
    pump.until(lambda: not documents.opening)
    assert session.labelling.document is not None
    assert session.labelling.project.scorer == "them"
    assert documents.problem == ""
    assert told == []


def test_another_program_s_config_beside_the_video_is_left_alone(
    session: Workbench, pump: Pump, video_path: Path, told: list[str]
) -> None:
    video_path.with_name("config.yaml").write_text("learning_rate: 3\n")
    session.add_video(open_for_window(video_path))
    pump.until(lambda: not session.labelling.documents.opening)
    assert session.labelling.document is None
    assert told == []


def test_two_windows_do_not_edit_the_same_labels(
    labelling: Labelling, video_path: Path, tmp_path: Path
) -> None:
    project = Project.open(tmp_path / "project")
    with pytest.raises(LabelError, match="already open"):
        project.document(video_path)


def test_closing_lets_go_of_labels_and_keys(
    labelling: Labelling, session: Workbench, video_path: Path, tmp_path: Path
) -> None:
    viewer = session.viewer
    labelling.move({NOSE: (1, 2)})
    assert viewer.keymap
    session.close()
    assert not viewer.keymap
    document = Project.open(tmp_path / "project").document(video_path)
    assert document.labels.point(0, NOSE) == labelled(1, 2)
    document.close()


@pytest.mark.skipif(os.name != "posix", reason="a folder that is in use stays")
def test_without_a_video_it_does_not_matter_where_napari_was_started(
    session: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert not session.labelling.documents.opening


def test_places_of_projects_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    video = tmp_path / "v.mp4"
    for name in ("one", "two", "one"):
        project_places.remember(video, tmp_path / name)
    assert project_places.used_before(video) == [tmp_path / "one", tmp_path / "two"]
    assert project_places.used_before(tmp_path / "w.mp4") == []
    # A damaged list is no obstacle.
    next(tmp_path.glob("state/*/projects.json")).write_text("{")
    assert project_places.used_before(video) == []


# --------------------------------------------------------------------- getting around


def test_steps_between_frames(labelling: Labelling, session: Workbench, hints: list[str]) -> None:
    for frame in (4, 20):
        labelling.move({NOSE: (1, 1)}, frame=frame)
    visited = []
    for command in ("next_labelled", "next_labelled", "next_labelled", "previous_labelled"):
        labelling.run(command)
        visited.append(session.frame)
    assert visited == [4, 20, 20, 4]
    assert any("no labelled frame after" in hint for hint in hints)
    labelling.run("previous_frame")
    assert session.frame == 3
    session.go_to(39)
    labelling.run("next_frame")
    assert session.frame == 39


# --------------------------------------------------------------------- the layer's own commands


def test_napari_s_delete_means_not_visible(
    labelling: Labelling, session: Workbench, viewer_model: ViewerModel
) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    layer.selected_data = {NOSE}
    assert labelling.selection.indices == (NOSE,)
    layer.remove_selected()
    assert labelling.labels.point(0, NOSE) == NOT_VISIBLE
    assert len(layer.data) == 3
    assert layer.shown.tolist() == [False, True, False]
    assert list(layer.features["name"]) == list(FACE.names)


def test_selecting_everything_and_deleting_leaves_missing_points_alone(
    labelling: Labelling, viewer_model: ViewerModel
) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    layer.selected_data = {NOSE, LEFT, RIGHT}
    assert labelling.selection.indices == (NOSE, LEFT)
    layer.remove_selected()
    assert labelling.labels.point(0, RIGHT) == ABSENT
    assert labelling.labels.point(0, LEFT) == NOT_VISIBLE


def test_napari_s_point_tool_places(labelling: Labelling, viewer_model: ViewerModel) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    viewer_model.layers.selection.active = layer
    layer.mode = "add"
    assert labelling.canvas.tool == "place"
    layer.add([12.5, 34])
    assert labelling.labels.point(0, RIGHT) == labelled(34, 12.5)
    assert len(layer.data) == 3
    # Nothing is missing any more: a click more changes nothing.
    layer.add([1, 1])
    assert len(layer.data) == 3
    assert len(labelling.document.history.done) == 1


def test_pasted_rows_are_no_keypoints(labelling: Labelling, viewer_model: ViewerModel) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    layer.selected_data = {NOSE, LEFT}
    layer._copy_data()
    layer._paste_data()
    assert len(layer.data) == 3
    assert len(labelling.labels) == 0
    labelling.move({NOSE: (1, 2)})
    np.testing.assert_array_equal(layer.data[NOSE], [2, 1])


def test_points_that_are_set_by_a_script_are_edits_too(
    labelling: Labelling, viewer_model: ViewerModel
) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    moved = np.array(layer.data)
    moved[LEFT] = 7, 8
    layer.data = moved
    assert labelling.labels.point(0, LEFT) == labelled(8, 7)
    assert labelling.labels.point(0, NOSE) == ABSENT


def test_the_transform_tool_does_not_shift_labels(
    labelling: Labelling, viewer_model: ViewerModel, session: Workbench
) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    layer.mode = "transform"
    assert layer.mode == "pan_zoom"
    layer.translate = (5, 5)
    layer.affine = [[1, 0, 3], [0, 1, 3], [0, 0, 1]]
    session.go_to(1)
    np.testing.assert_array_equal(layer.data_to_world((0, 0)), (0, 0))


def test_the_tools(labelling: Labelling, viewer_model: ViewerModel) -> None:
    layer = viewer_model.layers[KEYPOINTS]
    assert labelling.canvas.tool == "look"
    tools = []
    for _ in range(3):
        labelling.run("switch_tool")
        tools.append((labelling.canvas.tool, str(layer.mode)))
    assert tools == [("move", "select"), ("place", "add"), ("move", "select")]
    assert viewer_model.layers.selection.active is layer
