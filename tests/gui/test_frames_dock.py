"""The dock of frames in a real window: a click shows the frame, a lasso its mean face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QApplication

from napari_vitface.gui.states.face_layers import MEAN
from napari_vitface.video import open_video

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.states.dock import FramesPanel

pytestmark = pytest.mark.window


@pytest.fixture
def frames(
    dock: ViTFaceDock, qtbot: Any, write_video: Callable[..., Path], tmp_path: Path
) -> FramesPanel:
    """The dock with a video whose frames are compared."""
    from napari_vitface.gui.actions import open_frames

    session = dock.session
    made = open_frames(session.viewer).panel
    assert "Waits for a video" in made.waiting.text()
    assert not made.compare_button.isEnabled()
    session.add_video(open_video(write_video(tmp_path / "spot.mp4")))
    assert "Press Compare frames" in made.waiting.text()
    qtbot.waitUntil(lambda: session.annotating.document is not None)
    session.annotating.add_label("early")
    session.annotating.draw("early", 0, 10)
    qtbot.mouseClick(made.compare_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.frame_comparison.result is not None)
    QApplication.processEvents()
    return made


def on_map(frames: FramesPanel, point: Any) -> QPoint:
    """The pixel of a place of the map."""
    view = frames.map.getPlotItem().vb
    scene = view.mapViewToScene(QPointF(*map(float, point)))
    return frames.map.mapFromScene(scene)


def test_a_click_in_the_map_shows_its_frame_and_the_slider_marks_its_point(
    frames: FramesPanel, qtbot: Any
) -> None:
    session = frames.session
    assert session is not None
    result = session.frame_comparison.result
    assert result is not None
    assert frames.plots.isVisible()
    assert "40 frames compared by HOG" in frames.about.text()
    apart = np.linalg.norm(result.points[:, None] - result.points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    position = int(apart.min(axis=1).argmax())
    qtbot.mouseClick(
        frames.map.viewport(),
        Qt.MouseButton.LeftButton,
        pos=on_map(frames, result.points[position]),
    )
    assert session.frame == result.frames[position]
    np.testing.assert_allclose(frames.map.marked, result.points[[position]])
    session.go_to(31)
    np.testing.assert_allclose(frames.map.marked, result.points[[31]])
    assert frames.matrix.marked == np.flatnonzero(result.clusters == 31)[0]


def test_a_click_in_the_matrix_shows_the_frame_of_its_row_in_any_order(
    frames: FramesPanel, qtbot: Any
) -> None:
    session = frames.session
    assert session is not None
    result = session.frame_comparison.result
    assert result is not None
    for by, order in (("clusters", result.clusters), ("time", np.arange(40))):
        frames.order.setCurrentIndex(frames.order.findData(by))
        frames.order.activated.emit(frames.order.currentIndex())
        view = frames.matrix.getPlotItem().vb
        scene = view.mapViewToScene(QPointF(20.5, 12.5))
        qtbot.mouseClick(
            frames.matrix.viewport(),
            Qt.MouseButton.LeftButton,
            pos=frames.matrix.mapFromScene(scene),
        )
        assert session.frame == order[12]
        assert frames.matrix.marked == 12


def test_a_lasso_selects_frames_and_shows_their_mean_face(frames: FramesPanel, qtbot: Any) -> None:
    session = frames.session
    assert session is not None
    result = session.frame_comparison.result
    assert result is not None
    frames.lasso_button.setChecked(True)
    low, high = result.points.min(axis=0), result.points.max(axis=0)
    middle = float(np.median(result.points[:, 0]))
    margin = 0.02 * (high - low)
    corners = [
        (low[0] - margin[0], low[1] - margin[1]),
        (middle, low[1] - margin[1]),
        (middle, high[1] + margin[1]),
        (low[0] - margin[0], high[1] + margin[1]),
    ]
    pixels = [on_map(frames, corner) for corner in corners]
    viewport = frames.map.viewport()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=pixels[0])
    for start, stop in zip(pixels, [*pixels[1:], pixels[0]], strict=True):
        for step in range(1, 6):
            qtbot.mouseMove(viewport, start + (stop - start) * (step / 5))
            qtbot.wait(20)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=pixels[0])
    qtbot.waitUntil(lambda: session.frame_comparison.face is not None)
    expected = result.points[:, 0] < middle
    assert (session.frame_comparison.selected == expected).mean() > 0.9
    assert session.face_layers.layer(MEAN) is not None
    assert "selected; mean face of" in frames.about.text()


def test_the_face_of_a_label_is_shown_from_the_list(frames: FramesPanel, qtbot: Any) -> None:
    session = frames.session
    assert session is not None
    frames.label.setCurrentIndex(frames.label.findData("early"))
    frames.label.activated.emit(frames.label.currentIndex())
    qtbot.waitUntil(lambda: session.frame_comparison.face is not None)
    assert "mean face of early (10 averaged against 30 others)" in frames.about.text()


def test_likeness_is_plotted_on_top_of_the_frames(frames: FramesPanel, qtbot: Any) -> None:
    session = frames.session
    assert session is not None
    holder = frames.parent().parent()
    width = frames.width()
    qtbot.mouseClick(frames.likeness_button, Qt.MouseButton.LeftButton)
    opened = session.current
    assert opened is not None
    qtbot.waitUntil(lambda: "likeness" in opened.traces)
    window = holder.parent()
    trajectories = session.viewer.window.dock_widgets["ViT Face trajectories (napari-vitface)"]
    assert trajectories.parent() in window.tabifiedDockWidgets(holder)
    qtbot.waitUntil(lambda: trajectories.width() > 0.9 * width)
    # Of the colour that the label has on the timeline.
    (label,) = session.annotating.labels
    assert [trace.colour for trace in opened.traces["likeness"]] == [label.colour]


def test_frames_have_the_colours_that_labels_have_on_the_timeline(frames: FramesPanel) -> None:
    session = frames.session
    assert session is not None
    session.annotating.recolour("early", "#123456")
    strip = frames.matrix._strip.image[:, 0, :3].tolist()
    assert strip.count([0x12, 0x34, 0x56]) == 10
    assert frames.label.itemIcon(1).pixmap(12).toImage().pixelColor(5, 5).name() == "#123456"


def test_a_file_that_was_made_otherwise_is_computed_again_on_a_press(
    frames: FramesPanel, qtbot: Any
) -> None:
    session = frames.session
    assert session is not None
    before = session.frame_comparison.result
    assert not frames.again_button.isVisible()
    session.set_crop((0, 0, 64, 64))
    qtbot.mouseClick(frames.compare_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(frames.again_button.isVisible)
    assert "made otherwise (crop)" in frames.note.text()
    qtbot.mouseClick(frames.again_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.frame_comparison.result is not before)
    assert not frames.again_button.isVisible()


def test_what_was_chosen_is_kept_until_the_dock_is_opened_again(dock: ViTFaceDock) -> None:
    from napari_vitface.gui.actions import open_dock, open_frames

    viewer = dock.session.viewer
    made = open_frames(viewer)
    for box, data in ((made.panel.embedding, "umap"), (made.panel.order, "label")):
        box.setCurrentIndex(box.findData(data))
    made.panel.hog.setChecked(True)
    dock.session.attention.configure(target="nose tip", layers=(0, 2))
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer).session
    after = open_frames(viewer).panel
    assert after.session is again
    assert after.embedding.currentData() == "umap"
    assert after.order.currentData() == "label"
    assert again.face_layers.hog
    assert again.attention.settings.target == "nose tip"
    assert again.attention.settings.layers == (0, 2)
    again.close()
    made.close_links()
