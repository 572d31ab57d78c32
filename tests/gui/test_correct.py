"""Correcting in a real napari window: mouse and keys go through the canvas as a user's do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from napari_vitface.gui.correct.keys import lines
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.overlays import KEYPOINTS
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, labelled, occluded
from napari_vitface.pose.table import PoseTable
from napari_vitface.project.project import Project

if TYPE_CHECKING:
    from napari_vitface.gui.correct.labelling import Labelling
    from napari_vitface.gui.correct.section import CorrectSection
    from napari_vitface.gui.dock import ViTFaceDock

pytestmark = pytest.mark.window

LEFT_BUTTON = Qt.MouseButton.LeftButton
FACE = KeypointSet(
    ("nose", "left ear", "right ear", "tail"),
    skeleton=(("nose", "left ear"),),
    swaps=(("left ear", "right ear"),),
)
NOSE, LEFT, RIGHT, TAIL = range(4)
WAIT = 600_000


def predictions(count: int = 40) -> PoseTable:
    xy = np.full((count, 4, 2), np.nan, np.float32)
    xy[:, NOSE] = 30, 40
    xy[:, LEFT] = 90, 20
    xy[:, RIGHT] = 90, 70
    confidence = np.full((count, 4), 0.5, np.float32)
    return PoseTable(FACE, xy, confidence)


class Hand:
    """A user's mouse and keys on the canvas of a dock's viewer."""

    def __init__(self, dock: ViTFaceDock) -> None:
        self.viewer = dock.session.viewer
        self.canvas = self.viewer.window._qt_viewer.canvas.native

    def at(self, x: float, y: float) -> QPoint:
        """Where a video pixel is on the canvas."""
        camera = getattr(self.viewer, "scene", self.viewer).camera
        size = np.array([self.canvas.width(), self.canvas.height()])
        centre = np.array(camera.center[-2:])[::-1]
        place = size / 2 + (np.array([x, y]) - centre) * camera.zoom
        return QPoint(*(round(value) for value in place))

    @property
    def pixel(self) -> float:
        """Video pixels that a pixel of the canvas covers."""
        return 1 / getattr(self.viewer, "scene", self.viewer).camera.zoom

    def press(self, x: float, y: float, *modifiers: Any) -> None:
        QTest.mouseMove(self.canvas, self.at(x, y))
        QTest.mousePress(self.canvas, LEFT_BUTTON, _held(modifiers), self.at(x, y))

    def move(self, x: float, y: float) -> None:
        # Of moves that come faster than a hand makes them, the canvas leaves some out.
        QTest.qWait(20)
        QTest.mouseMove(self.canvas, self.at(x, y))
        QTest.qWait(20)

    def release(self, x: float, y: float, *modifiers: Any) -> None:
        QTest.mouseRelease(self.canvas, LEFT_BUTTON, _held(modifiers), self.at(x, y))
        QApplication.processEvents()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.press(*start)
        for share in (0.3, 0.7, 1.0):
            self.move(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))
        self.release(*end)

    def click(self, x: float, y: float, *modifiers: Any) -> None:
        self.press(x, y, *modifiers)
        self.release(x, y, *modifiers)

    def key(self, key: Any, *modifiers: Any, on: QWidget | None = None) -> None:
        QTest.keyClick(on or self.canvas, key, _held(modifiers))
        QApplication.processEvents()


def _held(modifiers: tuple[Any, ...]) -> Any:
    held = Qt.KeyboardModifier.NoModifier
    for modifier in modifiers:
        held |= modifier
    return held


SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def section(dock: ViTFaceDock) -> CorrectSection:
    for name, other in dock.sections.items():
        other.set_open(name == "correct")
    return dock.correct_section


@pytest.fixture
def predicted(
    dock: ViTFaceDock, section: CorrectSection, qtbot: Any, video_path: Path
) -> Labelling:
    """A video with predictions and without a project."""
    session = dock.session
    opened = session.add_video(open_for_window(video_path))
    qtbot.waitUntil(lambda: not session.labelling.documents.opening, timeout=WAIT)
    session.set_poses(opened, predictions(), session.model_name)
    QApplication.processEvents()
    return session.labelling


@pytest.fixture
def labelling(predicted: Labelling, qtbot: Any, tmp_path: Path) -> Labelling:
    """The same in a project, with the tool for moving points in hand."""
    predicted.documents.create(tmp_path / "project", FACE, "me")
    qtbot.waitUntil(lambda: predicted.document is not None, timeout=WAIT)
    predicted.canvas.take_tool("move")
    QApplication.processEvents()
    return predicted


@pytest.fixture
def hand(dock: ViTFaceDock) -> Hand:
    return Hand(dock)


def said(labelling: Labelling, frame: int = 0) -> list[Any]:
    return [labelling.labels.point(frame, k) for k in range(4)]


def saved(project: Project) -> Any:
    import pandas as pd

    (path,) = project.folder.glob("labeled-data/mouse/CollectedData_me.h5")
    return pd.read_hdf(path)["me"]


# --------------------------------------------------------------------- mouse


def test_a_dragged_point_is_a_label_on_disk(
    labelling: Labelling, section: CorrectSection, hand: Hand, qtbot: Any
) -> None:
    hand.drag((30, 40), (64, 55))
    point = labelling.labels.point(0, NOSE)
    np.testing.assert_allclose(point[:2], (64, 55), atol=hand.pixel)
    assert [p == ABSENT for p in said(labelling)] == [False, True, True, True]
    # One drag is one edit, and it is in the journal before anything else happens.
    assert len(labelling.document.history.done) == 1
    (journal,) = labelling.project.folder.glob("vitface/journal/*.jsonl")
    assert '"move nose"' in journal.read_text()
    assert "1 edit since the last save, safe in the journal" in section.saved.text()
    qtbot.mouseClick(section.save_button, LEFT_BUTTON)
    assert section.saved.text() == "Saved."
    row = saved(labelling.project).iloc[0]
    assert (row["nose", "x"], row["nose", "y"]) == point[:2]
    assert np.isnan(row["left ear", "x"])


def test_a_click_on_a_point_selects_it_and_moves_nothing(
    labelling: Labelling, section: CorrectSection, hand: Hand
) -> None:
    hand.click(91, 20)
    assert labelling.selection.indices == (LEFT,)
    assert section.list.topLevelItem(LEFT).isSelected()
    assert not labelling.document.history.done
    hand.click(60, 80)
    assert labelling.selection.indices == ()


def test_points_in_a_box_are_dragged_together_as_one_edit(labelling: Labelling, hand: Hand) -> None:
    hand.drag((75, 5), (110, 85))
    assert labelling.selection.indices == (LEFT, RIGHT)
    hand.drag((90, 20), (70, 22))
    moved = said(labelling)
    np.testing.assert_allclose(moved[LEFT][:2], (70, 22), atol=hand.pixel)
    np.testing.assert_allclose(moved[RIGHT][:2], (70, 72), atol=hand.pixel)
    assert moved[NOSE] == ABSENT
    assert labelling.document.history.undo_text == "move 2 points"
    assert len(labelling.document.history.done) == 1


def test_a_point_that_is_dragged_out_of_the_frame_stays_at_its_edge(
    labelling: Labelling, hand: Hand
) -> None:
    hand.drag((30, 40), (-8, 40))
    assert labelling.labels.point(0, NOSE).x == 0


def test_clicks_place_the_missing_keypoints(
    labelling: Labelling, section: CorrectSection, hand: Hand, dock: ViTFaceDock
) -> None:
    dock.session.set_poses(dock.session.current, None, dock.session.model_name)
    hand.key(Qt.Key.Key_2)
    assert labelling.canvas.tool == "place"
    places = [(20, 20), (40, 30), (60, 40), (80, 50)]
    for k, place in enumerate(places):
        assert FACE.names[k] in section.hint_line.text()
        hand.click(*place)
        assert section.frame_line.text() == f"Frame 0: {k + 1} of 4 done"
    np.testing.assert_allclose(labelling.labels.xy(0), places, atol=hand.pixel)
    assert len(labelling.document.history.done) == 4
    hand.click(100, 60)
    assert len(labelling.document.history.done) == 4
    assert len(dock.session.viewer.layers[KEYPOINTS].data) == 4


def test_a_name_in_the_list_says_what_the_next_click_places(
    labelling: Labelling, section: CorrectSection, hand: Hand, qtbot: Any
) -> None:
    item = section.list.topLevelItem(TAIL)
    place = section.list.visualItemRect(item).center()
    qtbot.mouseClick(section.list.viewport(), LEFT_BUTTON, pos=place)
    assert labelling.selection.indices == (TAIL,)
    hand.key(Qt.Key.Key_T)
    assert section.list.topLevelItem(TAIL).text(1) == "next click ◂"
    hand.click(50, 60)
    np.testing.assert_allclose(labelling.labels.point(0, TAIL)[:2], (50, 60), atol=hand.pixel)
    assert section.list.topLevelItem(TAIL).text(1) == "placed"


def test_a_drag_that_a_frame_step_interrupts_belongs_to_the_frame_that_it_began_on(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock
) -> None:
    hand.press(30, 40)
    hand.move(40, 50)
    hand.move(50, 60)
    hand.key(Qt.Key.Key_F)
    assert dock.session.frame == 1
    hand.move(70, 70)
    hand.release(70, 70)
    np.testing.assert_allclose(labelling.labels.point(0, NOSE)[:2], (50, 60), atol=hand.pixel)
    assert labelling.labels.frames().tolist() == [0]
    layer = dock.session.viewer.layers[KEYPOINTS]
    np.testing.assert_array_equal(layer.data[NOSE], [40, 30])
    # The hand is free again.
    hand.drag((30, 40), (20, 30))
    np.testing.assert_allclose(labelling.labels.point(1, NOSE)[:2], (20, 30), atol=hand.pixel)


def test_predictions_that_arrive_during_a_drag_do_not_disturb_it(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock
) -> None:
    hand.press(30, 40)
    hand.move(40, 50)
    dock.session.draw_pose()
    hand.move(60, 55)
    dock.session.draw_pose()
    hand.release(60, 55)
    np.testing.assert_allclose(labelling.labels.point(0, NOSE)[:2], (60, 55), atol=hand.pixel)


# --------------------------------------------------------------------- keys


@pytest.mark.parametrize("where", ["keypoints", "video", "dock"])
def test_keys_work_whatever_is_selected_and_focused(
    labelling: Labelling,
    section: CorrectSection,
    hand: Hand,
    dock: ViTFaceDock,
    qtbot: Any,
    where: str,
) -> None:
    labelling.selection.select([NOSE])
    on = hand.canvas
    if where == "video":
        dock.session.viewer.layers.selection.active = dock.session.current.layer
        labelling.selection.select([NOSE])
    elif where == "dock":
        # Our buttons leave the focus where it is when they are clicked; others take it.
        qtbot.mouseClick(section.move_button, LEFT_BUTTON)
        assert QApplication.focusWidget() is not section.move_button
        on = dock.video_section.header
        on.setFocus()
    hand.key(Qt.Key.Key_B, on=on)
    assert said(labelling)[NOSE] == occluded(30, 40)
    # Arrows move the focus from button to button, so they are the canvas' alone.
    hand.key(Qt.Key.Key_Right, CTRL, SHIFT)
    assert said(labelling)[NOSE] == occluded(31, 40)
    hand.key(Qt.Key.Key_G, on=on)
    assert said(labelling)[LEFT] == labelled(90, 20)
    hand.key(Qt.Key.Key_F, on=on)
    hand.key(Qt.Key.Key_C, SHIFT, on=on)
    assert said(labelling, 1) == said(labelling, 0)
    hand.key(Qt.Key.Key_W, on=on)
    hand.key(Qt.Key.Key_X, SHIFT, on=on)
    assert said(labelling, 1)[LEFT] == labelled(90, 70)
    for _ in range(2):
        hand.key(Qt.Key.Key_Z, CTRL, on=on)
    hand.key(Qt.Key.Key_Z, CTRL, SHIFT, on=on)
    assert labelling.labels.frames().tolist() == [0, 1]
    assert said(labelling, 1)[LEFT] == labelled(90, 20)
    hand.key(Qt.Key.Key_S, SHIFT, on=on)
    assert len(saved(labelling.project)) == 2


@pytest.mark.parametrize("key", [Qt.Key.Key_Delete, Qt.Key.Key_1, Qt.Key.Key_Backspace])
def test_delete_means_not_visible(
    labelling: Labelling, section: CorrectSection, hand: Hand, dock: ViTFaceDock, key: Any
) -> None:
    hand.click(30, 40)
    hand.key(key)
    assert said(labelling)[NOSE] == NOT_VISIBLE
    assert section.list.topLevelItem(NOSE).text(1) == "not visible"
    assert len(dock.session.viewer.layers[KEYPOINTS].data) == 4
    hand.key(Qt.Key.Key_Z, CTRL)
    assert said(labelling)[NOSE] == ABSENT
    assert dock.session.viewer.layers[KEYPOINTS].shown[NOSE]


def test_undo_shows_the_frame_that_it_changes(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock, section: CorrectSection
) -> None:
    hand.drag((30, 40), (50, 50))
    for _ in range(3):
        hand.key(Qt.Key.Key_F)
    assert section.undo_button.toolTip() == "Undo move nose  (Ctrl+Z)"
    hand.key(Qt.Key.Key_Z, CTRL)
    assert dock.session.frame == 0
    assert said(labelling)[NOSE] == ABSENT
    np.testing.assert_array_equal(dock.session.viewer.layers[KEYPOINTS].data[NOSE], [40, 30])


def test_a_key_that_is_held_down_goes_on(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock
) -> None:
    def send(kind: Any, again: bool) -> None:
        held = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(hand.canvas, QKeyEvent(kind, Qt.Key.Key_F, held, "f", again))

    send(QEvent.Type.KeyPress, False)
    for _ in range(4):
        send(QEvent.Type.KeyRelease, True)
        send(QEvent.Type.KeyPress, True)
    send(QEvent.Type.KeyRelease, False)
    assert dock.session.frame == 5


def test_letters_that_are_typed_are_no_commands(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock, section: CorrectSection, qtbot: Any
) -> None:
    editor = section.project.edit_keypoints()
    edit = editor.edits[NOSE]
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "fdgb")
    assert edit.text() == "fdgb"
    assert dock.session.frame == 0
    assert not labelling.document.history.done
    qtbot.mouseClick(editor.save_button, LEFT_BUTTON)
    assert labelling.keypoints.names[NOSE] == "fdgb"
    assert section.list.topLevelItem(NOSE).text(0) == "fdgb"


def test_the_window_shows_every_key(section: CorrectSection) -> None:
    section.keys.button.setChecked(True)
    text = section.keys.content.text().replace("+<br>", "+")
    for rows in lines().values():
        for keys, words in rows:
            assert words in text
            assert all(f"{name}<" in text for name in keys.split(" or "))


# --------------------------------------------------------------------- projects in the window


def test_the_first_drag_asks_once_where_labels_are_kept(
    predicted: Labelling, section: CorrectSection, hand: Hand, qtbot: Any, video_path: Path
) -> None:
    predicted.canvas.take_tool("move")
    hand.drag((30, 40), (64, 55))
    bar = section.project
    qtbot.waitUntil(lambda: bar.dialog is not None and bar.dialog.isVisible(), timeout=WAIT)
    assert Path(bar.dialog.folder.text()) == video_path.parent / "mouse-labels"
    assert bar.dialog.names.toPlainText().split("\n") == list(FACE.names)
    bar.dialog.scorer.setText("me")
    qtbot.mouseClick(bar.dialog.make_button, LEFT_BUTTON)
    qtbot.waitUntil(lambda: predicted.document is not None, timeout=WAIT)
    np.testing.assert_allclose(predicted.labels.point(0, NOSE)[:2], (64, 55), atol=hand.pixel)
    # The skeleton and the pairs are those of the predictions.
    assert predicted.project.keypoints.swaps == FACE.swaps
    bar.dialog = None
    hand.drag((90, 20), (80, 30))
    assert bar.dialog is None
    assert len(predicted.document.history.done) == 2


def test_a_drag_that_is_not_to_be_kept_goes_back(
    predicted: Labelling, section: CorrectSection, hand: Hand, qtbot: Any, dock: ViTFaceDock
) -> None:
    predicted.canvas.take_tool("move")
    hand.drag((30, 40), (64, 55))
    layer = dock.session.viewer.layers[KEYPOINTS]
    bar = section.project
    qtbot.waitUntil(lambda: bar.dialog is not None and bar.dialog.isVisible(), timeout=WAIT)
    # While it is being asked, the point is where it was put.
    np.testing.assert_allclose(layer.data[NOSE], [55, 64], atol=hand.pixel)
    bar.dialog.reject()
    np.testing.assert_array_equal(layer.data[NOSE], [40, 30])
    assert "Not changed" in section.hint_line.text()


def test_the_section_says_what_it_waits_for(
    dock: ViTFaceDock, section: CorrectSection, video_path: Path, qtbot: Any
) -> None:
    assert section.hint.text() == "Waits for a video."
    assert not section.list.isVisible()
    dock.session.add_video(open_for_window(video_path))
    qtbot.waitUntil(lambda: not dock.session.labelling.documents.opening, timeout=WAIT)
    assert section.hint.text().startswith("Waits for keypoints")
    assert section.project.new_button.isVisible()
    assert not section.save_button.isVisible()


def test_the_form_for_a_project_says_what_is_wrong(
    predicted: Labelling, section: CorrectSection, tmp_path: Path
) -> None:
    dialog = section.project.ask_for_new()
    dialog.names.setPlainText("nose\n\n ear \nnose")
    assert "nose stands there twice" in dialog.problem.text()
    assert not dialog.make_button.isEnabled()
    dialog.names.setPlainText("nose\n\n ear \n")
    assert dialog.make_button.isEnabled()
    assert dialog.keypoints().names == ("nose", "ear")
    Project.create(tmp_path / "there", FACE, "me")
    dialog.folder.setText(str(tmp_path / "there"))
    assert "project in this folder already" in dialog.problem.text()
    dialog.reject()


def test_keypoints_skeleton_and_pairs_are_edited_in_the_window(
    labelling: Labelling, section: CorrectSection, hand: Hand, qtbot: Any
) -> None:
    hand.drag((30, 40), (50, 50))
    before = said(labelling)
    editor = section.project.edit_keypoints()
    editor.edits[NOSE].setText("snout")
    editor.add("paw")
    editor.add("gone")
    editor.tabs.setCurrentIndex(1)
    editor.skeleton.add(NOSE, 4)
    editor.swaps.add(NOSE, 5)
    # Taking the new one away takes its pair along.
    names = editor.tabs.widget(0)
    removers = [b for b in names.findChildren(QWidget) if b.toolTip() == "Take away"]
    removers[1].click()
    qtbot.mouseClick(editor.save_button, LEFT_BUTTON)
    new = ("snout", "left ear", "right ear", "tail", "paw")
    assert labelling.keypoints.names == new
    assert set(labelling.keypoints.skeleton) == {("snout", "left ear"), ("snout", "paw")}
    assert labelling.keypoints.swaps == FACE.swaps
    assert said(labelling) == before
    assert Project.open(labelling.project.folder).keypoints == labelling.keypoints
    assert [section.list.topLevelItem(k).text(0) for k in range(5)] == list(new)


def test_the_project_s_videos_are_one_click_away(
    labelling: Labelling,
    section: CorrectSection,
    dock: ViTFaceDock,
    qtbot: Any,
    tmp_path: Path,
    write_video: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = not section.project.videos.isVisible()
    assert hidden
    dock.session.add_video(open_for_window(write_video(tmp_path / "second.mp4", 10)))
    qtbot.waitUntil(section.project.add_button.isVisible, timeout=WAIT)
    assert "second.mp4 is not in this project" in section.project.outside.text()
    qtbot.mouseClick(section.project.add_button, LEFT_BUTTON)
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    videos = section.project.videos
    assert [videos.itemText(i) for i in range(videos.count())] == ["mouse", "second"]
    assert videos.currentText() == "second"
    videos.activated.emit(0)
    assert dock.session.current.path.name == "mouse.mp4"
    assert videos.currentText() == "mouse"
    # Without a video none of them is on screen, whichever folder napari was started in.
    second = labelling.project.videos[1]
    second.path.unlink()
    second.folder.mkdir(exist_ok=True)
    monkeypatch.chdir(second.folder)
    dock.session.viewer.layers.clear()
    labelling.documents.open(labelling.project.folder)
    qtbot.waitUntil(lambda: videos.itemText(1) == "second (images only)", timeout=WAIT)
    assert videos.currentText() == "mouse"


# --------------------------------------------------------------------- never lost


_KILLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import napari
from qtpy.QtWidgets import QApplication
from napari_vitface.gui.actions import open_dock
from napari_vitface.gui.open_videos import open_for_window
from test_correct import FACE, Hand, predictions

viewer = napari.Viewer(show=True)
dock = open_dock(viewer)
session = dock.session
opened = session.add_video(open_for_window(sys.argv[1]))


def until(condition):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        QApplication.processEvents()
        time.sleep(0.005)


until(lambda: not session.labelling.documents.opening)
session.set_poses(opened, predictions(), session.model_name)
session.labelling.documents.create(Path(sys.argv[2]), FACE, "me")
until(lambda: session.labelling.document is not None)
session.labelling.canvas.take_tool("move")
QApplication.processEvents()
hand = Hand(dock)
for frame in range(5):
    session.go_to(frame)
    hand.drag((30, 40), (40 + frame, 50))
    if frame == 2:
        session.labelling.saving.save()
assert len(session.labelling.labels) == 5
hand.press(90, 20)
hand.move(80, 30)
engine = session.engine.pid
if engine is not None:
    os.kill(engine, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_killed_window_has_lost_nothing(
    dock: ViTFaceDock,
    section: CorrectSection,
    qtbot: Any,
    video_path: Path,
    tmp_path: Path,
) -> None:
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            _KILLED,
            str(video_path),
            str(tmp_path / "elsewhere" / "project"),
            str(Path(__file__).parent),
        ],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    dock.video_section.open(video_path)
    labelling = dock.session.labelling
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    assert labelling.labels.frames().tolist() == [0, 1, 2, 3, 4]
    for frame in range(5):
        np.testing.assert_allclose(
            labelling.labels.point(frame, NOSE)[:2], (40 + frame, 50), atol=1
        )
    assert "Restored 2 edits of mouse.mp4" in dock.note.text()
    assert section.saved.text().startswith("2 edits since the last save")
    # And it goes on as if nothing had happened.
    labelling.run("undo")
    assert labelling.labels.frames().tolist() == [0, 1, 2, 3]
    assert labelling.saving.save()
    assert len(saved(labelling.project)) == 4


def test_closing_the_dock_with_unsaved_work_asks_nothing_and_loses_nothing(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock, tmp_path: Path, video_path: Path
) -> None:
    hand.drag((30, 40), (64, 55))
    point = labelling.labels.point(0, NOSE)
    dock.session.viewer.window.dock_widgets["ViT Face (napari-vitface)"].parent().destroyOnClose()
    assert QApplication.activeModalWidget() is None
    document = Project.open(tmp_path / "project").document(video_path)
    assert document.labels.point(0, NOSE) == point
    document.close()


def test_an_edit_that_the_disk_does_not_take_is_told_and_goes_back(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock
) -> None:
    journals = labelling.project.folder / "vitface" / "journal"
    # Nothing can be written here, not even by root.
    (journals / "mouse.jsonl").mkdir()
    hand.drag((30, 40), (64, 55))
    assert said(labelling)[NOSE] == ABSENT
    np.testing.assert_array_equal(dock.session.viewer.layers[KEYPOINTS].data[NOSE], [40, 30])
    assert dock.note.isVisible()
    assert "mouse.jsonl" in dock.note.text()
    assert "Traceback" not in dock.note.text()
    # With room again, it goes on.
    (journals / "mouse.jsonl").rmdir()
    hand.drag((30, 40), (64, 55))
    np.testing.assert_allclose(labelling.labels.point(0, NOSE)[:2], (64, 55), atol=hand.pixel)


def test_a_conflict_is_shown_and_decided_point_by_point(
    labelling: Labelling, section: CorrectSection, hand: Hand, qtbot: Any
) -> None:
    import pandas as pd

    hand.key(Qt.Key.Key_G)
    labelling.saving.save()
    (path,) = labelling.project.folder.glob("labeled-data/mouse/CollectedData_me.h5")
    table = pd.read_hdf(path)
    for name in ("nose", "left ear"):
        table.iloc[0, table.columns.get_loc(("me", name, "x"))] = 5.0
    table.to_hdf(path, key="df_with_missing", mode="w")
    table.to_csv(path.with_suffix(".csv"))
    hand.drag((30, 40), (64, 55))
    hand.drag((90, 20), (80, 30))
    nose = labelling.labels.point(0, NOSE)
    qtbot.mouseClick(section.save_button, LEFT_BUTTON)
    panel = section.conflicts
    assert panel.isVisible()
    assert "nothing was overwritten" in panel.note.text()
    assert "2 edits since the last save" in section.saved.text()
    panel.groups[0, LEFT].button(1).setChecked(True)
    qtbot.mouseClick(panel.save_button, LEFT_BUTTON)
    assert not panel.isVisible()
    assert said(labelling)[NOSE] == nose
    assert said(labelling)[LEFT] == labelled(5, 20)
    row = saved(labelling.project).iloc[0]
    assert (row["nose", "x"], row["left ear", "x"]) == (nose.x, 5)
    assert section.saved.text() == "Saved."


def test_files_that_disagree_are_shown_and_nothing_is_written_until_one_is_chosen(
    labelling: Labelling, section: CorrectSection, hand: Hand, qtbot: Any, dock: ViTFaceDock
) -> None:
    hand.key(Qt.Key.Key_G)
    labelling.saving.save()
    (path,) = labelling.project.folder.glob("labeled-data/mouse/CollectedData_me.csv")
    path.write_text(path.read_text().replace("30.0", "33.0"))
    video = dock.session.current.path
    dock.session.viewer.layers.clear()
    dock.session.add_video(open_for_window(video))
    qtbot.waitUntil(lambda: labelling.document is not None, timeout=WAIT)
    panel = section.conflicts
    assert panel.isVisible()
    assert "do not hold the same labels" in panel.note.text()
    assert said(labelling)[NOSE] == labelled(30, 40)
    qtbot.mouseClick(panel.file_buttons["csv"], LEFT_BUTTON)
    assert said(labelling)[NOSE] == labelled(33, 40)
    assert saved(labelling.project).iloc[0]["nose", "x"] == 33
    assert not panel.isVisible()


# --------------------------------------------------------------------- looks


def test_predicted_placed_and_occluded_points_differ_without_their_colours(
    labelling: Labelling, hand: Hand, dock: ViTFaceDock
) -> None:
    session = dock.session
    viewer = session.viewer
    poses = predictions()
    poses.confidence[:] = 1.0
    session.set_poses(session.current, poses, session.model_name)
    dock.predict_section.names.setChecked(False)
    session.overlays.show("skeleton", False)
    session.current.layer.visible = False
    viewer.layers.selection.active = session.current.layer
    place = hand.at(30, 40)

    def grey() -> np.ndarray:
        QApplication.processEvents()
        picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
        around = picture[place.y() - 30 : place.y() + 30, place.x() - 30 : place.x() + 30]
        return around.mean(axis=-1)

    looks = [grey()]
    labelling.accept_all()
    looks.append(grey())
    labelling.selection.select([NOSE])
    labelling.occlude()
    labelling.selection.select([])
    looks.append(grey())
    labelling.delete([NOSE])
    nothing = grey()
    assert nothing.max() == nothing.min()
    for k, look in enumerate(looks):
        for other in [*looks[:k], nothing]:
            # A fifth of the larger of the two points looks clearly different.
            area = max((look != nothing).sum(), (other != nothing).sum())
            assert (np.abs(look - other) > 60).sum() > 0.2 * area


def test_nothing_is_cut_off_at_the_usual_width(
    labelling: Labelling, section: CorrectSection, dock: ViTFaceDock, hand: Hand
) -> None:
    hand.key(Qt.Key.Key_G)
    hand.key(Qt.Key.Key_2)
    for button in section.findChildren(QPushButton):
        if button.property("role") == "fold":
            button.setChecked(True)
    QApplication.processEvents()
    width = dock.scroll_area.viewport().width()
    cut = []
    for widget in section.findChildren(QWidget):
        if not widget.isVisible():
            continue
        right = widget.mapTo(dock.scroll_area.viewport(), widget.rect().topRight()).x()
        if right > width:
            cut.append((type(widget).__name__, right))
        if isinstance(widget, QPushButton | QLabel) and widget.text():
            wraps = isinstance(widget, QLabel) and widget.wordWrap()
            needed = widget.fontMetrics().horizontalAdvance(widget.text().replace("&", ""))
            elides = type(widget).__name__ == "QElidingLabel"
            if not wraps and not elides and needed > widget.width():
                cut.append((widget.text(), needed, widget.width()))
    assert cut == []
