"""The Trajectories dock in a real window, with a real mouse on the plot."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPainter, QWheelEvent
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QMessageBox, QPushButton
from scipy.ndimage import uniform_filter

from napari_vitface.formats.poses import read_poses, write_poses
from napari_vitface.gui.open_video import Suggestion
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.gui.trajectories.list import TraceDialog
from napari_vitface.jobs.events import Finished, PosesPredicted, Progress, Started
from napari_vitface.jobs.outputs import table_paths
from napari_vitface.jobs.results.prediction import PredictSettings
from napari_vitface.kinematics import Trace, apply_operations
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import FrameLabels, labelled, occluded
from napari_vitface.pose.table import PoseTable
from napari_vitface.video import open_video

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.trajectories.dock import TrajectoriesPanel

pytestmark = pytest.mark.window

WAIT = 600_000
DOCK = "ViT Face (napari-vitface)"
NAME = "ViT Face trajectories (napari-vitface)"
LENGTH = 600
THREE = KeypointSet(
    ("eye top", "eye bottom", "nose tip"), colours=("#ff0000", "#00ff00", "#0000ff")
)
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton


def table(seed: int = 0) -> PoseTable:
    """Wandering points; the confidence of the last one falls from 1 to 0 over the video."""
    rng = np.random.default_rng(seed)
    xy = 50 + np.cumsum(rng.normal(0, 0.3, (LENGTH, 3, 2)), axis=0)
    confidence = np.ones((LENGTH, 3))
    confidence[:, 2] = np.linspace(1, 0, LENGTH)
    return PoseTable(THREE, xy, confidence)


class Mouse:
    """Presses, moves and releases on the plot, at places given in the plot's pixels."""

    def __init__(self, dock: TrajectoriesPanel) -> None:
        self._viewport = dock.plot.viewport()
        self._at = QPointF(0, 0)

    def _send(self, kind: QEvent.Type, button: Any, buttons: Any) -> None:
        where = self._at
        event = QMouseEvent(
            kind,
            where,
            QPointF(self._viewport.mapToGlobal(where.toPoint())),
            button,
            buttons,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self._viewport, event)
        QApplication.processEvents()

    def press(self, x: float, y: float) -> None:
        self._at = QPointF(x, y)
        self._send(QEvent.Type.MouseMove, NONE, NONE)
        self._send(QEvent.Type.MouseButtonPress, LEFT, LEFT)

    def move(self, x: float, y: float) -> None:
        self._at = QPointF(x, y)
        # pyqtgraph passes over moves that follow each other faster than a screen shows them.
        time.sleep(0.02)
        self._send(QEvent.Type.MouseMove, NONE, LEFT)

    def release(self) -> None:
        self._send(QEvent.Type.MouseButtonRelease, LEFT, NONE)
        QApplication.processEvents()

    def click(self, x: float, y: float) -> None:
        self.press(x, y)
        self.release()

    def drag(self, start: tuple[float, float], stop: tuple[float, float], steps: int = 5) -> None:
        self.press(*start)
        for step in range(1, steps + 1):
            share = step / steps
            self.move(*(a + share * (b - a) for a, b in zip(start, stop, strict=True)))
        self.release()

    def wheel(self, x: float, y: float, clicks: int) -> None:
        where = QPointF(x, y)
        event = QWheelEvent(
            where,
            QPointF(self._viewport.mapToGlobal(where.toPoint())),
            QPointF(0, 0).toPoint(),
            QPointF(0, 120 * clicks).toPoint(),
            NONE,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self._viewport, event)
        QApplication.processEvents()


@pytest.fixture
def plain(engine: Any, viewer_model: Any, qtbot: Any) -> Iterator[TrajectoriesPanel]:
    """The panel of the dock in a window of its own, on the session of a viewer without one."""
    from napari_vitface.gui.main_thread import MainThread
    from napari_vitface.gui.trajectories.dock import TrajectoriesDock
    from napari_vitface.gui.workbench import session_of

    main_thread = MainThread()
    session = session_of(viewer_model, main_thread.post)
    made = TrajectoriesDock(viewer_model)
    made.resize(1300, 330)
    with qtbot.waitExposed(made):
        made.show()
    assert made.panel is not None
    yield made.panel
    made.close_links()
    session.close()
    made.deleteLater()


@pytest.fixture
def trajectories(plain: TrajectoriesPanel, long_video: Path, tmp_path: Path) -> TrajectoriesPanel:
    """The same with a video and predictions of it."""
    copy = tmp_path / "mouse.mp4"
    shutil.copy(long_video, copy)
    show_video(plain, copy)
    return plain


def show_video(dock: TrajectoriesPanel, path: Path) -> None:
    session = dock.session
    assert session is not None
    opened = session.add_video(open_video(path))
    session.set_poses(opened, table(), session.model_name)
    settle(dock)


def settle(dock: TrajectoriesPanel) -> None:
    """Let the window draw all that is waiting to be drawn."""
    for _ in range(5):
        QApplication.processEvents()
    assert dock.plot.isVisible()


def at(dock: TrajectoriesPanel, frame: float, key: str = "x", value: float | None = None) -> Any:
    """Pixel of the plot where a frame (and value) of a panel is."""
    view = dock.plot.lanes.view if key == "lanes" else dock.plot.panels[key].view
    if value is None:
        value = sum(view.viewRange()[1]) / 2
    place = view.mapViewToScene(QPointF(frame, value))
    return place.x(), place.y()


def opened_in(dock: TrajectoriesPanel) -> OpenVideo:
    assert dock.session is not None
    assert dock.session.current is not None
    return dock.session.current


def label(
    dock: TrajectoriesPanel, tmp_path: Path, qtbot: Any, points: dict[tuple[int, int], Any]
) -> FrameLabels:
    """Make a project and label points (frame, keypoint)."""
    from napari_vitface.pose.edits import make_edit

    labelling = dock.session.labelling
    labelling.documents.create(tmp_path / "project", THREE, "anna")
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    assert labelling.do(make_edit(labelling.labels, "label", points))
    settle(dock)
    return labelling.labels


# --------------------------------------------------------------------- the dock


def test_it_opens_below_the_canvas_from_the_menus(make_napari_viewer: Any, qtbot: Any) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    viewer.window.plugins_menu.aboutToShow.emit()
    entries: list[Any] = []
    for action in viewer.window.plugins_menu.actions():
        entries += action.menu().actions() if action.menu() is not None else [action]
    next(each for each in entries if "trajectories" in each.text()).trigger()
    dock = viewer.window.dock_widgets[NAME]
    qtbot.waitUntil(dock.isVisible)
    holder = dock.parent()
    while not isinstance(holder, QDockWidget):
        holder = holder.parent()
    area = viewer.window._qt_window.dockWidgetArea(holder)
    assert area == Qt.DockWidgetArea.BottomDockWidgetArea
    # It works on what the ViT Face dock works on, so that opens with it.
    assert viewer.window.dock_widgets[DOCK].session is dock.session
    assert "Waits for a video" in dock.panel.waiting.text()
    menu = get_app_model().menus.get_menu("napari/layers/visualize")
    commands = [item.command.id for item in menu if hasattr(item, "command")]
    assert "napari-vitface.show_trajectories" in commands
    holder.hide()
    get_app_model().commands.execute_command("napari-vitface.show_trajectories").result()
    assert viewer.window.dock_widgets[NAME] is dock
    assert dock.isVisible()
    viewer.window.dock_widgets[DOCK].close_links()
    dock.close_links()


def test_it_says_what_it_waits_for(plain: TrajectoriesPanel, video_path: Path) -> None:
    session = plain.session
    assert "Waits for a video" in plain.waiting.text()
    assert not plain.plot.isVisible()
    opened = session.add_video(open_video(video_path))
    assert "press Predict" in plain.waiting.text()
    session.set_poses(opened, PoseTable.empty(THREE, 40), session.model_name)
    assert plain.waiting.text() == ""
    assert plain.plot.isVisible()
    session.viewer.layers.remove(opened.layer)
    assert "Waits for a video" in plain.waiting.text()


def test_labels_alone_are_plotted_too(
    plain: TrajectoriesPanel, video_path: Path, tmp_path: Path, qtbot: Any
) -> None:
    plain.session.add_video(open_video(video_path))
    plain.toolbar.centred.setChecked(False)
    label(plain, tmp_path, qtbot, {(7, 1): labelled(11.5, 22.5)})
    dots = plain.plot.panels["y"]._dots[Trace("y", ("eye bottom",))]
    assert np.stack(dots.getData(), axis=1).tolist() == [[7, 22.5]]
    assert not plain.form.apply_button.isEnabled()


def test_labels_alone_are_centred_about_their_own_median(
    plain: TrajectoriesPanel, video_path: Path, tmp_path: Path, qtbot: Any
) -> None:
    plain.session.add_video(open_video(video_path))
    heights = {3: 20.0, 7: 26.0, 9: 22.0}
    label(plain, tmp_path, qtbot, {(f, 1): labelled(11.5, y) for f, y in heights.items()})
    assert plain.toolbar.centred.isChecked()
    dots = plain.plot.panels["y"]._dots[Trace("y", ("eye bottom",))]
    assert np.stack(dots.getData(), axis=1).tolist() == [[3, -2], [7, 4], [9, 0]]


def test_closing_a_dock_disconnects_it(dock: ViTFaceDock, long_video: Path) -> None:
    from napari_vitface.gui.actions import open_trajectories

    session, viewer = dock.session, dock.session.viewer
    made = open_trajectories(viewer)
    show_video(made.panel, long_video)
    signals = (
        session.video_changed,
        session.frame_changed,
        session.poses_changed,
        session.prediction.filled,
        session.filters.changed,
        session.labelling.changed,
        session.labelling.selection.changed,
        session.marks.changed,
        viewer.events.theme,
    )

    def listeners() -> int:
        return sum(
            any(
                owner in repr(slot)
                for owner in ("TrajectoriesDock", "TrajectoriesPanel", "VideoPlot")
            )
            for signal in signals
            for slot in _slots(signal)
        )

    assert listeners() == len(signals)
    viewer.window.remove_dock_widget(made)
    assert listeners() == 0
    assert not session.closed
    # Opened anew it goes on; and when the ViT Face dock is closed, it offers to open that.
    made = open_trajectories(viewer)
    settle(made.panel)
    viewer.window.remove_dock_widget(dock)
    assert listeners() == 1
    assert made.session is None
    assert "was closed" in made.waiting.text()
    made.open_button.click()
    again = viewer.window.dock_widgets[DOCK].session
    assert made.session is again
    again.set_poses(again.current, table(), again.model_name)
    settle(made.panel)
    again.go_to(50)
    assert made.panel.plot.frame == 50
    again.close()
    made.close_links()


def test_a_dock_that_was_left_open_follows_the_dock_that_is_opened_again(dock: ViTFaceDock) -> None:
    from napari_vitface.gui.actions import open_dock, open_trajectories

    viewer = dock.session.viewer
    made = open_trajectories(viewer)
    viewer.window.remove_dock_widget(dock)
    assert made.panel is None
    again = open_dock(viewer).session
    again.responses.found.emit()
    assert made.session is again
    assert made.panel.toolbar.around_button.isChecked()
    again.close()
    made.close_links()


def test_what_was_chosen_is_kept_until_the_dock_is_opened_again(
    dock: ViTFaceDock, long_video: Path
) -> None:
    from napari_vitface.gui.actions import open_dock, open_trajectories

    viewer, session = dock.session.viewer, dock.session
    made = open_trajectories(viewer)
    opened = session.add_video(open_video(long_video))
    session.set_poses(opened, table(), "test")
    before = made.panel
    distance = Trace("distance", ("eye top", "nose tip"))
    before.list.add(distance)
    before.list.show_only(["nose tip"])
    before.toolbar.panel_button("y").setChecked(False)
    before.toolbar.panel_button("distance").setChecked(False)
    before.toolbar.centred.setChecked(False)
    before.toolbar.filter_button.setChecked(True)
    before.form.method.setCurrentIndex(before.form.method.findData("savgol"))
    before.form.window_size.setValue(11)
    before.form.confidence.setValue(0.25)
    session.marks.threshold = 0.3
    wanted = before.form.operation()

    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer).session
    again.set_poses(again.current, table(), "test")
    after = open_trajectories(viewer).panel
    assert after.session is again
    assert after.list.keypoints == ["nose tip"]
    assert after.list.derived == [distance]
    assert after.toolbar.panels == ["x", "confidence"]
    assert not after.toolbar.panel_button("distance").isHidden()
    assert not after.toolbar.centred.isChecked()
    assert not after.form.isHidden()
    assert after.form.operation() == wanted
    assert after.plot.threshold.value() == 0.3
    again.close()
    made.close_links()


def _slots(signal: Any) -> list[Any]:
    # psygnal keeps wrappers, napari's emitters (reference, name) pairs; both name the owner.
    if hasattr(signal, "_slots"):
        return [caller.dereference() for caller in signal._slots]
    return [
        callback[0]() if isinstance(callback, tuple) else callback for callback in signal.callbacks
    ]


# --------------------------------------------------------------------- linked with the slider


def line_column(dock: TrajectoriesPanel) -> float:
    """Where the line of the slider is on screen, in pixels, found by looking."""
    image = dock.plot.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(
        image.height(), image.bytesPerLine() // 4, 4
    )[:, : image.width(), :3]
    left = round(at(dock, -0.5)[0])
    grey = pixels.min(axis=-1)[:, left + 2 :].astype(float)
    return left + 2 + float(np.argmax(grey.mean(axis=0))) + 0.5


def test_the_line_follows_the_slider_and_nothing_else_is_drawn(
    dock: ViTFaceDock, long_video: Path
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    made = open_trajectories(dock.session.viewer)
    trajectories = made.panel
    show_video(trajectories, long_video)
    plot, session = trajectories.plot, trajectories.session
    session.go_to(10)
    settle(trajectories)
    drawn = plot.pictures
    for frame in (100, 101, 350, 599, 5, 220):
        session.viewer.dims.set_point(0, frame)
        settle(trajectories)
        assert line_column(trajectories) == pytest.approx(at(trajectories, frame)[0], abs=1.5)
        assert f"frame {frame}" in trajectories.toolbar.place.text()
    assert plot.pictures == drawn
    # And the other way, in napari's own window.
    Mouse(trajectories).click(*at(trajectories, 420, "y"))
    assert abs(session.viewer.dims.point[0] - 420) <= 1
    made.close_links()


def test_a_click_moves_the_slider_to_the_frame(trajectories: TrajectoriesPanel) -> None:
    mouse = Mouse(trajectories)
    for frame in (420, 33):
        mouse.click(*at(trajectories, frame, "y"))
        assert abs(trajectories.session.frame - frame) <= 1
        assert trajectories.session.viewer.dims.point[0] == trajectories.session.frame
    trajectories.plot.show_frames(100, 120)
    settle(trajectories)
    mouse.click(*at(trajectories, 107.3, "x"))
    assert trajectories.session.frame == 107


def test_the_line_is_dragged(trajectories: TrajectoriesPanel) -> None:
    session, mouse = trajectories.session, Mouse(trajectories)
    session.go_to(200)
    settle(trajectories)
    visited: list[int] = []
    session.frame_changed.connect(visited.append)
    in_view = trajectories.plot.frames
    x, y = at(trajectories, 200, "confidence")
    mouse.drag((x + 2, y), at(trajectories, 450, "confidence"), steps=8)
    assert abs(session.frame - 450) <= 1
    assert len(visited) >= 4
    assert visited == sorted(visited)
    # The line moved, and not what is in view.
    assert trajectories.plot.frames == in_view


def test_a_drag_elsewhere_moves_in_time_and_the_wheel_zooms(
    trajectories: TrajectoriesPanel,
) -> None:
    plot, mouse = trajectories.plot, Mouse(trajectories)
    trajectories.session.go_to(0)
    plot.show_frames(200, 300)
    settle(trajectories)
    mouse.drag(at(trajectories, 260, "x"), at(trajectories, 240, "x"))
    left, right = plot.time.viewRange()[0]
    assert (left, right) == pytest.approx((220, 320), abs=2)
    assert trajectories.session.frame == 0
    before = at(trajectories, 300, "y")
    mouse.wheel(*before, 3)
    assert np.diff(plot.time.viewRange()[0]) < 90
    # What was under the mouse stays there.
    assert at(trajectories, 300, "y")[0] == pytest.approx(before[0], abs=1)
    mouse.wheel(*at(trajectories, 300, "y"), -60)
    assert plot.frames == (0, LENGTH)
    # No way out of the video.
    mouse.drag(at(trajectories, 300, "x"), at(trajectories, 500, "x"))
    assert plot.time.viewRange()[0] == pytest.approx([-0.5, LENGTH - 0.5])
    plot.show_frames(10, 30)
    settle(trajectories)
    trajectories.toolbar.fit_button.click()
    assert plot.frames == (0, LENGTH)


def test_the_wheel_on_an_axis_changes_its_values_until_fit(trajectories: TrajectoriesPanel) -> None:
    mouse, view = Mouse(trajectories), trajectories.plot.panels["y"].view
    before = np.diff(view.viewRange()[1])
    other = trajectories.plot.panels["x"].view.viewRange()[1]
    _, y = at(trajectories, 0, "y")
    mouse.wheel(at(trajectories, -0.5, "y")[0] - 15, y, 5)
    zoomed = np.diff(view.viewRange()[1])
    assert zoomed < 0.9 * before
    trajectories.plot.show_frames(0, 300)
    settle(trajectories)
    assert np.diff(view.viewRange()[1]) == pytest.approx(zoomed)
    trajectories.plot.fit()
    settle(trajectories)
    assert np.diff(view.viewRange()[1]) == pytest.approx(before)
    assert trajectories.plot.panels["x"].view.viewRange()[1] == other


def test_the_page_turns_when_the_slider_leaves_it(trajectories: TrajectoriesPanel) -> None:
    plot, session = trajectories.plot, trajectories.session
    plot.show_frames(100, 200)
    session.go_to(210)
    start, stop = plot.frames
    assert start < 210 < stop
    assert stop - start == pytest.approx(100, abs=3)
    session.go_to(599)
    assert plot.frames[1] == LENGTH
    trajectories.toolbar.follow.setChecked(False)
    session.go_to(5)
    assert plot.frames[0] > 400


# --------------------------------------------------------------------- what is drawn


def test_the_traces_are_the_predictions_and_the_dots_the_labels(
    trajectories: TrajectoriesPanel, tmp_path: Path, qtbot: Any
) -> None:
    trajectories.toolbar.centred.setChecked(False)
    settle(trajectories)
    panel = trajectories.plot.panels["x"]
    trace = Trace("x", ("nose tip",))
    x, y = panel._curves[trace].getData()
    np.testing.assert_array_equal(x, np.arange(LENGTH))
    np.testing.assert_array_equal(y, opened_in(trajectories).poses.xy[:, 2, 0])
    label(
        trajectories,
        tmp_path,
        qtbot,
        {(40, 2): labelled(11.5, 22.5), (90, 2): occluded(33.0, 44.0), (90, 0): labelled(1, 2)},
    )
    dots = panel._dots[trace]
    assert np.stack(dots.getData(), axis=1).tolist() == [[40, 11.5], [90, 33.0]]
    assert [p.brush().style() != Qt.BrushStyle.NoBrush for p in dots.points()] == [True, False]
    # The trace is still what the model said.
    np.testing.assert_array_equal(panel._curves[trace].getData()[1], y)
    low, high = panel.view.viewRange()[1]
    assert low < 1.0 < high
    trajectories.session.labelling.undo()
    settle(trajectories)
    assert len(dots.getData()[0]) == 0


def test_centred_traces_are_less_their_medians(trajectories: TrajectoriesPanel) -> None:
    x = opened_in(trajectories).poses.xy[:, 0, 0]
    curve = trajectories.plot.panels["x"]._curves[Trace("x", ("eye top",))]
    np.testing.assert_allclose(curve.getData()[1], x - np.median(x), atol=1e-4)
    confidence = trajectories.plot.panels["confidence"]._curves[Trace("confidence", ("eye top",))]
    assert (confidence.getData()[1] == 1).all()


def test_the_axis_has_frames_and_seconds_where_they_are_known(
    trajectories: TrajectoriesPanel, tmp_path: Path
) -> None:
    axis = trajectories.plot.panels["confidence"].axis
    # 50 frames a second.
    assert axis.tickStrings([0, 100, 550], 1.0, 100) == ["0\n0 s", "100\n2 s", "550\n11 s"]
    assert axis.tickStrings([21, 22], 1.0, 1) == ["21\n0.42 s", "22\n0.44 s"]
    trajectories.toolbar.panel_button("speed").setChecked(True)
    settle(trajectories)
    speed = trajectories.plot.panels["speed"]._curves[Trace("speed", ("eye top",))].getData()[1]
    steps = np.hypot(*np.diff(table().xy[:, 0], axis=0).T)
    np.testing.assert_allclose(speed[1:], 50 * steps, rtol=1e-3)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for frame in range(30):
        Image.fromarray(np.full((96, 128), frame, np.uint8)).save(folder / f"img{frame:03}.png")
    opened = trajectories.session.add_video(open_video(folder))
    trajectories.session.set_poses(opened, table().dense(30), trajectories.session.model_name)
    settle(trajectories)
    assert axis.tickStrings([0, 10], 1.0, 10) == ["0", "10"]
    assert trajectories.plot.frames == (0, 30)
    speed = trajectories.plot.panels["speed"]._curves[Trace("speed", ("eye top",))].getData()[1]
    np.testing.assert_allclose(speed[1:], steps[:29], rtol=1e-3)


def test_a_file_that_grew_is_opened_again_without_the_uncertainty_of_the_old_one(
    plain: TrajectoriesPanel, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    session, path = plain.session, write_video(tmp_path / "mouse.mp4", 10)
    opened = session.add_video(open_video(path))
    opened.source = opened.saved = tmp_path / "eks.csv"
    session.set_poses(opened, table().dense(10), "eks", np.ones((10, 3, 2), np.float32))
    assert plain.video.store.band(Trace("x", ("eye top",)), 0, 10, 100)[0].size
    write_video(path, 14)
    session.viewer.open(path, plugin="napari-vitface")
    settle_hidden()
    assert session.current is opened
    assert plain.plot.frames == (0, 14)
    assert (opened.poses, opened.source, opened.saved) == (None, None, None)
    # Nothing is plotted over its frames until something is predicted or measured of them.
    assert len(plain.video.store.table) == 0
    session.set_poses(opened, table().dense(14), session.model_name)
    assert not plain.video.store.band(Trace("x", ("eye top",)), 0, 14, 100)[0].size


def test_names_in_the_list_choose_what_is_plotted(trajectories: TrajectoriesPanel) -> None:
    names = trajectories.list
    assert names.keypoints == list(THREE.names)
    names.list.item(1).setCheckState(Qt.CheckState.Unchecked)
    assert [t.keypoints for t in trajectories.plot.panels["y"].traces] == [
        ("eye top",),
        ("nose tip",),
    ]
    names.none_button.click()
    assert trajectories.video.traces() == []
    settle(trajectories)
    names.all_button.click()
    assert len(trajectories.plot.panels["x"].traces) == 3
    trajectories.toolbar.panel_button("speed").click()
    assert trajectories.plot.shown == ["x", "y", "speed", "confidence"]
    trajectories.toolbar.panel_button("x").click()
    assert trajectories.plot.shown == ["y", "speed", "confidence"]
    settle(trajectories)
    heights = [trajectories.plot.panels[key].view.height() for key in trajectories.plot.shown]
    assert min(heights) > 30


def test_a_name_selects_the_keypoint_and_the_other_way_round(
    trajectories: TrajectoriesPanel,
) -> None:
    names, labelling = trajectories.list.list, trajectories.session.labelling
    names.itemClicked.emit(names.item(2))
    assert labelling.selection.indices == (2,)
    labelling.selection.select([0])
    assert names.currentRow() == 0
    widths = {
        trace.keypoints[0]: curve.opts["pen"].width()
        for trace, curve in trajectories.plot.panels["x"]._curves.items()
    }
    assert widths == {"eye top": 2, "eye bottom": 1, "nose tip": 1}
    labelling.selection.select([])
    assert names.currentRow() == -1


def test_a_distance_is_added_and_removed(
    trajectories: TrajectoriesPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not trajectories.toolbar.panel_button("distance").isVisible()
    monkeypatch.setattr(TraceDialog, "exec", lambda dialog: 1)
    trajectories.list.add_button.click()
    settle(trajectories)
    trace = Trace("distance", ("eye top", "eye bottom"), "eye opening")
    assert trajectories.plot.shown[-1] == "distance"
    assert trajectories.toolbar.panel_button("distance").isVisible()
    _, y = trajectories.plot.panels["distance"]._curves[trace].getData()
    xy = opened_in(trajectories).poses.xy
    np.testing.assert_allclose(y, np.hypot(*(xy[:, 0] - xy[:, 1]).T), rtol=1e-5)
    trajectories.list.list.setCurrentRow(3)
    trajectories.list.remove_button.click()
    settle(trajectories)
    assert "distance" not in trajectories.plot.shown
    assert not trajectories.toolbar.panel_button("distance").isVisible()


def test_the_dialog_asks_for_as_many_keypoints_as_the_trace_has(
    trajectories: TrajectoriesPanel,
) -> None:
    dialog = TraceDialog(THREE.names, trajectories)
    assert dialog.trace() == Trace("distance", ("eye top", "eye bottom"), "eye opening")
    dialog.boxes[1].setCurrentText("nose tip")
    # The suggested name went with the keypoints that it names.
    assert dialog.trace() == Trace("distance", ("eye top", "nose tip"))
    assert dialog.name.placeholderText() == "distance eye top – nose tip"
    dialog.boxes[1].setCurrentText("eye top")
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    assert not ok.isEnabled()
    dialog.kind.setCurrentIndex(dialog.kind.findData("angle"))
    dialog.boxes[1].setCurrentText("eye bottom")
    dialog.name.setText("wedge")
    assert ok.isEnabled()
    assert dialog.trace() == Trace("angle", ("eye top", "eye bottom", "nose tip"), "wedge")


def test_ticks_show_the_marked_frames_and_are_gone_to(
    trajectories: TrajectoriesPanel, tmp_path: Path, qtbot: Any
) -> None:
    session, ticks, mouse = trajectories.session, trajectories.plot.lanes.ticks, Mouse(trajectories)
    label(trajectories, tmp_path, qtbot, {(40, 2): labelled(1, 2), (300, 0): labelled(3, 4)})
    session.marks.suggest(opened_in(trajectories), [Suggestion(500, "a jump"), Suggestion(77, "x")])
    session.marks.threshold = 0.1
    assert ticks["labelled"].frames.tolist() == [40, 300]
    assert ticks["suggested"].frames.tolist() == [77, 500]
    low = np.flatnonzero(opened_in(trajectories).poses.confidence[:, 2] < 0.1)
    assert ticks["low"].frames.tolist() == low.tolist()
    settle(trajectories)
    # A little beside the tick, in its lane.
    x, y = at(trajectories, 300, "lanes", 0.5)
    mouse.click(x + 5, y)
    assert session.frame == 300
    x, y = at(trajectories, 77, "lanes", 1.5)
    mouse.click(x - 5, y)
    assert session.frame == 77
    assert "frame 77: a jump" not in trajectories.plot.lanes.describe(QPointF(x, y))
    x, y = at(trajectories, 500, "lanes", 1.5)
    assert trajectories.plot.lanes.describe(QPointF(x, y)).endswith("frame 500: a jump")
    # Far from any tick a click goes where it is.
    mouse.click(*at(trajectories, 200, "lanes", 0.5))
    assert abs(session.frame - 200) <= 1
    image = trajectories.plot.picture(1.0)
    for frame, row, key in ((40, 0.5, "labelled"), (500, 1.5, "suggested")):
        x, y = at(trajectories, frame, "lanes", row)
        seen = image.pixelColor(round(x), round(y))
        assert seen.rgb() == ticks[key]._colour.rgb(), key


def test_the_threshold_is_dragged_in_the_plot(trajectories: TrajectoriesPanel) -> None:
    marks, mouse = trajectories.session.marks, Mouse(trajectories)
    start = at(trajectories, 300, "confidence", marks.threshold)
    seen: list[float] = []
    marks.changed.connect(lambda: seen.append(marks.threshold))
    mouse.drag(start, at(trajectories, 310, "confidence", 0.25), steps=8)
    assert marks.threshold == pytest.approx(0.25, abs=0.03)
    assert len(seen) >= 3
    low = opened_in(trajectories).poses.confidence.min(axis=1) < marks.threshold
    np.testing.assert_array_equal(trajectories.plot.lanes.ticks["low"].frames, np.flatnonzero(low))
    # And it did not move the slider or the time.
    assert trajectories.session.frame == 0
    assert trajectories.plot.frames == (0, LENGTH)
    marks.threshold = 0.8
    assert trajectories.plot.threshold.value() == 0.8


def test_poses_of_a_run_are_drawn_as_they_come(
    trajectories: TrajectoriesPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = trajectories.session
    session.set_poses(opened_in(trajectories), None, session.model_name)
    sent: list[Callable[[Any], None]] = []
    monkeypatch.setattr(session, "submit", lambda job, arguments, on_event: sent.append(on_event))
    session.prediction.start(PredictOptions())
    (tell,) = sent
    settings = PredictSettings(
        video="mouse.mp4", frame_rate=50.0, frames=(0, LENGTH, 1), model="tiny", device="cpu",
        precision="fp32", why="", batch_size=1, crop=(0, 0, 64, 48), white=None, face=None,
        keypoints=THREE, fresh_from=0, kept_in="",
    )  # fmt: skip
    tell(Started("predict", LENGTH, "", settings))
    trajectories.toolbar.centred.setChecked(False)
    curve = trajectories.plot.panels["x"]._curves[Trace("x", ("eye top",))]

    def drawn() -> int:
        y = curve.getData()[1]
        return 0 if y is None else int(np.isfinite(y).sum())

    whole = table()
    pictures = trajectories.plot.pictures
    for start in range(0, LENGTH, 10):
        frames = np.arange(start, start + 10)
        tell(PosesPredicted(frames, whole.xy[frames], whole.confidence[frames]))
        tell(Progress(start + 10, LENGTH))
        QApplication.processEvents()
    # A burst of poses is not drawn batch by batch ...
    assert trajectories.plot.pictures - pictures <= 5
    assert trajectories.video._timer.interval() >= 200
    # ... but soon.
    qtbot.waitUntil(lambda: drawn() == LENGTH, timeout=WAIT)
    assert session.prediction.active
    tell(Finished("predict"))
    assert not trajectories.video._timer.isActive()
    np.testing.assert_array_equal(curve.getData()[1], whole.xy[:, 0, 0])


def test_a_hidden_dock_draws_nothing_and_catches_up(trajectories: TrajectoriesPanel) -> None:
    trajectories.hide()
    session, plot = trajectories.session, trajectories.plot
    drawn = plot.pictures
    session.set_poses(opened_in(trajectories), table(seed=3), session.model_name)
    session.go_to(123)
    settle_hidden()
    assert plot.pictures == drawn
    trajectories.show()
    settle(trajectories)
    trajectories.toolbar.centred.setChecked(False)
    settle(trajectories)
    _, y = plot.panels["x"]._curves[Trace("x", ("eye top",))].getData()
    np.testing.assert_array_equal(y, table(seed=3).xy[:, 0, 0])
    assert line_column(trajectories) == pytest.approx(at(trajectories, 123)[0], abs=1.5)


def settle_hidden() -> None:
    for _ in range(5):
        QApplication.processEvents()


# --------------------------------------------------------------------- filters


def test_smoothing_from_the_form_is_undone_and_redone(
    trajectories: TrajectoriesPanel, tmp_path: Path, qtbot: Any
) -> None:
    labels = label(trajectories, tmp_path, qtbot, {(40, 2): labelled(11.5, 22.5)})
    session, form = trajectories.session, trajectories.form
    raw, before = opened_in(trajectories).poses, table().xy
    trajectories.toolbar.filter_button.click()
    assert form.isVisible()
    form.method.setCurrentIndex(form.method.findData("savgol"))
    form.window_size.setValue(9)
    form.order.setValue(2)
    form.apply_button.click()
    smooth = apply_operations(table(), [{"smooth": "savgol", "window": 9, "order": 2}])
    np.testing.assert_array_equal(session.predictions.xy, smooth.xy)
    settle(trajectories)
    curve = trajectories.plot.panels["x"]._curves[Trace("x", ("eye top",))]
    x = smooth.xy[:, 0, 0]
    np.testing.assert_allclose(curve.getData()[1], x - np.median(x), atol=1e-3)
    assert "1. Savitzky-Golay filter over 9 frames" in form.state.text()
    assert form.undo_button.isEnabled()
    form.undo_button.click()
    assert session.predictions is raw
    assert form.state.text() == ""
    assert form.redo_button.toolTip().startswith("Redo Savitzky-Golay")
    form.redo_button.click()
    np.testing.assert_array_equal(session.predictions.xy, smooth.xy)
    # Neither the model's predictions nor the labels were changed by any of it.
    np.testing.assert_array_equal(raw.xy, before)
    assert labels.point(40, 2) == labelled(11.5, 22.5)
    assert len(labels) == 1
    session.labelling.undo()
    session.labelling.undo()
    assert len(labels) == 0


def test_a_filter_is_for_what_the_form_says(trajectories: TrajectoriesPanel) -> None:
    form, session = trajectories.form, trajectories.session
    trajectories.list.show_only(["nose tip"])
    trajectories.plot.show_frames(100, 200)
    settle(trajectories)
    form.method.setCurrentIndex(form.method.findData("linear"))
    form.longest.setValue(400)
    form.confidence.setValue(0.8)
    form.keypoints.setCurrentIndex(1)
    form.frames.setCurrentIndex(1)
    form.apply_button.click()
    assert session.filters.operations == [
        {
            "fill": "linear",
            "longest": 400,
            "confidence": 0.8,
            "keypoints": ["nose tip"],
            "frames": [100, 201],
            "model": session.model_name,
        }
    ]


def test_models_are_ticked_and_smoothed_with_a_band(
    trajectories: TrajectoriesPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, opened = trajectories.form, opened_in(trajectories)
    random = np.random.default_rng(0)
    for model in (trajectories.session.model_name, "other"):
        noisy = table()
        noisy.xy += random.normal(0, 2, noisy.xy.shape)
        write_poses(noisy, table_paths(opened.path, model)[0], scorer=model)
    opened.saved = table_paths(opened.path, trajectories.session.model_name)[0]
    trajectories.toolbar.filter_button.click()
    form.method.setCurrentIndex(form.method.findData("ensemble"))
    qtbot.waitUntil(lambda: form.models.list.count() == 1, timeout=WAIT)
    assert form.models.list.item(0).text() == "other"
    assert not form.apply_button.isEnabled()
    third = opened.path.with_name("third.csv")
    write_poses(table(), third, scorer="me")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileNames", lambda *_: ([str(third), str(opened.saved)], "")
    )
    form.models.add_button.click()
    assert form.models.chosen == ["third.csv"]
    form.models.list.item(0).setCheckState(Qt.CheckState.Checked)
    form.apply_button.click()
    qtbot.waitUntil(lambda: opened.shown_variance is not None, timeout=WAIT)
    assert "1. ensemble of 3 models" in form.state.text()
    assert form.models.any_chosen
    settle(trajectories)
    x = Trace("x", ("eye top",))
    assert len(trajectories.video.store.band(x, 0, len(table()), 200)[0])
    form.undo_button.click()
    assert trajectories.session.predictions is opened.poses
    assert not len(trajectories.video.store.band(x, 0, len(table()), 200)[0])


def test_numbers_of_the_form_make_sense(trajectories: TrajectoriesPanel) -> None:
    form = trajectories.form
    form.method.setCurrentIndex(form.method.findData("median"))
    assert not form.order.isVisibleTo(form)
    form.window_size.setValue(6)
    form.window_size.editingFinished.emit()
    assert form.operation() == {"smooth": "median", "window": 7}
    assert "140 ms" in form.help.text()
    form.method.setCurrentIndex(form.method.findData("savgol"))
    form.window_size.setValue(3)
    form.order.setValue(9)
    assert form.operation() == {"smooth": "savgol", "window": 3, "order": 2}


# --------------------------------------------------------------------- files


def choose(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), kind))


def menu_entry(dock: TrajectoriesPanel, start: str) -> Any:
    return next(a for a in dock.toolbar.export_menu.actions() if a.text().startswith(start))


def test_what_is_plotted_is_written_as_csv(
    trajectories: TrajectoriesPanel, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(trajectories, tmp_path, qtbot, {(40, 2): labelled(11.5, 22.5)})
    trajectories.list.show_only(["nose tip"])
    trajectories.toolbar.panel_button("confidence").setChecked(False)
    trajectories.plot.show_frames(30, 60)
    settle(trajectories)
    path = tmp_path / "out"
    choose(monkeypatch, path)
    menu_entry(trajectories, "Plotted traces, frames in view").trigger()
    written = tmp_path / "out.csv"
    qtbot.waitUntil(written.exists, timeout=WAIT)
    with written.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [
        "frame",
        "time (s)",
        "nose tip x (px)",
        "nose tip x (px) labelled",
        "nose tip y (px)",
        "nose tip y (px) labelled",
    ]
    start, stop = trajectories.plot.frames
    assert [int(row[0]) for row in rows] == list(range(start, stop))
    # In pixels of the video, also while the plot is centred.
    assert float(rows[0][2]) == table().xy[start, 2, 0]
    assert rows[40 - start][3] == "11.5"
    choose(monkeypatch, tmp_path / "all.csv")
    menu_entry(trajectories, "Plotted traces, all frames").trigger()
    qtbot.waitUntil((tmp_path / "all.csv").exists, timeout=WAIT)
    assert len((tmp_path / "all.csv").read_text().splitlines()) == LENGTH + 1


def test_the_plot_is_written_as_a_picture(
    trajectories: TrajectoriesPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trajectories.list.show_only(["eye top"])
    settle(trajectories)
    for name in ("plot.png", "plot.svg"):
        choose(monkeypatch, tmp_path / name)
        menu_entry(trajectories, "Picture").trigger()
    image = QImage(str(tmp_path / "plot.png"))
    size = trajectories.plot.viewport().size()
    assert (image.width(), image.height()) == (2 * size.width(), 2 * size.height())
    red = sum(
        image.pixelColor(x, y).red() > 200 > image.pixelColor(x, y).green() + 100
        for x in range(0, image.width(), 7)
        for y in range(image.height())
    )
    assert red > 100
    svg = ElementTree.parse(tmp_path / "plot.svg").getroot()
    assert svg.tag.endswith("svg")
    text = (tmp_path / "plot.svg").read_text()
    assert "#ff0000" in text
    assert "#00ff00" not in text
    assert "confidence" in text
    # Both show the same: lines, ticks and words in the same places.
    renderer = QSvgRenderer(str(tmp_path / "plot.svg"))
    drawn = QImage(size, QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    renderer.render(painter)
    painter.end()
    one, other = (
        _brightness(each.scaled(size, mode=Qt.TransformationMode.SmoothTransformation))
        for each in (image, drawn)
    )
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8


def _brightness(image: QImage) -> np.ndarray:
    """Blurred over some pixels, as letters are drawn a little differently."""
    image = image.convertToFormat(QImage.Format.Format_Grayscale8)
    shape = (image.height(), image.bytesPerLine())
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(shape)[:, : image.width()]
    return uniform_filter(pixels.astype(float), 3)


def test_a_picture_that_cannot_be_written_is_said(
    trajectories: TrajectoriesPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    trajectories.session.told.connect(lambda text, level: told.append((text, level)))
    choose(monkeypatch, tmp_path / "gone" / "plot.png")
    trajectories.video.export_picture()
    assert told[-1][1] == "error"
    assert "plot.png" in told[-1][0]


def test_the_filtered_table_stands_beside_the_video(
    trajectories: TrajectoriesPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, opened = trajectories.session, opened_in(trajectories)
    session.filters.do({"smooth": "median", "window": 5})
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    trajectories.form.save_button.click()
    h5 = opened.path.with_name("mouse_vitface_mouse-face_filtered.h5")
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
    assert "Wrote mouse_vitface_mouse-face_filtered.h5" in told[0]
    for path in (h5, h5.with_suffix(".csv")):
        back = read_poses(path)
        np.testing.assert_array_equal(back.xy, session.predictions.xy)
        np.testing.assert_array_equal(back.confidence, session.predictions.confidence)
    # One that is there is replaced only if the user says so.
    session.labelling.undo()
    stamp = h5.stat().st_mtime_ns
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    trajectories.form.save_button.click()
    settle(trajectories)
    assert h5.stat().st_mtime_ns == stamp
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    trajectories.form.save_button.click()
    qtbot.waitUntil(lambda: len(told) == 2, timeout=WAIT)
    np.testing.assert_array_equal(read_poses(h5).xy, opened.poses.xy)


# --------------------------------------------------------------------- how it looks


def test_nothing_is_cut_off(trajectories: TrajectoriesPanel) -> None:
    trajectories.toolbar.filter_button.click()
    trajectories.form.method.setCurrentIndex(1)
    trajectories.list.add(Trace("distance", ("eye top", "eye bottom"), "opening"))
    trajectories.list.add(Trace("angle", THREE.names, "wedge"))
    settle(trajectories)
    cut = []
    for button in trajectories.findChildren(QPushButton):
        if button.isVisible() and button.text():
            needed = button.fontMetrics().horizontalAdvance(button.text())
            if needed > button.width():
                cut.append((button.text(), needed, button.width()))
            right = button.mapTo(trajectories, button.rect().topRight()).x()
            assert right < trajectories.width(), button.text()
    assert cut == []


def test_it_takes_the_colours_of_the_theme(trajectories: TrajectoriesPanel) -> None:
    viewer = trajectories.session.viewer
    dark = trajectories.plot.backgroundBrush().color().lightness()
    viewer.theme = "light"
    settle(trajectories)
    assert trajectories.plot.backgroundBrush().color().lightness() > 200 > dark
    image = trajectories.plot.picture(1.0)
    assert image.pixelColor(2, image.height() - 3).lightness() > 200


def test_closing_the_window_closes_both_docks(
    engine: Any, make_napari_viewer: Any, long_video: Path, qtbot: Any
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    viewer = make_napari_viewer(show=True)
    made = open_trajectories(viewer)
    session = made.session
    show_video(made.panel, long_video)
    made.panel.toolbar.filter_button.click()
    with qtbot.captureExceptions() as raised:
        viewer.close()
        qtbot.waitUntil(lambda: session.closed, timeout=WAIT)
        settle_hidden()
    assert raised == []
