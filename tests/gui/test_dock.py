"""The dock in a real napari window."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication

from napari_vitface.formats.poses import read_poses, write_poses
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_vitface.gui.dock import ViTFaceDock

pytestmark = pytest.mark.window

WAIT = 600_000


@pytest.fixture
def reader_choices() -> Iterator[Any]:
    """napari's preferences for readers, as they are before anybody chose anything."""
    from napari.settings import get_settings

    plugins = get_settings().plugins
    before = plugins.extension2reader
    plugins.extension2reader = {}
    yield plugins
    plugins.extension2reader = before


@pytest.fixture
def corner(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari is asked to show in its corner."""
    told: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda one: told.append(one.message))
    return told


DOCK_NAME = "ViT Face (napari-vitface)"


def viewer_of(dock: ViTFaceDock) -> Any:
    return dock.session.viewer


def action_of(dock: ViTFaceDock, name: str) -> Any:
    """The entry of a command in napari's menus."""
    from napari._app_model import get_app_model

    return get_app_model().commands[name]


def test_the_plugin_menu_opens_the_dock_and_shows_it_once(
    make_napari_viewer: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)

    def choose() -> None:
        viewer.window.plugins_menu.aboutToShow.emit()
        entries = viewer.window.plugins_menu.actions()
        (ours,) = (entry.menu() for entry in entries if entry.text() == "napari-vitface")
        next(each for each in ours.actions() if each.text() == DOCK_NAME).trigger()

    choose()
    dock = viewer.window.dock_widgets[DOCK_NAME]
    qtbot.waitUntil(dock.isVisible)
    # The same entry hides it and shows it again, with what it holds.
    choose()
    qtbot.waitUntil(lambda: not dock.isVisible())
    choose()
    assert viewer.window.dock_widgets[DOCK_NAME] is dock
    qtbot.waitUntil(dock.isVisible)
    dock.close_links()


@pytest.mark.usefixtures("dock")
def test_naparis_own_menus_have_the_entries() -> None:
    from napari._app_model import get_app_model

    for menu, command in (
        ("napari/layers/track", "napari-vitface.predict"),
        ("napari/layers/visualize", "napari-vitface.attention"),
        ("napari/layers/annotate", "napari-vitface.correct"),
        ("napari/file/io_utilities", "napari-vitface.open_video"),
    ):
        items = get_app_model().menus.get_menu(menu)
        assert command in [item.command.id for item in items if hasattr(item, "command")]


def test_the_menu_entries_open_the_dock(make_napari_viewer: Any, qtbot: Any) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    get_app_model().commands.execute_command("napari-vitface.attention").result()
    dock = viewer.window.dock_widgets[DOCK_NAME]
    assert dock.isVisible()
    get_app_model().commands.execute_command("napari-vitface.predict").result()
    assert viewer.window.dock_widgets[DOCK_NAME] is dock
    dock.close_links()


def test_without_a_video_the_sections_say_what_they_wait_for(dock: ViTFaceDock) -> None:
    assert "Open a video" in dock.video_section.hint.text()
    assert dock.predict_section.hint.text() == "Waits for a video."
    assert dock.attention_section.hint.text() == "Waits for a video."
    assert not dock.predict_section.predict_button.isEnabled()
    assert not dock.attention_section.switch.isEnabled()


def test_the_video_section_describes_the_video(
    dock: ViTFaceDock, qtbot: Any, video_path: Path
) -> None:
    dock.video_section.open(video_path)
    section = dock.video_section
    assert section.name.text() == "mouse.mp4"
    for part in ("128 × 96 px", "40 frames", "50 fps", "0.8 s"):
        assert part in section.facts.text()
    viewer_of(dock).dims.set_point(0, 10)
    assert "Frame 10" in section.frame.text()
    assert "0.200 s" in section.frame.text()
    assert dock.predict_section.predict_button.isEnabled()


def test_the_bundled_models_are_told_apart(dock: ViTFaceDock, qtbot: Any, video_path: Path) -> None:
    dock.video_section.open(video_path)
    section = dock.predict_section
    section.use_model("mouse-face-fast")
    qtbot.waitUntil(lambda: "a third of the time" in section.about_model.text(), timeout=WAIT)
    names = [section.model.itemText(row) for row in range(2)]
    assert names == ["mouse-face", "mouse-face-fast"]
    tips = [section.model.itemData(row, Qt.ItemDataRole.ToolTipRole) for row in range(2)]
    assert ["a third of the time" in tip for tip in tips] == [False, True]
    assert section.model.currentText() == "mouse-face-fast"


def test_a_cut_off_video_says_so_and_can_be_used(dock: ViTFaceDock, tmp_path: Path) -> None:
    from napari_vitface.video import VideoWriter

    whole, part = tmp_path / "whole.avi", tmp_path / "part.avi"
    rng = np.random.default_rng(0)
    with VideoWriter(whole, (96, 128), 50.0, codec="mpeg4") as writer:
        for _ in range(40):
            writer.write(rng.integers(0, 255, (96, 128)).astype(np.uint8))
    data = whole.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    opened = dock.video_section.open(part)
    assert opened is not None
    assert 0 < len(opened.video) < 40
    assert dock.video_section.problems.isVisible()
    assert "part.avi" in dock.video_section.problems.text()


def test_a_file_that_is_no_video_gets_a_sentence(dock: ViTFaceDock, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    assert dock.video_section.open(path) is None
    assert "notes.mp4" in dock.video_section.problems.text()
    assert "Traceback" not in dock.video_section.problems.text()
    assert dock.session.current is None


def test_what_is_seen_in_the_dock_is_not_said_in_napari_s_corner_too(
    dock: ViTFaceDock, corner: list[str]
) -> None:
    dock.session.tell("The engine ended.", "error")
    assert dock.note.isVisible()
    assert dock.note.text() == "The engine ended."
    assert corner == []
    dock.parentWidget().hide()
    dock.session.tell("It ended again.", "error")
    assert corner == ["It ended again."]


def drop(target: Any, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(10, 10),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    target.dropEvent(event)


def test_a_dropped_file_is_opened_on_the_dock_and_once_wanted_on_the_canvas(
    dock: ViTFaceDock, tmp_path: Path, write_video: Callable[..., Path], reader_choices: Any
) -> None:
    paths = [write_video(tmp_path / name, 5) for name in ("a.mp4", "b.MP4", "c.avi")]
    section, session = dock.video_section, dock.session
    # The user chose another reader for one kind of video: that stays.
    reader_choices.extension2reader = {"*.avi": "napari"}
    section.refresh_dropping()
    assert not section.question.isVisible()
    reader_choices.extension2reader = {}
    section.refresh_dropping()
    assert section.question.isVisible()
    reader_choices.extension2reader = {"*.avi": "napari"}
    section.question.yes_button.click()
    assert not section.question.isVisible()
    drop(dock, paths[0])
    assert session.current.path == paths[0]
    drop(viewer_of(dock).window._qt_viewer, paths[1])
    assert session.current.path == paths[1]
    assert reader_choices.extension2reader["*.avi"] == "napari"
    assert reader_choices.extension2reader["*.mp4"] == "napari-vitface"
    assert not any(".png" in pattern for pattern in reader_choices.extension2reader)
    # The answer can be taken back while nothing is open.
    viewer_of(dock).layers.clear()
    assert section.dropped.isVisible()
    assert section.dropped.isChecked()
    section.dropped.setChecked(False)
    assert reader_choices.extension2reader == {"*.avi": "napari"}
    section.refresh_dropping()
    assert not section.question.isVisible()


def camera_of(viewer: Any) -> Any:
    # napari 0.9 moved it.
    return getattr(viewer, "scene", viewer).camera


def canvas(dock: ViTFaceDock) -> np.ndarray:
    QApplication.processEvents()
    return viewer_of(dock).screenshot(canvas_only=True, flash=False)[..., :3].astype(float)


def centre_of(weights: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(y * weights).sum(), (x * weights).sum()]) / weights.sum()


def test_a_point_is_drawn_on_the_pixel_that_it_names(
    dock: ViTFaceDock,
    qtbot: Any,
    video_path: Path,
    spot_at: Callable[[int], tuple[float, float]],
) -> None:
    opened = dock.video_section.open(video_path)
    viewer = viewer_of(dock)
    frame = 13
    viewer.dims.set_point(0, frame)
    picture = canvas(dock).mean(axis=-1)
    spot = centre_of(np.where(picture > 60, picture, 0))
    keypoints = KeypointSet(("dot",), colours=("#ff0000",))
    xy = np.array([[spot_at(i)] for i in range(40)])
    dock.predict_section.names.setChecked(False)
    dock.session.set_poses(opened, PoseTable(keypoints, xy), dock.session.model_name)
    opened.layer.visible = False
    picture = canvas(dock)
    red = np.where(picture[..., 0] - picture[..., 1] > 60, picture[..., 0], 0)
    point = centre_of(red)
    # To half a video pixel, on the canvas.
    assert np.abs(spot - point).max() < 0.5 * camera_of(viewer).zoom


def test_attention_is_drawn_on_the_patch_that_it_names(
    dock: ViTFaceDock, qtbot: Any, video_path: Path
) -> None:
    from napari_vitface.gui.layers import AttentionPicture

    opened = dock.video_section.open(video_path)
    maps = np.zeros((3, 4), np.float32)
    maps[1, 2] = 4.0
    # The grid of patches of 16 pixels on a crop at x 30, y 20.
    picture = AttentionPicture(maps, (16.0, 16.0), (20 + 7.5, 30 + 7.5), 0.0)
    dock.session.overlays.draw_attention(picture, 4.0, opened.layer)
    viewer = viewer_of(dock)
    viewer.layers[ATTENTION].interpolation2d = "nearest"
    viewer.layers[ATTENTION].opacity = 1.0
    opened.layer.visible = False
    bright = canvas(dock).mean(axis=-1) > 60
    seen_y, seen_x = np.nonzero(bright)
    size = np.array(bright.shape)
    # Canvas position of a video pixel: the camera's centre is the canvas' centre.
    camera = camera_of(viewer)
    centre = np.array(camera.center[-2:])

    def on_canvas(y: float, x: float) -> np.ndarray:
        return size / 2 + (np.array([y, x]) - centre) * camera.zoom

    top, left = on_canvas(20 + 16 - 0.5, 30 + 32 - 0.5)
    bottom, right = on_canvas(20 + 32 - 0.5, 30 + 48 - 0.5)
    np.testing.assert_allclose(
        [seen_y.min(), seen_x.min(), seen_y.max() + 1, seen_x.max() + 1],
        [top, left, bottom, right],
        atol=2,
    )


def test_a_session_from_video_to_table(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tiny_model: Path
) -> None:
    dock.video_section.open_button.setFocus()
    dock.video_section.open(video_path)
    dock.predict_section.use_model(tiny_model)
    prediction, attention = dock.session.prediction, dock.session.attention
    dock.attention_section.switch.setChecked(True)
    qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
    assert "frame 0" in dock.attention_section.title_line.text()
    assert "rollout" in dock.attention_section.label.text()
    qtbot.mouseClick(dock.predict_section.predict_button, Qt.MouseButton.LeftButton)
    assert dock.predict_section.cancel_button.isVisible()
    qtbot.waitUntil(lambda: not prediction.active, timeout=WAIT)
    assert prediction.run.status == "done", prediction.run.message
    assert "mouse_vitface_tiny.h5" in dock.predict_section.result.text()
    assert video_path.with_name("mouse_vitface_tiny.h5").is_file()
    names = [layer.name for layer in viewer_of(dock).layers]
    assert names == ["mouse", ATTENTION, SKELETON, KEYPOINTS]
    qtbot.mouseClick(dock.predict_section.plot_button, Qt.MouseButton.LeftButton)
    assert any("trajectories" in title for title in viewer_of(dock).window.dock_widgets)
    viewer_of(dock).dims.set_point(0, 22)
    assert "Computing frame 22" in dock.attention_section.title_line.text()
    qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
    assert "frame 22" in dock.attention_section.title_line.text()
    target = dock.attention_section.target
    target.activated.emit(target.findText("nose tip"))
    assert "Nose tip" in dock.attention_section.title_line.text()
    # Predicting again replaces the table that this run wrote, and says so.
    assert "Replaces" in dock.predict_section.predict_button.toolTip()


def test_two_videos_of_different_lengths_one_after_the_other(
    dock: ViTFaceDock, qtbot: Any, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    viewer, section, session = viewer_of(dock), dock.video_section, dock.session
    keypoints = KeypointSet(("a", "b"), (("a", "b"),))
    for name, length in (("long", 40), ("short", 12)):
        opened = section.open(write_video(tmp_path / f"{name}.mp4", length))
        poses = PoseTable(keypoints, np.full((length, 2, 2), float(length)))
        session.set_poses(opened, poses, session.model_name)
        viewer.dims.set_point(0, length - 3)
    listed = viewer.window._qt_viewer.layers.model().sourceModel()

    def rows() -> list[str]:
        return [listed.index(row, 0).data() for row in range(listed.rowCount())]

    def slider() -> int:
        return int(viewer.window._qt_viewer.dims.slider_widgets[0].slider.maximum())

    assert slider() == 11
    assert rows() == ["short", SKELETON, KEYPOINTS]
    assert [section.others.itemText(i) for i in range(2)] == ["long", "short"]
    assert section.others.isVisible()
    section.others.setCurrentIndex(0)
    section.others.activated.emit(0)
    QApplication.processEvents()
    assert section.name.text() == "long.mp4"
    assert slider() == 39
    assert session.frame == 37
    assert rows() == ["long", SKELETON, KEYPOINTS]
    assert viewer.layers[KEYPOINTS].data[0, 0] == 40
    # What another plugin shows may be longer: there the video has no frame, and no points.
    viewer.add_image(np.zeros((60, 20, 20), np.uint8), name="another")
    viewer.dims.set_point(0, 50)
    assert "No frame here" in section.frame.text()
    assert not viewer.layers[KEYPOINTS].visible
    viewer.layers.remove("another")
    viewer.layers.remove("long")
    QApplication.processEvents()
    assert section.name.text() == "short.mp4"
    assert slider() == 11
    assert not section.others.isVisible()
    assert rows() == ["short", SKELETON, KEYPOINTS]


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
@pytest.mark.usefixtures("unhurried")
def test_the_window_survives_the_engine(
    dock: ViTFaceDock,
    qtbot: Any,
    long_video: Path,
    tiny_model: Path,
    tmp_path: Path,
    corner: list[str],
) -> None:
    copy = tmp_path / "long.mp4"
    shutil.copy(long_video, copy)
    dock.video_section.open(copy)
    dock.predict_section.use_model(tiny_model)
    session, prediction = dock.session, dock.session.prediction
    prediction.start(PredictOptions(batch_size=1))
    qtbot.waitUntil(lambda: prediction.run.done > 40, timeout=WAIT)
    os.kill(session.engine.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: not prediction.active, timeout=WAIT)
    # In its section alone.
    assert "engine" in dock.predict_section.result.text()
    assert not dock.note.isVisible()
    assert corner == []
    assert dock.predict_section.predict_button.isEnabled()
    viewer_of(dock).dims.set_point(0, 500)
    assert session.frame == 500
    qtbot.mouseClick(dock.predict_section.predict_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not prediction.active, timeout=WAIT)
    assert prediction.run.status == "done", prediction.run.message
    assert not dock.note.isVisible()


@pytest.mark.usefixtures("unhurried")
def test_cancel_keeps_what_is_done(
    dock: ViTFaceDock, qtbot: Any, long_video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "long.mp4"
    shutil.copy(long_video, copy)
    dock.video_section.open(copy)
    dock.predict_section.use_model(tiny_model)
    prediction = dock.session.prediction
    prediction.start(PredictOptions(batch_size=1))
    qtbot.waitUntil(lambda: prediction.run.done > 40, timeout=WAIT)
    qtbot.mouseClick(dock.predict_section.cancel_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not prediction.active, timeout=WAIT)
    assert prediction.run.status == "cancelled"
    assert dock.predict_section.predict_button.text().startswith("Go on")
    assert KEYPOINTS in viewer_of(dock).layers


def test_a_crop_is_drawn_as_a_rectangle_and_cleared(dock: ViTFaceDock, video_path: Path) -> None:
    opened = dock.video_section.open(video_path)
    picture = dock.predict_section.picture
    assert picture.part.text() == "whole frame"
    picture.draw_button.click()
    layer = viewer_of(dock).layers["crop"]
    assert str(layer.mode) == "add_rectangle"
    layer.add_rectangles([[10, 20], [10, 83], [57, 83], [57, 20]])
    assert opened.crop == (20, 10, 64, 48)
    assert picture.part.text() == "64 × 48 px at x 20, y 10"
    assert picture.draw_button.text() == "Adjust"
    layer.add_rectangles([[0, 0], [0, 4], [4, 4], [4, 0]])
    assert opened.crop is None
    assert "larger one" in picture.part.text()
    picture.whole_button.click()
    assert "crop" not in viewer_of(dock).layers
    assert picture.part.text() == "whole frame"


def test_the_rectangle_follows_the_crop_and_the_crop_the_rectangle(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tmp_path: Path, write_video: Any
) -> None:
    opened = dock.video_section.open(video_path)
    table = PoseTable(KeypointSet(("a", "b"), (("a", "b"),)), np.full((40, 2, 2), 30.0))
    dock.session.set_poses(opened, table, dock.session.model_name)
    layers = viewer_of(dock).layers
    layers.selection.active = layers[KEYPOINTS]
    # As the list of videos does it.
    dock.session.set_crop((0, 0, 32, 32))
    assert layers["crop"].data[0].max() == 31.5
    assert layers.selection.active is layers[KEYPOINTS]
    dock.session.crop_tool.propose((20, 10, 64, 48))
    assert [layer.name for layer in layers] == ["mouse", "crop", SKELETON, KEYPOINTS]
    assert layers.selection.active is layers["crop"]
    np.testing.assert_array_equal(layers["crop"].data[0].min(axis=0), [9.5, 19.5])
    np.testing.assert_array_equal(layers["crop"].data[0].max(axis=0), [57.5, 83.5])
    # Dragged until a part of it is outside of the frame: what is left of it is the crop.
    layers["crop"].data = [layers["crop"].data[0] + [0.3, 60.2]]
    assert opened.crop == (80, 10, 48, 48)
    qtbot.waitUntil(lambda: layers["crop"].data[0].max() == 127.5, timeout=WAIT)
    assert opened.crop == (80, 10, 48, 48)
    # Each video has its own.
    (tmp_path / "b").mkdir()
    dock.video_section.open(write_video(tmp_path / "b" / "other.mp4"))
    assert "crop" not in layers
    assert dock.predict_section.picture.part.text() == "whole frame"
    layers.selection.active = layers[KEYPOINTS]
    dock.session.videos.show(opened)
    np.testing.assert_array_equal(layers["crop"].data[0].min(axis=0), [9.5, 79.5])
    assert layers.selection.active is layers[KEYPOINTS]


def test_a_face_is_found_and_becomes_the_crop(
    dock: ViTFaceDock, qtbot: Any, tmp_path: Path
) -> None:
    from napari_vitface.sample import MouseFaceSample
    from napari_vitface.video import VideoWriter

    movie = MouseFaceSample(3, frames=2, size=(120, 160))
    noise = np.random.default_rng(0).integers(60, 120, (360, 480), dtype=np.uint8)
    with VideoWriter(tmp_path / "small.mp4", (360, 480), 30.0) as writer:
        for i in range(2):
            frame = noise.copy()
            frame[20:140, 40:200] = movie[i]
            writer.write(frame)
    opened = dock.video_section.open(tmp_path / "small.mp4")
    section, session = dock.predict_section, dock.session
    section.form.precision.value = "fp32"
    picture, finding = section.picture, session.face_finding
    picture.find_button.click()
    assert finding.active
    assert not section.predict_button.isEnabled()
    assert not picture.find_button.isEnabled()
    assert picture.progress.isVisible()
    qtbot.waitUntil(lambda: not finding.active, timeout=WAIT)
    assert finding.run.status == "done", finding.run.message
    assert opened.crop == tuple(finding.run.result.crop)
    layers = viewer_of(dock).layers
    assert layers.selection.active is layers["crop"]
    # Who drags a point after Predict is not to move the crop.
    session.prediction.started.emit()
    assert layers.selection.active is opened.layer
    assert picture.note.text() == finding.run.result.sentence
    assert section.predict_button.isEnabled()
    # What was found is no news any more once the user chose otherwise.
    picture.whole_button.click()
    assert opened.crop is None
    assert picture.note.text() == ""
    # A search that is cancelled changes nothing.
    picture.find_button.click()
    picture.progress.cancel_button.click()
    qtbot.waitUntil(lambda: not finding.active, timeout=WAIT)
    assert opened.crop is None


def test_a_run_of_low_confidence_says_so_and_offers_what_helps(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tiny_model: Path
) -> None:
    section, session = dock.predict_section, dock.session
    section.form.precision.value = "fp32"
    section.use_model(tiny_model)
    dock.video_section.open(video_path)
    assert not section.low_confidence.isVisible()
    section.predict()
    qtbot.waitUntil(lambda: not session.prediction.active, timeout=WAIT)
    assert "In 40 of 40 frames the model tiny is sure of fewer than half" in section.notices.text()
    assert section.status == "low confidence"
    # The same of the table when it is opened again.
    run, session.prediction.run = session.prediction.run, None
    section.refresh()
    assert section.low_confidence.note.text() in run.notices
    section.low_confidence.find_button.click()
    qtbot.waitUntil(lambda: not session.face_finding.active, timeout=WAIT)
    assert "finds no face" in section.picture.note.text()
    assert session.current.crop is None
    section.low_confidence.suggest_button.click()
    assert dock.correct_section.suggest_panel.suggestions.active
    qtbot.waitUntil(lambda: not dock.correct_section.suggest_panel.suggestions.active, timeout=WAIT)
    assert dock.correct_section.suggest_panel.isVisible()


def test_a_crop_layer_that_the_user_removed_is_no_crop_any_more(
    dock: ViTFaceDock, video_path: Path
) -> None:
    opened = dock.video_section.open(video_path)
    dock.session.crop_tool.draw()
    viewer_of(dock).layers["crop"].add_rectangles([[10, 20], [10, 83], [57, 83], [57, 20]])
    viewer_of(dock).layers.remove("crop")
    assert opened.crop is None


def test_boxes_follow_layers_that_the_user_removes(dock: ViTFaceDock, video_path: Path) -> None:
    opened = dock.video_section.open(video_path)
    table = PoseTable(KeypointSet(("a", "b"), (("a", "b"),)), np.full((40, 2, 2), 30.0))
    dock.session.set_poses(opened, table, dock.session.model_name)
    section, layers = dock.predict_section, viewer_of(dock).layers
    layers.remove(KEYPOINTS)
    assert not section.points.isChecked()
    section.points.setChecked(True)
    assert KEYPOINTS in layers
    section.skeleton.setChecked(False)
    assert not layers[SKELETON].visible
    section.names.setChecked(False)
    assert not layers[KEYPOINTS].text.visible


def test_closing_the_dock_lets_go_of_everything(
    make_napari_viewer: Any, qtbot: Any, video_path: Path
) -> None:
    from napari_vitface.gui.actions import open_dock

    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    opened = dock.video_section.open(video_path)
    session, engine = dock.session, dock.session.engine
    table = PoseTable(KeypointSet(("a", "b")), np.full((40, 2, 2), 30.0))
    session.set_poses(opened, table, session.model_name)
    session.crop_tool.draw()
    engine.start()
    assert engine.pid is not None
    viewer.window.dock_widgets[DOCK_NAME].parent().destroyOnClose()
    assert session.closed
    # The video stays; what would no longer follow the slider goes.
    assert [layer.name for layer in viewer.layers] == ["mouse"]
    qtbot.waitUntil(lambda: engine.pid is None, timeout=WAIT)
    viewer.dims.set_point(0, 5)
    again = open_dock(viewer)
    assert again.session is not session
    assert again.session.current is not None
    again.close_links()


def test_closing_the_window_ends_the_engine(
    make_napari_viewer: Any, qtbot: Any, video_path: Path
) -> None:
    from napari_vitface.gui.actions import open_dock

    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    engine = dock.session.engine
    engine.start()
    viewer.close()
    qtbot.waitUntil(lambda: engine.pid is None, timeout=WAIT)


def test_two_viewers_do_not_meet(make_napari_viewer: Any, qtbot: Any, video_path: Path) -> None:
    from napari_vitface.gui.actions import open_dock

    docks = [open_dock(make_napari_viewer(show=True)) for _ in range(2)]
    docks[0].video_section.open(video_path)
    assert docks[0].session is not docks[1].session
    assert docks[1].session.current is None
    for dock in docks:
        dock.close_links()


def test_the_demo_opens_with_points_and_attention_on(
    qtbot: Any, make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch, video_path: Path
) -> None:
    import napari

    from napari_vitface.gui.demo import open_demo

    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr(napari, "Viewer", lambda **_: viewer)
    assert open_demo(video_path, block=False) is viewer
    dock = viewer.window.dock_widgets[DOCK_NAME]
    assert dock.session.current.path == video_path
    assert dock.session.attention.enabled
    assert dock.session.prediction.run is not None
    dock.close_links()


def test_predictions_are_exported_in_the_kind_of_file_that_is_chosen(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, session = dock.predict_section, dock.session
    dock.video_section.open(video_path)
    assert not section.export_button.isVisible()
    poses = PoseTable.empty(KeypointSet(("ear", "paw")), 40)
    poses.xy[3:5] = 9.0
    poses.confidence[3:5] = 0.5
    session.set_poses(session.current, poses, "mine")
    assert section.export_button.isVisible()
    out = video_path.with_name("out")
    kinds: list[str] = []
    names: list[str] = []

    def choose(*asked: Any) -> tuple[str, str]:
        names.append(Path(asked[2]).name)
        kinds.extend(asked[3].split(";;"))
        return str(out), next(kind for kind in kinds if "movement" in kind)

    monkeypatch.setattr("napari_vitface.gui.export_dialog.QFileDialog.getSaveFileName", choose)
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    section.export_button.click()
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
    assert "A DeepLabCut table as text (*.csv)" in kinds
    assert told[0].startswith("Written to out.nc. movement cannot hold the name of the video")
    found = read_poses(out.with_suffix(".nc"))
    assert found.frames.tolist() == [3, 4]
    assert found.xy.tolist() == [[[9, 9]] * 2] * 2
    assert found.confidence.tolist() == [[0.5] * 2] * 2
    # The dialog asked about "out" alone, so what is there is not replaced.
    written = out.with_suffix(".nc").stat().st_mtime_ns
    section.export_button.click()
    assert told[1:] == ["out.nc exists: choose it by its whole name to replace it."]
    assert out.with_suffix(".nc").stat().st_mtime_ns == written
    # Some systems do not tell which kind of file was chosen.
    monkeypatch.setattr(
        "napari_vitface.gui.export_dialog.QFileDialog.getSaveFileName",
        lambda *_: (str(out.with_suffix(".parquet")), ""),
    )
    section.export_button.click()
    qtbot.waitUntil(out.with_suffix(".parquet").exists, timeout=WAIT)
    monkeypatch.setattr(
        "napari_vitface.gui.export_dialog.QFileDialog.getSaveFileName",
        lambda *asked: (names.append(Path(asked[2]).name), "")[1:] * 2,
    )
    # A table that is named after the video, and a model that is.
    session.set_poses(session.current, poses, "mouseDLC_resnet50")
    section.export_button.click()
    monkeypatch.setattr(type(session), "model_name", "mouse_face")
    session.set_poses(session.current, poses, "mouse_face")
    section.export_button.click()
    assert names == ["mouse_mine", "mouse_mine", "mouseDLC_resnet50", "mouse_mouse_face"]


def test_an_export_that_cannot_be_as_asked_is_told(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = dock.session
    dock.video_section.open(video_path)
    poses = PoseTable(KeypointSet(("ear", "paw")), np.full((40, 2, 2), 9.0))
    session.set_poses(session.current, poses, "mine")
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))

    def export(name: str, kind: str) -> str:
        told.clear()
        monkeypatch.setattr(
            "napari_vitface.gui.export_dialog.QFileDialog.getSaveFileName",
            lambda *asked: (
                str(video_path.with_name(name)),
                next(one for one in asked[3].split(";;") if kind in one),
            ),
        )
        dock.predict_section.export_button.click()
        qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
        return told[0]

    # The ending that was typed counts, if it is one.
    assert export("out.nc", "*.slp").startswith("Written to out.nc. movement cannot hold ")
    assert read_poses(video_path.with_name("out.nc")).xy[0].tolist() == [[9, 9]] * 2
    assert export("out.v2", "*.nc").startswith("Written to out.v2.nc.")
    sentence = f"eks-csv needs the variance of points, which {video_path} does not say."
    assert export("out.csv", "Kalman") == sentence
    assert not video_path.with_name("out.csv").exists()
    # What is corrected is in the project, and no prediction.
    labelling = session.labelling
    labelling.documents.create(video_path.with_name("project"), poses.keypoints, "me")
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    assert labelling.move({1: (3, 4)})
    assert export("out.csv", "tidy").endswith(
        "Labels of 1 frame are not in it: export them by the Project menu."
    )
    assert read_poses(video_path.with_name("out.csv")).xy[0].tolist() == [[9, 9]] * 2
    monkeypatch.setattr(session.current.video, "frame_rate", 0.0)
    sentence = f"nwb needs the frame rate, which {video_path} does not say."
    assert export("out.nwb", "*.nwb") == sentence


def test_all_labels_of_a_project_are_exported_with_those_that_were_not_saved_yet(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, bar = dock.session, dock.correct_section.project
    dock.video_section.open(video_path)
    labelling = session.labelling
    labelling.documents.create(
        video_path.with_name("project"), KeypointSet(("ear", "paw")), "somebody"
    )
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    assert labelling.move({0: (12, 7), 1: (3, 4)})
    assert labelling.document.unsaved
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    (action,) = [one for one in bar.menu_button.menu().actions() if one.text() == "Export labels…"]
    project = video_path.with_name("project")
    for name, kind in (
        ("all.json", "COCO"),
        ("all.slp", "*.slp"),
        ("all", "tidy"),
        # Its images are named by their place below the table: what is proposed lies beside them.
        ("", "Lightning"),
    ):
        told.clear()

        def choose(*question: Any, name: str = name, kind: str = kind) -> tuple[str, str]:
            assert question[2] == str(project / "project_labels")
            file = str(video_path.with_name(name)) if name else question[2]
            return file, next(one for one in question[3].split(";;") if kind in one)

        monkeypatch.setattr("napari_vitface.gui.export_dialog.QFileDialog.getSaveFileName", choose)
        action.trigger()
        qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
        file = video_path.with_name(name) if name else project / "project_labels"
        file = file if file.suffix else file.with_name(f"{file.name}.csv")
        assert told[0].startswith(f"Written to {file.name}.")
        assert "no files" not in told[0]
        labels = read_labels(file)
        assert labels.frames.tolist() == [0]
        np.testing.assert_allclose(labels.xy[0], [[12, 7], [3, 4]], atol=1e-4)
    # What lies beside the labels of the project is none of them.
    assert read_labels(project).frames.tolist() == [0]
    assert not labelling.document.unsaved


def test_a_long_name_of_what_is_opened_shows_that_something_is_left_out(
    dock: ViTFaceDock, qtbot: Any, video_path: Path
) -> None:
    section, session = dock.predict_section, dock.session
    dock.video_section.open(video_path)
    table = video_path.with_name(f"{'a_long_name_' * 8}filtered.csv")
    write_poses(PoseTable(KeypointSet(("ear",)), np.full((40, 1, 2), 9.0)), table, scorer="s")
    session.saved_predictions.open(table)
    qtbot.waitUntil(lambda: session.current.source == table, timeout=WAIT)
    assert section.model.currentText() == f"Opened: {table.name}"
    shown = section.model.shown_text()
    assert shown.startswith("Opened: a_long")
    assert "…" in shown
    assert shown.endswith(".csv")
    assert section.model.toolTip() == str(table)
    # As it is drawn, and not only as it would be.
    before = section.model.grab().toImage()
    section.model.setItemText(section.model.currentIndex(), shown)
    assert section.model.grab().toImage() == before


def test_predictions_of_another_program_are_opened_in_the_list_of_models(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, session = dock.predict_section, dock.session
    dock.video_section.open(video_path)
    table = video_path.with_name("mouseDLC_resnet50.h5")
    ear = KeypointSet(("ear", "paw"))
    write_poses(PoseTable(ear, np.full((40, 2, 2), 9.0)), table, scorer="DLC_resnet50")
    monkeypatch.setattr(
        "napari_vitface.gui.predict.section.QFileDialog.getOpenFileName",
        lambda *_: (str(table), ""),
    )
    last = section.model.findText("Open predictions…")
    assert last == section.model.count() - 1
    section.model.activated.emit(last)
    qtbot.waitUntil(lambda: session.current.source == table, timeout=WAIT)
    assert section.model.currentText() == "Opened: mouseDLC_resnet50.h5"
    assert "Showing mouseDLC_resnet50.h5" in section.result.text()
    assert "Predict" not in section.hint.text()
    assert KEYPOINTS in viewer_of(dock).layers
    # A model again: its points, of which there are none yet.
    section.model.activated.emit(0)
    assert section.model.currentText() == session.model_name
    assert session.current.poses is None
    assert section.model.itemText(section.model.count() - 1) == "Open predictions…"


def test_what_napari_is_asked_to_open_is_shown_on_the_video(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tmp_path: Path
) -> None:
    session, viewer = dock.session, viewer_of(dock)
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    table = tmp_path / "mouse_vitface_theirs.csv"
    poses = PoseTable(KeypointSet(("nose",)), np.full((40, 1, 2), 5.0))
    write_poses(poses, table, scorer="them")
    viewer.open(table, plugin="napari-vitface")
    assert told == [
        "Open the video of mouse_vitface_theirs.csv first, and then the file again. Its points are "
        "shown on the video."
    ]
    viewer.open(video_path, plugin="napari-vitface")
    viewer.open(table, plugin="napari-vitface")
    qtbot.waitUntil(lambda: session.current.source == table, timeout=WAIT)
    assert [len(viewer.layers[KEYPOINTS].data), len(told)] == [1, 1]
    # A project is opened without putting the video on screen into it.
    project = Project.create(tmp_path / "project", KeypointSet(("nose",)), "them")
    config = (project.folder / "config.yaml").read_bytes()
    qtbot.waitUntil(lambda: not session.labelling.documents.opening, timeout=WAIT)
    viewer.open(project.folder, plugin="napari-vitface")
    qtbot.waitUntil(lambda: session.labelling.project is not None, timeout=WAIT)
    assert session.labelling.project.folder == project.folder
    assert session.labelling.document is None
    assert (project.folder / "config.yaml").read_bytes() == config
    assert "is not in this project yet" in dock.correct_section.project.outside.text()
