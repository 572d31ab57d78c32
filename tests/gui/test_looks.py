"""What a user sees of the docks: whole words, readable colours, a picture that fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QCursor, QImage
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QWidget,
)

from napari_vitface.gui.section import Fold, Note, WrappedLabel, row_of
from napari_vitface.gui.style import contrast, readable_on, unparted
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_vitface.gui.dock import ViTFaceDock

SIZES = ((1280, 800), (1920, 1080))
WAIT = 120_000

# Contrast that WCAG 2 asks of text.
READABLE = 4.5


def test_numbers_and_their_units_stay_on_one_line() -> None:
    text = unparted("864 × 646 px  ·  119 frames  ·  30 fps  ·  3.97 s in 2 min 5 s, 12 % of 3")
    gap = "\N{NO-BREAK SPACE}"
    assert text == (
        f"864{gap}×{gap}646{gap}px  ·  119 frames  ·  30{gap}fps  ·  3.97{gap}s in "
        f"2{gap}min 5{gap}s, 12{gap}% of 3"
    )


def test_a_name_that_is_longer_than_a_line_can_end_it() -> None:
    text = unparted("a-short_name.csv 5285c561-80da-4563-8694-739da92e5dd0.left.rng=3.csv")
    parts = text.split("\N{ZERO WIDTH SPACE}")
    assert "".join(parts) == "a-short_name.csv 5285c561-80da-4563-8694-739da92e5dd0.left.rng=3.csv"
    assert parts[0] == "a-short_name.csv 5285c561-"
    assert max(map(len, parts[1:])) < 20
    assert max(map(len, unparted("a" * 240).split("\N{ZERO WIDTH SPACE}"))) == 20


@pytest.mark.window
def test_a_path_that_is_copied_from_a_note_names_its_file(qtbot: Any) -> None:
    said = "/data/a-long_folder/2026-11-30_mouse-5/cam.left_vitface_m.h5 has 3 MB.\nLook there."
    note = Note()
    qtbot.addWidget(note)
    note.say(said)
    label = note._words
    shown = QLabel.text(label)
    assert shown != said
    clipboard = QApplication.clipboard()
    for copy in (
        lambda: qtbot.keyClick(label, "c", Qt.KeyboardModifier.ControlModifier),
        label.copy,
    ):
        clipboard.clear()
        label.setSelection(0, len(shown))
        copy()
        assert clipboard.text() == said


@pytest.mark.window
def test_a_text_without_a_place_is_no_window_and_is_seen_in_the_place_that_it_gets(
    qtbot: Any,
) -> None:
    said, emptied = WrappedLabel("Waits for a video."), WrappedLabel("")
    emptied.setText("Waits for a model.")
    for label in (said, emptied):
        assert not label.isVisible()
    place = row_of(said, emptied)
    qtbot.addWidget(place)
    place.show()
    for label in (said, emptied):
        assert label.isVisible()
        label.setText("")
        assert not label.isVisible()


def test_text_on_a_colour_is_black_or_white_whichever_is_read_better() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    # The colours of napari's buttons in its light and its dark theme.
    assert readable_on((160, 184, 255)) == "black"
    assert readable_on((69, 96, 196)) == "white"


def shown(root: QWidget) -> Iterator[QWidget]:
    """The widgets in sight, or to be scrolled to."""
    yield from (widget for widget in root.findChildren(QWidget) if widget.isVisible())


def cut_text(widget: QWidget) -> str:
    """The text of a widget that has no room for it; empty if it has."""
    metrics, room = widget.fontMetrics(), widget.contentsRect()
    if isinstance(widget, QLabel) and widget.text() and widget.wordWrap():
        if widget.textFormat() == Qt.TextFormat.RichText:
            return widget.text() if widget.heightForWidth(widget.width()) > widget.height() else ""
        flags = int(Qt.TextFlag.TextWordWrap)
        words = unparted(widget.text())
        needed = metrics.boundingRect(0, 0, room.width(), 10_000, flags, words)
        fits = needed.height() <= room.height() and needed.width() <= room.width()
        return "" if fits else widget.text()
    if isinstance(widget, QLabel):
        needed = max(map(metrics.horizontalAdvance, widget.text().split("\n")))
    elif isinstance(widget, QCheckBox):
        needed, room = widget.sizeHint().width(), widget.rect()
    elif isinstance(widget, QAbstractButton):
        # Some pixels of the edge are no room for letters.
        needed = metrics.horizontalAdvance(widget.text().replace("&", "")) + 4
    elif isinstance(widget, QComboBox):
        needed = metrics.horizontalAdvance(widget.currentText()) + 30
    elif isinstance(widget, QLineEdit) and isinstance(widget.parent(), QAbstractSpinBox):
        needed = metrics.horizontalAdvance(widget.text()) + 4
    else:
        return ""
    text = widget.currentText() if isinstance(widget, QComboBox) else widget.text()
    return text if text and needed > room.width() else ""


def picture_of(widget: QWidget) -> np.ndarray:
    """(height, width, 3) of what a widget looks like."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def contrast_of(button: QWidget, picture: np.ndarray, root: QWidget) -> float:
    """Contrast of a button's letters to what is behind them, in a picture of `root`."""
    corner = button.mapTo(root, QPoint(0, 0))
    top, left = max(corner.y(), 0), max(corner.x(), 0)
    part = picture[top : top + button.height(), left : left + button.width()].reshape(-1, 3)
    colours, counts = np.unique(part, axis=0, return_counts=True)
    back = tuple(int(c) for c in colours[counts.argmax()])
    return max(contrast(tuple(int(c) for c in colour), back) for colour in colours)


@pytest.mark.window
def test_no_text_is_cut_off_and_all_buttons_are_readable(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tiny_model: Path
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    viewer: Any = dock.session.viewer
    window = viewer.window._qt_window
    faults: list[tuple[Any, ...]] = []

    def look(state: str) -> None:
        for size in SIZES:
            window.resize(*size)
            for _ in range(5):
                # Lines that wrap anew move others, which wrap anew.
                QApplication.processEvents()
            width = dock.scroll_area.viewport().width()
            for name, root in roots.items():
                for widget in shown(root):
                    if text := cut_text(widget):
                        faults.append((state, size, name, type(widget).__name__, text))
                    right = widget.mapTo(root, widget.rect().topRight()).x()
                    if name == "dock" and right > max(width, dock.width()):
                        faults.append((state, size, name, type(widget).__name__, "beyond the dock"))

    def look_at_colours(state: str) -> None:
        column = dock.scroll_area.widget()
        picture = picture_of(column)
        for button in column.findChildren(QAbstractButton):
            text = button.text() if button.isVisible() and button.isEnabled() else ""
            if text and (ratio := contrast_of(button, picture, column)) < READABLE:
                faults.append((state, text, round(ratio, 1)))

    roots: dict[str, QWidget] = {"dock": dock}
    look("empty")
    look_at_colours("empty, dark")
    opened = dock.video_section.open(video_path)
    dock.predict_section.use_model(tiny_model)
    xy = np.random.default_rng(0).uniform(20, 90, (40, 12, 2))
    dock.session.set_poses(opened, PoseTable(MOUSE_FACE, xy), dock.session.model_name)
    dock.session.attention.enabled = True
    qtbot.waitUntil(lambda: dock.session.attention.status == "shown", timeout=WAIT)
    look("a video")
    assert dock.width() <= 380
    for fold in dock.findChildren(Fold):
        fold.button.setChecked(True)
    dock.predict_section.result.say(
        "Saved cam1_vitface_mouse-face.h5 and cam1_vitface_mouse-face.csv beside the video. "
        "12.3 frames a second.",
        "info",
    )
    dock.predict_section.device.setText("CPU, bf16 — measured 12.7 ms an image, fp32 30.5 ms")
    dock.session.tell("The labels of this video cannot be opened: another window has them.", "info")
    look("all open")
    # Other computers have wider letters.
    usual = dock.styleSheet()
    dock.setStyleSheet(usual + "QWidget { font-size: 11pt; }")
    look("all open, larger letters")
    dock.setStyleSheet(usual)
    viewer.theme = "light"
    QApplication.processEvents()
    look("all open, light")
    look_at_colours("all open, light")
    viewer.theme = "dark"
    QApplication.processEvents()
    look_at_colours("all open, dark")
    roots["trajectories"] = open_trajectories(viewer)
    look("trajectories")
    assert faults == []


@pytest.mark.window
def test_no_text_is_cut_off_in_other_docks_and_in_dialogs(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tiny_model: Path
) -> None:
    from napari_vitface.events.trials import AnnotatedVideo
    from napari_vitface.gui.actions import open_events, open_frames, open_trajectories
    from napari_vitface.gui.correct.keypoint_editor import KeypointEditor
    from napari_vitface.gui.correct.project_dialog import ProjectDialog
    from napari_vitface.gui.states.trials_dialog import TrialsDialog
    from napari_vitface.gui.trajectories.list import TraceDialog
    from napari_vitface.gui.video_list.dock import open_video_list
    from napari_vitface.gui.video_list.folder_dialog import FolderDialog

    viewer: Any = dock.session.viewer
    window = viewer.window._qt_window
    faults: list[tuple[Any, ...]] = []

    def look(name: str, root: QWidget) -> None:
        for size in SIZES:
            window.resize(*size)
            for _ in range(5):
                QApplication.processEvents()
            assert root.isVisible()
            faults.extend(
                (name, size, type(widget).__name__, text)
                for widget in shown(root)
                if (text := cut_text(widget))
            )

    dock.predict_section.use_model(tiny_model)
    videos = open_video_list(dock.session)
    look("empty list", videos)
    dock.session.video_list.add([video_path, video_path.with_name("a recording that is gone.mp4")])
    look("list", videos)
    opened = dock.video_section.open(video_path)
    xy = np.random.default_rng(0).uniform(20, 90, (40, 12, 2))
    dock.session.set_poses(opened, PoseTable(MOUSE_FACE, xy), dock.session.model_name)
    dock.session.attention.enabled = True
    qtbot.waitUntil(lambda: dock.session.attention.status == "shown", timeout=WAIT)
    dock.attention_section.open_grid()
    grid = dock.attention_section.grid_dock
    qtbot.waitUntil(lambda: bool(grid.findChildren(QLabel)), timeout=WAIT)
    look("grid", grid)
    for other in (videos, grid):
        other.parent().close()
    session = dock.session
    trajectories = open_trajectories(viewer)
    trajectories.panel.show_around()
    look("around onsets, nothing there", trajectories)
    timeline = open_events(viewer)
    qtbot.waitUntil(lambda: session.annotating.document is not None, timeout=WAIT)
    look("timeline, empty", timeline)
    for label in ("grooming", "whiskers forward, eyes shut"):
        session.annotating.add_label(label)
        session.annotating.draw(label, 5, 12)
    look("timeline", timeline)
    frames = open_frames(viewer)
    look("frames, empty", frames)
    frames.panel.compare()
    qtbot.waitUntil(lambda: session.frame_comparison.result is not None, timeout=WAIT)
    look("frames", frames)
    trials = [AnnotatedVideo(video_path, tuple(session.annotating.events))]
    for dialog in (
        FolderDialog(dock.session, dock),
        TrialsDialog(trials, video_path.with_name("trials.csv"), dock),
        TraceDialog(MOUSE_FACE.names, dock),
        KeypointEditor(MOUSE_FACE, None, dock),
        ProjectDialog(video_path.parent, MOUSE_FACE, "", dock),
    ):
        dialog.show()
        qtbot.waitExposed(dialog)
        look(type(dialog).__name__, dialog)
        dialog.close()
    assert faults == []


def extent_on_canvas(viewer: Any) -> tuple[float, float]:
    """Share of the canvas' height and width that the video fills."""
    camera = getattr(viewer, "scene", viewer).camera
    canvas = viewer.window._qt_viewer.canvas.native
    height, width = viewer.layers[0].data.shape[1:3]
    return camera.zoom * height / canvas.height(), camera.zoom * width / canvas.width()


@pytest.mark.window
def test_the_video_fits_the_canvas_until_the_user_zooms(
    dock: ViTFaceDock, qtbot: Any, video_path: Path
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    viewer: Any = dock.session.viewer
    dock.video_section.open(video_path)
    camera = getattr(viewer, "scene", viewer).camera
    open_trajectories(viewer)
    qtbot.waitUntil(lambda: max(extent_on_canvas(viewer)) == pytest.approx(0.95, abs=0.01))
    viewer.window._qt_window.resize(1100, 700)
    qtbot.waitUntil(lambda: max(extent_on_canvas(viewer)) == pytest.approx(0.95, abs=0.01))
    zoom = camera.zoom
    camera.zoom = 3 * zoom
    viewer.window._qt_window.resize(1300, 900)
    QApplication.processEvents()
    qtbot.wait(50)
    assert camera.zoom == pytest.approx(3 * zoom)


@pytest.mark.window
def test_what_is_under_the_mouse_stays_there_when_rows_appear(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer: Any = dock.session.viewer
    viewer.window._qt_window.resize(1280, 800)
    dock.video_section.open(video_path)
    for fold in dock.findChildren(Fold):
        fold.button.setChecked(True)
    area, button = dock.scroll_area, dock.attention_section.header
    area.verticalScrollBar().setValue(100)
    QApplication.processEvents()

    def place() -> QPoint:
        return button.mapTo(area.viewport(), button.rect().center())

    before = place()
    monkeypatch.setattr(QCursor, "pos", lambda: area.viewport().mapToGlobal(before))
    dock.predict_section.result.say("Words that take several lines in the dock. " * 4, "info")
    dock.predict_section.notices.say("And a warning.")
    QApplication.processEvents()
    assert place() == before
    dock.predict_section.result.say("")
    QApplication.processEvents()
    assert place() == before


@pytest.mark.window
def test_a_frame_without_points_is_drawn_as_it_is(dock: ViTFaceDock, video_path: Path) -> None:
    viewer: Any = dock.session.viewer
    opened = dock.video_section.open(video_path)
    nothing = PoseTable(MOUSE_FACE, np.full((40, 12, 2), np.nan))
    QApplication.processEvents()
    plain = viewer.screenshot(canvas_only=True, flash=False)
    dock.session.set_poses(opened, nothing, dock.session.model_name)
    QApplication.processEvents()
    drawn = viewer.screenshot(canvas_only=True, flash=False)
    assert viewer.layers["keypoints"].visible
    np.testing.assert_array_equal(drawn, plain)


@pytest.mark.window
def test_names_are_outlined_so_that_they_are_read_on_white(
    dock: ViTFaceDock, video_path: Path
) -> None:
    viewer: Any = dock.session.viewer
    opened = dock.video_section.open(video_path)
    dock.predict_section.points.setChecked(True)
    opened.layer.visible = False
    viewer.add_image(np.full((96, 128), 255, np.uint8), contrast_limits=(0, 255))
    viewer.layers.move(1, 0)
    xy = np.tile([[30.0, 30.0]], (40, 12, 1))
    dock.session.set_poses(opened, PoseTable(MOUSE_FACE, xy), dock.session.model_name)
    QApplication.processEvents()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    dark = (picture.max(axis=-1) < 80).sum()
    dock.predict_section.names.setChecked(False)
    QApplication.processEvents()
    without = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert dark - (without.max(axis=-1) < 80).sum() > 200
