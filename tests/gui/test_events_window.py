"""The Events dock in a real window, with a real mouse on the timeline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QInputDialog, QMessageBox

from napari_vitface.events.format import write_events
from napari_vitface.events.intervals import Interval, make_edit
from napari_vitface.gui.events.event_documents import beside
from napari_vitface.video import open_video

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.events.annotating import Annotating
    from napari_vitface.gui.events.dock import EventsPanel

pytestmark = pytest.mark.window

NAME = "ViT Face events (napari-vitface)"
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PLAIN, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def plain(engine: Any, viewer_model: Any, qtbot: Any) -> Iterator[EventsPanel]:
    """The panel of the dock in a window of its own, on the session of a viewer without one."""
    from napari_vitface.gui.events.dock import EventsDock
    from napari_vitface.gui.main_thread import MainThread
    from napari_vitface.gui.workbench import session_of

    main_thread = MainThread()
    session = session_of(viewer_model, main_thread.post)
    made = EventsDock(viewer_model)
    made.resize(1300, 220)
    with qtbot.waitExposed(made):
        made.show()
    assert made.panel is not None
    yield made.panel
    made.close_links()
    session.close()
    made.deleteLater()


@pytest.fixture
def events(plain: EventsPanel, video_path: Path, qtbot: Any) -> EventsPanel:
    """The same with a video of 40 frames and two labels, of which "rest" is chosen."""
    session = plain.session
    assert session is not None
    session.add_video(open_video(video_path))
    qtbot.waitUntil(lambda: session.annotating.document is not None)
    session.annotating.add_label("groom")
    session.annotating.add_label("rest")
    settle(plain)
    return plain


def annotating_of(dock: EventsPanel) -> Annotating:
    assert dock.session is not None
    return dock.session.annotating


def spans(dock: EventsPanel) -> list[tuple[int, int, str]]:
    return [(each.onset, each.offset, each.label) for each in annotating_of(dock).events]


def settle(dock: EventsPanel) -> None:
    """Let the window draw all that is waiting to be drawn."""
    for _ in range(5):
        QApplication.processEvents()
    assert dock.timeline.isVisible()


class Mouse:
    """Presses, moves and releases at a frame, in the lane of a label (by its number)."""

    def __init__(self, dock: EventsPanel) -> None:
        self._view, self._viewport = dock.timeline.view, dock.timeline.viewport()

    def _send(self, kind: QEvent.Type, x: float, lane: float, button: Any, buttons: Any) -> None:
        where = self._view.mapViewToScene(QPointF(x, lane + 0.5))
        event = QMouseEvent(
            kind, where, QPointF(self._viewport.mapToGlobal(where.toPoint())), button, buttons,
            PLAIN,
        )  # fmt: skip
        QApplication.sendEvent(self._viewport, event)
        QApplication.processEvents()

    def hover(self, x: float, lane: float) -> Qt.CursorShape:
        self._send(QEvent.Type.MouseMove, x, lane, NONE, NONE)
        return self._viewport.cursor().shape()

    def press(self, x: float, lane: float) -> None:
        self.hover(x, lane)
        self._send(QEvent.Type.MouseButtonPress, x, lane, LEFT, LEFT)

    def move(self, x: float, lane: float) -> None:
        # pyqtgraph passes over moves that follow each other faster than a screen shows them.
        time.sleep(0.02)
        self._send(QEvent.Type.MouseMove, x, lane, NONE, LEFT)

    def release(self, x: float, lane: float) -> None:
        self._send(QEvent.Type.MouseButtonRelease, x, lane, LEFT, NONE)
        QApplication.processEvents()

    def click(self, x: float, lane: float) -> None:
        self.press(x, lane)
        self.release(x, lane)

    def drag(self, start: float, stop: float, lane: float, steps: int = 5) -> None:
        self.press(start, lane)
        for step in range(1, steps + 1):
            self.move(start + step / steps * (stop - start), lane)
        self.release(stop, lane)


def press_key(dock: EventsPanel, key: Qt.Key, held: Any = PLAIN) -> None:
    QApplication.sendEvent(dock.timeline, QKeyEvent(QEvent.Type.KeyPress, key, held))
    QApplication.processEvents()


def test_it_opens_below_the_canvas_from_the_menus(make_napari_viewer: Any, qtbot: Any) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    get_app_model().commands.execute_command("napari-vitface.show_events").result()
    dock = viewer.window.dock_widgets[NAME]
    holder = dock.parent()
    assert isinstance(holder, QDockWidget)
    area = viewer.window._qt_window.dockWidgetArea(holder)
    assert area == Qt.DockWidgetArea.BottomDockWidgetArea
    assert "Waits for a video" in dock.panel.waiting.text()
    session = dock.session
    viewer.window.dock_widgets["ViT Face (napari-vitface)"].close_links()
    assert dock.session is None
    assert "was closed" in dock.waiting.text()
    assert session.closed


def test_events_are_drawn_with_the_mouse(events: EventsPanel) -> None:
    mouse = Mouse(events)
    mouse.drag(5, 11, lane=0)
    assert spans(events) == [(5, 12, "groom")]
    # Also from right to left, and in the lane that it began in.
    mouse.drag(30, 20, lane=1)
    assert spans(events) == [(5, 12, "groom"), (20, 31, "rest")]
    assert annotating_of(events).label == "rest"
    assert events.toolbar.labels.currentText() == "rest"
    # Up to the ends of the video and not beyond.
    mouse.drag(35, 60, lane=0)
    assert spans(events)[-1] == (35, 40, "groom")


def test_a_drag_shows_what_it_would_make(events: EventsPanel) -> None:
    mouse = Mouse(events)
    mouse.press(5, 0)
    mouse.move(8, 0)
    mouse.move(9, 0)
    assert events.timeline.lanes._ghost == Interval(5, 10, "groom")
    assert spans(events) == []
    mouse.release(9, 0)
    assert events.timeline.lanes._ghost is None


def test_edges_and_whole_events_are_dragged(events: EventsPanel) -> None:
    mouse = Mouse(events)
    mouse.drag(10, 19, lane=0)
    assert mouse.hover(9.5, 0) == Qt.CursorShape.SplitHCursor
    assert mouse.hover(15, 0) == Qt.CursorShape.OpenHandCursor
    mouse.drag(9.5, 4.5, lane=0)
    assert spans(events) == [(5, 20, "groom")]
    mouse.drag(19.5, 24.6, lane=0)
    assert spans(events) == [(5, 25, "groom")]
    # Not past its other edge.
    mouse.drag(24.5, 1, lane=0)
    assert spans(events) == [(5, 6, "groom")]
    annotating_of(events).undo()
    mouse.drag(15, 18, lane=0)
    assert spans(events) == [(8, 28, "groom")]
    mouse.drag(15, 39, lane=0)
    assert spans(events) == [(20, 40, "groom")]


def test_a_click_selects_and_shows_the_frame(events: EventsPanel, qtbot: Any) -> None:
    session = events.session
    assert session is not None
    mouse = Mouse(events)
    mouse.drag(10, 19, lane=0)
    mouse.click(33, 1)
    qtbot.waitUntil(lambda: session.frame == 33)
    assert annotating_of(events).selected is None
    assert not events.toolbar.delete_button.isEnabled()
    mouse.click(15, 0)
    qtbot.waitUntil(lambda: session.frame == 15)
    assert annotating_of(events).selected == Interval(10, 20, "groom")
    assert annotating_of(events).label == "groom"
    assert events.timeline.cursor_line.value() == 15


def test_the_slider_moves_the_line_and_the_line_the_slider(events: EventsPanel, qtbot: Any) -> None:
    session = events.session
    assert session is not None
    session.go_to(12)
    assert events.timeline.cursor_line.value() == 12
    Mouse(events).drag(12, 25, lane=1)
    qtbot.waitUntil(lambda: session.frame == 25)
    assert spans(events) == []


def test_keys_after_a_click_are_for_events(events: EventsPanel) -> None:
    mouse = Mouse(events)
    mouse.drag(10, 19, lane=0)
    mouse.click(15, 0)
    press_key(events, Qt.Key.Key_Delete)
    assert spans(events) == []
    press_key(events, Qt.Key.Key_Z, CONTROL)
    assert spans(events) == [(10, 20, "groom")]
    press_key(events, Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert spans(events) == []
    # Others are for the window.
    event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_F, PLAIN)
    event.accept()
    events.timeline.keyPressEvent(event)
    assert not event.isAccepted()


def test_the_buttons(events: EventsPanel, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> None:
    session, bar = events.session, events.toolbar
    assert session is not None
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("sniff", True))
    bar.add_button.click()
    assert bar.labels.currentText() == "sniff"
    session.go_to(3)
    bar.mark_button.click()
    assert bar.mark_button.text() == "End here"
    assert "again where it ends" in events.note.text()
    session.go_to(6)
    bar.mark_button.click()
    bar.point_button.click()
    assert spans(events) == [(3, 7, "sniff"), (6, 6, "sniff")]
    assert "(6, 6)" not in bar.line.text()
    bar.delete_button.click()
    assert spans(events) == [(3, 7, "sniff")]
    assert "Undo: delete sniff" in bar.undo_button.toolTip()
    bar.undo_button.click()
    bar.redo_button.click()
    assert spans(events) == [(3, 7, "sniff")]
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("smell", True))
    bar.label_menu.actions()[0].trigger()
    assert spans(events) == [(3, 7, "smell")]
    assert bar.save_button.isEnabled()
    bar.save_button.click()
    assert not bar.save_button.isEnabled()
    assert bar.line.text() == "Saved."
    annotating_of(events).previous_event()
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("lick", True))
    bar.add_button.click()
    bar.label_menu.actions()[3].trigger()
    assert spans(events) == [(3, 7, "lick")]
    bar.undo_button.click()
    bar.labels.setCurrentText("smell")
    bar.labels.textActivated.emit("smell")
    bar.label_menu.actions()[2].trigger()
    assert spans(events) == []
    # What could be undone is not told of a video that is no longer there.
    assert bar.line.toolTip()
    assert "Undo: " in bar.undo_button.toolTip()
    assert session.current is not None
    session.viewer.layers.remove(session.current.layer)
    qtbot.waitUntil(lambda: session.annotating.document is None)
    assert not bar.line.toolTip()
    assert "Undo: " not in bar.undo_button.toolTip()


def test_files_are_asked_for(
    events: EventsPanel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("onset,offset,label\n10,20,groom\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(table), ""))
    answers = iter([0, 2])

    def answer(question: QMessageBox) -> None:
        wanted = next(answers)
        buttons = {"Frames": 0, "Seconds": 1}
        for button in question.buttons():
            if buttons.get(button.text(), 2) == wanted:
                button.click()

    monkeypatch.setattr(QMessageBox, "exec_", answer)
    events.ask_for_import()
    assert spans(events) == [(10, 20, "groom")]
    annotating_of(events).undo()
    events.ask_for_import()
    assert spans(events) == []
    annotating_of(events).redo()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "out"), ""))
    for action in events.toolbar.export_menu.actions():
        action.trigger()
    written = sorted(path.name for path in tmp_path.glob("out*"))
    assert written == ["out.boris.csv", "out.csv", "out.tsv", "out_events.tsv"]


def test_a_conflict_is_asked_about(events: EventsPanel, video_path: Path) -> None:
    annotating = annotating_of(events)
    annotating.draw("groom", 5, 12)
    annotating.save()
    assert annotating.selected is not None
    annotating.change(annotating.selected, 5, 20)
    write_events(beside(video_path), [Interval(2, 12, "groom")], format="tsv")
    assert not events.choice.isVisible()
    events.toolbar.save_button.click()
    assert events.choice.isVisible()
    assert "Another program changed events" in events.note.text()
    events.theirs_button.click()
    assert spans(events) == [(2, 12, "groom")]
    assert not events.choice.isVisible()


def test_time_is_shared_with_the_trajectories(dock: ViTFaceDock, long_video: Path) -> None:
    from napari_vitface.gui.actions import open_events, open_trajectories
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.pose.table import PoseTable

    viewer = dock.session.viewer
    events, plotted = open_events(viewer).panel, open_trajectories(viewer).panel
    opened = dock.session.add_video(open_video(long_video))
    table = PoseTable.empty(KeypointSet(("nose",)), 600)
    dock.session.set_poses(opened, table, dock.session.model_name)
    plotted.plot.show_frames(100, 200)
    assert events.timeline.view.viewRange()[0] == [100, 200]
    events.timeline.show_frames(20, 60)
    assert plotted.plot.time.viewRange()[0] == [20, 60]


def test_ten_thousand_events_are_painted(events: EventsPanel, long_video: Path, qtbot: Any) -> None:
    session = events.session
    assert session is not None
    session.add_video(open_video(long_video))
    qtbot.waitUntil(lambda: session.annotating.document is not None)
    many = [Interval(i % 597, i % 597 + 1 + i % 3, f"label {i % 20}") for i in range(10_000)]
    document = session.annotating.document
    assert document is not None
    edit = make_edit(document.events, "many", add=many)
    assert edit is not None
    document.do(edit)
    session.annotating.changed.emit()
    settle(events)
    middle = events.timeline.view.mapViewToScene(QPointF(300, 2.5))
    image = events.timeline.viewport().grab().toImage()
    # In the lane of its third label there is hardly a gap.
    colours = [image.pixelColor(x, round(middle.y())).name() for x in range(200, 1200, 7)]
    third = session.annotating.labels[2].colour
    assert colours.count(third) > len(colours) // 2


def test_the_theme_is_followed(plain: EventsPanel, viewer_model: Any) -> None:
    viewer_model.theme = "light"
    assert plain.timeline.backgroundBrush().color().lightness() > 128
