"""The list of videos in a real napari window, with the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QModelIndex, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_vitface.gui.video_list.dock import VideoListDock, open_video_list
from napari_vitface.gui.video_list.folder_dialog import FolderDialog
from napari_vitface.gui.video_list.items import Item, State
from napari_vitface.gui.video_list.kinds import TRACES_OF_VIDEOS
from napari_vitface.gui.video_list.table_model import SHARE, Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_vitface.gui.dock import ViTFaceDock

pytestmark = pytest.mark.window

WAIT = 120_000


@pytest.fixture
def listed(dock: ViTFaceDock, tiny_model: Path) -> VideoListDock:
    """The list of a window whose model is the tiny one."""
    dock.session.choose_model(str(tiny_model))
    dock.predict_section.form.precision.value = "fp32"
    dock.video_section.list_button.click()
    made = open_video_list(dock.session)
    assert made is dock.session.viewer.window.dock_widgets["ViT Face videos"]
    return made


@pytest.fixture
def folder(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """Two videos of one name in subfolders, and a file that is none."""
    for name in ("recordings/day 1/mouse.mp4", "recordings/day 2/mouse.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        write_video(path, 10)
    (tmp_path / "recordings/day 1/torn.mp4").write_bytes(b"no video")
    return tmp_path / "recordings"


def cell(made: VideoListDock, row: int, column: Column) -> str:
    return str(made.table.data(made.table.index(row, column), Qt.ItemDataRole.DisplayRole))


def drop(made: VideoListDock, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    made.dropEvent(
        QDropEvent(
            QPointF(20, 20),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def test_a_dropped_folder_is_predicted_and_opens_with_its_points(
    dock: ViTFaceDock, listed: VideoListDock, folder: Path, qtbot: Any
) -> None:
    session = dock.session
    queue = session.video_list
    assert listed.empty.isVisible()
    assert not listed.start_button.isEnabled()
    drop(listed, folder)
    qtbot.waitUntil(lambda: len(queue.items) == 3, timeout=WAIT)
    assert [cell(listed, row, Column.FOLDER) for row in range(3)] == ["day 1", "day 1", "day 2"]
    assert listed.start_button.text() == "Predict 3 videos"
    listed.start_button.click()
    assert listed.start_button.text() == "Stop"
    qtbot.waitUntil(lambda: not queue.going and not queue.active, timeout=WAIT)
    assert [cell(listed, row, Column.STATE) for row in range(3)] == ["done", "failed", "done"]
    assert "torn.mp4" in cell(listed, 1, Column.MESSAGE)
    assert dock.video_section.list_state.text() == "2 of 3 videos done  ·  1 failed"
    listed.view.selectRow(1)
    assert "torn.mp4" in listed.note.text()
    # A double click on the other video of the same name.
    session.choose_model("mouse-face")
    index = listed.table.index(2, 0)
    place = listed.view.visualRect(index).center()
    qtbot.mouseClick(listed.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(listed.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert session.current is not None
    assert session.current.path == folder / "day 2" / "mouse.mp4"
    opened = session.current
    qtbot.waitUntil(lambda: opened.poses is not None, timeout=WAIT)
    assert np.isfinite(opened.poses.xy).all()
    assert opened.saved == queue.items[2].result
    assert Path(session.model).stem == "tiny"


@pytest.mark.usefixtures("unhurried")
def test_single_predict_says_that_the_list_is_running(
    dock: ViTFaceDock,
    listed: VideoListDock,
    long_video: Path,
    folder: Path,
    qtbot: Any,
    tmp_path: Path,
) -> None:
    session, section = dock.session, dock.predict_section
    queue = session.video_list
    copies = [tmp_path / f"long {number}.mp4" for number in range(4)]
    for copy in copies:
        copy.write_bytes(long_video.read_bytes())
    short = dock.video_section.open(folder / "day 1" / "mouse.mp4")
    shown = dock.video_section.open(copies[0])
    queue.add(copies)
    qtbot.waitUntil(lambda: len(queue.items) == 4, timeout=WAIT)
    # The points of the video that the list is at appear, and it needs no second run.
    offered: list[bool] = []
    queue.changed.connect(
        lambda: queue.is_filling(shown) and offered.append(section.predict_button.isEnabled())
    )
    queue.start({**listed.wanted_settings(), "batch_size": 1})
    qtbot.waitUntil(lambda: queue.items[0].done > 0, timeout=WAIT)
    assert np.isfinite(shown.poses.xy[0]).all()
    assert offered
    assert not any(offered)
    session.videos.show(short)
    assert section.predict_button.isEnabled()
    assert "list of videos is running" in section.hint.text()
    # The frame on screen is answered meanwhile.
    session.attention.enabled = True
    attention = session.attention
    qtbot.waitUntil(lambda: attention.shown is not None or not queue.going, timeout=WAIT)
    assert queue.going
    queue.stop()
    qtbot.waitUntil(lambda: not queue.active, timeout=WAIT)
    assert listed.start_button.text().startswith("Go on with ")
    # Another model would be another run: the list keeps to its own until it is told.
    session.choose_model("mouse-face")
    assert listed.renew_button.isVisible()
    assert listed.settings.text().startswith("tiny")
    listed.renew_button.click()
    assert listed.settings.text().startswith("mouse-face")
    assert not listed.renew_button.isVisible()


def test_rows_are_dragged_moved_and_removed(
    dock: ViTFaceDock, listed: VideoListDock, tmp_path: Path
) -> None:
    queue = dock.session.video_list
    for name in "abcd":
        path = tmp_path / f"{name}.mp4"
        queue.items.append(Item(path, path))

    def names() -> str:
        return "".join(cell(listed, row, Column.VIDEO)[0] for row in range(listed.table.rowCount()))

    def drag(*rows: int, before: int) -> None:
        data = listed.table.mimeData([listed.table.index(row, 0) for row in rows])
        move = Qt.DropAction.MoveAction
        assert listed.table.canDropMimeData(data, move, before, 0, QModelIndex())
        assert listed.table.dropMimeData(data, move, before, 0, QModelIndex())

    assert listed.view.isColumnHidden(Column.FOLDER)
    drag(3, before=0)
    assert names() == "dabc"
    drag(0, 1, before=4)
    assert names() == "bcda"
    listed.view.selectRow(0)
    listed.down_button.click()
    listed.down_button.click()
    assert names() == "cdba"
    # The row stays selected where it went.
    assert [item.path.stem for item in listed.chosen] == ["b"]
    listed.up_button.click()
    assert names() == "cbda"
    listed.cancel_button.click()
    assert cell(listed, 1, Column.STATE) == "cancelled"
    listed.again_button.click()
    assert cell(listed, 1, Column.STATE) == "waiting"
    listed.remove_button.click()
    assert names() == "cda"


def test_the_bar_is_as_full_as_the_video_is_done(
    dock: ViTFaceDock, listed: VideoListDock, tmp_path: Path
) -> None:
    items = dock.session.video_list.items
    items.append(Item(tmp_path / "a.mp4", tmp_path / "a.mp4"))
    index = listed.table.index(0, Column.STATE)
    assert listed.table.data(index, SHARE) == 0
    items.update(items[0], state=State.RUNNING, done=30, total=120)
    assert listed.table.data(index, SHARE) == 0.25
    assert cell(listed, 0, Column.STATE) == "25 %"
    items.update(items[0], state=State.FAILED, message="No.")
    assert cell(listed, 0, Column.STATE) == "failed"
    # What measures traces looks at no crop.
    assert not listed.view.isColumnHidden(Column.FACE)
    dock.session.video_list.set_kind(TRACES_OF_VIDEOS)
    assert listed.view.isColumnHidden(Column.FACE)


def test_a_folder_is_searched_by_pattern(
    dock: ViTFaceDock, listed: VideoListDock, folder: Path, qtbot: Any
) -> None:
    dialog = FolderDialog(dock.session, listed)
    dialog.set_folder(folder)
    qtbot.waitUntil(dialog.add_button.isEnabled, timeout=WAIT)
    assert dialog.add_button.text() == "Add 3 videos"
    dialog.pattern.setText("day 1/*.mp4")
    dialog.pattern.textEdited.emit("day 1/*.mp4")
    qtbot.waitUntil(lambda: dialog.add_button.text() == "Add 2 videos", timeout=WAIT)
    dialog.subfolders.setChecked(False)
    qtbot.waitUntil(lambda: "No video" in dialog.outcome.text(), timeout=WAIT)
    assert not dialog.add_button.isEnabled()
    dialog.deleteLater()


def test_a_window_whose_dock_is_opened_again_has_a_list_and_a_grid_that_work(
    listed: VideoListDock, dock: ViTFaceDock, tmp_path: Path
) -> None:
    from napari_vitface.gui.actions import open_dock

    viewer = dock.session.viewer
    listed.faces.setCurrentIndex(1)
    queue = dock.session.video_list
    queue.items.append(Item(tmp_path / "a.mp4", tmp_path / "a.mp4"))
    assert listed.start_button.isEnabled()
    # A start that is not at its end, of a job that looks at no crop: the one chosen stays.
    queue.set_kind(TRACES_OF_VIDEOS)
    queue.settings = listed.wanted_settings()
    dock.attention_section.open_grid()
    grid = dock.attention_section.grid_dock
    grid.same.setChecked(False)
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer)
    # Until it is replaced, the list that was left open begins nothing that nobody would do.
    assert not listed.start_button.isEnabled()
    assert "was closed" in listed.note.text()
    made = open_video_list(again.session)
    assert made.session is again.session
    assert again.session.video_list.interrupted
    assert made.faces.currentData() == "auto"
    again.attention_section.open_grid()
    assert again.attention_section.grid_dock is not grid
    assert not again.attention_section.grid_dock.same.isChecked()
    docks = viewer.window.dock_widgets
    assert docks["ViT Face videos"] is made
    assert docks["ViT Face attention grid"] is again.attention_section.grid_dock
    again.session.close()
