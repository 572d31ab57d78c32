"""The Attention section and its grid in a real napari window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QPushButton, QWidget

from napari_vitface.gui.attention.grid_dock import NAME as GRID
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.gui.attention.section import AttentionSection
    from napari_vitface.gui.dock import ViTFaceDock

pytestmark = pytest.mark.window

WAIT = 600_000
NAMES = ("eye", "nose tip", "mouth")


@pytest.fixture
def section(dock: ViTFaceDock, qtbot: Any, video_path: Path, tiny_model: Path) -> AttentionSection:
    """The section with a video, three points at known places, and attention shown."""
    session = dock.session
    session.choose_model(str(tiny_model))
    opened = dock.video_section.open(video_path)
    xy = np.zeros((40, 3, 2), np.float32)
    xy[:] = (20, 30), (90, 40), (60, 80)
    poses = PoseTable(KeypointSet(NAMES), xy, np.ones((40, 3), np.float32))
    session.set_poses(opened, poses, session.model_name)
    for name, part in dock.sections.items():
        part.set_open(name == "attention")
    dock.attention_section.switch.click()
    qtbot.waitUntil(lambda: session.attention.status == "shown", timeout=WAIT)
    return dock.attention_section


def click_on_canvas(dock: ViTFaceDock, qtbot: Any, x: float, y: float) -> None:
    """A real click of the mouse on a place of the video."""
    viewer = dock.session.viewer
    canvas = viewer.window._qt_viewer.canvas
    native = canvas.native
    camera = getattr(viewer, "scene", viewer).camera
    width, height = native.width(), native.height()
    centre = np.asarray(camera.center)[-2:]
    place = (np.array([y, x]) - centre) * camera.zoom / native.devicePixelRatioF()
    at = QPoint(round(width / 2 + place[1]), round(height / 2 + place[0]))
    qtbot.mouseMove(native, at)
    qtbot.mouseClick(native, Qt.MouseButton.LeftButton, pos=at)


def layer_data(dock: ViTFaceDock) -> np.ndarray:
    return np.array(dock.session.viewer.layers[ATTENTION].data)


def visible_parts(section: QWidget) -> list[QWidget]:
    kinds = (QLabel, QPushButton, QCheckBox)
    return [
        part
        for part in section.findChildren(QWidget)
        if isinstance(part, kinds) and part.isVisible()
    ]


def test_a_click_on_a_point_of_the_canvas_chooses_its_map(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    before = layer_data(dock)
    click_on_canvas(dock, qtbot, 90, 40)
    assert section.target.target == "nose tip"
    assert section.title_line.text().startswith("Nose tip")
    assert not np.allclose(layer_data(dock), before)


def test_with_the_selection_tool_a_click_selects_and_shows_without_moving_the_point(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    dock.session.labelling.canvas.take_tool("move")
    click_on_canvas(dock, qtbot, 60, 80)
    assert dock.session.labelling.selection.indices == (2,)
    assert section.target.target == "mouth"
    points = dock.session.viewer.layers[KEYPOINTS]
    np.testing.assert_allclose(points.data[2], (80, 60))


def test_a_patch_is_picked_by_the_mouse_and_its_list_chooses_a_keypoint(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    qtbot.mouseClick(section.pick_button, Qt.MouseButton.LeftButton)
    assert "Click on a place" in section.patch_hint.text()
    click_on_canvas(dock, qtbot, 100, 50)
    bars = section.patch_bars.bars
    assert {bar.name for bar in bars} == {*NAMES, "global"}
    shown = dock.session.attention.shown
    value = float(shown.maps[shown.names.index("mouth"), 1, 3])
    (mouth,) = (bar for bar in bars if bar.name == "mouth")
    assert mouth.number.endswith(" %")
    assert float(mouth.number.split()[0]) == pytest.approx(100 * value, rel=0.1)
    at = section.patch_bars.row([bar.name for bar in bars].index("mouth")).center()
    qtbot.mouseClick(section.patch_bars, Qt.MouseButton.LeftButton, pos=at)
    assert section.target.target == "mouth"
    qtbot.mouseClick(section.pick_button, Qt.MouseButton.LeftButton)
    assert not section.patch_bars.isVisible()
    assert not section.pick_button.isChecked()


def test_several_keypoints_are_ticked_in_a_menu(
    section: AttentionSection, dock: ViTFaceDock
) -> None:
    menu = section.target.several_menu()
    boxes = {box.text(): box for box in menu.findChildren(QCheckBox)}
    assert list(boxes) == list(NAMES)
    boxes["eye"].click()
    assert dock.session.attention.settings.target == "eye"
    boxes["mouth"].click()
    assert dock.session.attention.settings.target == ("eye", "mouth")
    assert section.target.currentText() == "eye and mouth (mean)"
    assert section.title_line.text().startswith("Mean over eye and mouth")


def test_methods_show_the_settings_that_they_have(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    form, attention = section.form, dock.session.attention
    section.settings.button.click()
    assert form.first.isVisible()
    assert form.heads.isVisible()

    def choose(method: str) -> None:
        section.method.setCurrentIndex(section.method.findData(method))
        section.method.activated.emit(section.method.currentIndex())
        qtbot.waitUntil(lambda: attention.status in ("shown", "failed"), timeout=WAIT)
        assert attention.status == "shown", attention.message

    choose("raw")
    assert not form.first.isVisible()
    assert form.last.isVisible()
    assert "Raw attention of layer 3 of 3" in section.label.text()
    choose("relevance")
    assert not form.heads.isVisible()
    assert not form.widgets["discard"].visible
    assert "Relevance" in section.label.text()
    choose("gradient-rollout")
    assert form.widgets["discard"].visible
    assert "gradients" in section.label.text()
    choose("occlusion")
    assert not form.last.isVisible()
    assert "grey square" in section.label.text()
    assert not section.play_button.isEnabled()


def choose(combo: Any, data: Any) -> None:
    """What a user does with a box of choices."""
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def test_one_head_of_one_layer_is_looked_at(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    form, attention = section.form, dock.session.attention

    def shown() -> None:
        qtbot.waitUntil(lambda: attention.status in ("shown", "failed"), timeout=WAIT)
        assert attention.status == "shown", attention.message

    section.settings.button.click()
    attention.configure(target="eye")
    choose(section.method, "raw")
    shown()
    fused = layer_data(dock)
    form.last.setValue(2)
    shown()
    choose(form.heads, 1)
    shown()
    assert "Raw attention of layer 2 of 3, head 2" in section.label.text()
    assert form.summary() == "layer 2, head 2"
    computed = attention.shown
    assert computed.settings["layers"] == [1, 2]
    assert computed.settings["head_fusion"] == "head 1"
    assert not np.allclose(layer_data(dock), fused)
    # The three heads of the layer are what their mean is the mean of.
    eye, heads = computed.names.index("eye"), []
    for head in range(3):
        choose(form.heads, head)
        shown()
        heads.append(attention.shown.maps[eye])
    choose(form.heads, "mean")
    shown()
    np.testing.assert_allclose(attention.shown.maps[eye], np.mean(heads, axis=0), atol=1e-6)


def test_a_map_of_superpixels_shows_regions_and_in_which_unit(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    pytest.importorskip("captum")
    attention = dock.session.attention
    attention.configure(target="eye")
    choose(section.method, "superpixels")
    assert section.bar.isVisible()
    assert not section.form.heads.isVisible()
    qtbot.waitUntil(lambda: attention.status in ("shown", "failed"), timeout=WAIT)
    assert attention.status == "shown", attention.message
    text = section.label.text()
    assert "Shapley values of about 50 superpixels in 16 orders" in text
    assert text.endswith("px, the same in every frame.")
    drawn = layer_data(dock)
    assert drawn.shape == attention.shown.maps.shape[1:]
    assert np.ptp(drawn) > 0


def test_a_turned_layer_box_takes_the_other_one_along(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    form, attention = section.form, dock.session.attention
    # The last third of three, unless another range is chosen.
    assert (form.first.value(), form.last.value()) == (3, 3)
    form.first.setValue(1)
    assert attention.settings.layers == (0, 3)
    assert section.settings.button.text().endswith("layers 1-3")
    form.last.setValue(2)
    assert attention.settings.layers == (0, 2)
    form.first.setValue(3)
    assert attention.layers == (2, 3)
    assert attention.settings.layers is None
    form.last.setValue(1)
    assert attention.settings.layers == (0, 1)
    assert section.settings.button.text().endswith("layer 1")
    form.last.setValue(3)
    assert attention.settings.layers == (0, 3)
    form.first.setValue(3)
    assert attention.settings.layers is None


def test_the_layers_play_by_themselves_to_the_end(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    section._beat.setInterval(20)
    seen: list[str] = []
    section.tools.player.changed.connect(lambda: seen.append(section.play_button.text()))
    qtbot.mouseClick(section.play_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not section.tools.player.playing, timeout=WAIT)
    assert [text for text in seen if "/" in text] == ["■ Layer 1/3", "■ Layer 2/3", "■ Layer 3/3"]
    assert section.play_button.text() == "▶ Layers"
    # Then the map is again that of the layers that were looked at before.
    qtbot.waitUntil(lambda: "layer 3 of 3" in section.label.text(), timeout=WAIT)


def test_a_slow_method_shows_its_progress_and_can_be_cancelled(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    attention = dock.session.attention
    attention.configure(method="occlusion")
    assert section.bar.isVisible()
    qtbot.mouseClick(section.stop_button, Qt.MouseButton.LeftButton)
    assert attention.status == "stopped"
    assert section.status == "cancelled"
    assert not section.bar.isVisible()
    qtbot.mouseClick(section.again_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
    assert not section.again_button.isVisible()


def test_the_grid_opens_below_the_canvas_and_its_pictures_choose(
    section: AttentionSection,
    dock: ViTFaceDock,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qtbot.mouseClick(section.grid_button, Qt.MouseButton.LeftButton)
    grid = section.grid_dock
    qtbot.waitUntil(lambda: len(grid.view.pictures) == 4, timeout=WAIT)
    assert [picture.title for picture in grid.view.pictures] == [*NAMES, "global"]
    assert all(picture.image is not None for picture in grid.view.pictures)
    at = grid.view.place(2).center()
    qtbot.mouseClick(grid.view, Qt.MouseButton.LeftButton, pos=at)
    assert section.target.target == "mouth"
    qtbot.waitUntil(lambda: grid.view.pictures[2].chosen)
    # What is in the pictures is written as they are, with the line about them.
    target = tmp_path / "grid.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))
    qtbot.mouseClick(grid.save_button, Qt.MouseButton.LeftButton)
    assert target.stat().st_size > 1000
    # All layers, then the dock closed: nothing more is asked for.
    grid.show_kind("layers")
    qtbot.waitUntil(
        lambda: (
            len(grid.view.pictures) == 3
            and all(picture.image is not None for picture in grid.view.pictures)
        ),
        timeout=WAIT,
    )
    assert "own scale" in grid.about.text()
    dock.session.viewer.window.remove_dock_widget(grid)
    assert not section.tools.grid.open
    qtbot.mouseClick(section.grid_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: section.grid_dock.isVisible(), timeout=WAIT)
    assert GRID in dock.session.viewer.window.dock_widgets


def test_two_models_are_drawn_beside_each_other(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    section.open_grid("models")
    grid = section.grid_dock
    grid.second.setCurrentIndex(grid.second.findData("mouse-face"))
    grid.second.activated.emit(grid.second.currentIndex())
    dock.session.attention.configure(target="nose tip")
    qtbot.waitUntil(
        lambda: [p.image is not None for p in grid.view.pictures] == [True, True], timeout=WAIT
    )
    assert [picture.title for picture in grid.view.pictures] == ["tiny", "mouse-face"]
    assert "mouse-face" in grid.view.pictures[1].tip
    assert grid.about.text().startswith("Frame 0. Nose tip.")


def test_nothing_in_the_section_is_cut_off(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    section.settings.button.click()
    section.tools.canvas.start_picking()
    section.tools.canvas.pick((1, 1))
    section.frames.button.click()
    qtbot.wait(50)
    width = section.width()
    # A wider part would be laid out for more room than there is, and lose its lower lines.
    assert section.minimumSizeHint().width() <= width
    for part in visible_parts(section):
        corner = part.mapTo(section, QPoint(0, 0))
        assert corner.x() >= 0
        assert corner.x() + part.width() <= width, part
        if isinstance(part, QPushButton | QCheckBox):
            needed = part.fontMetrics().horizontalAdvance(part.text())
            assert part.width() >= needed, part.text()


def test_a_check_says_beside_the_map_whether_it_explains_anything(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    attention = dock.session.attention
    attention.configure(target="eye")
    qtbot.mouseClick(section.check_button, Qt.MouseButton.LeftButton)
    assert section.checking.isVisible()
    qtbot.waitUntil(lambda: not section.tools.check.active, timeout=WAIT)
    text = section.checked.text()
    assert "Blanking the 10 % most attended patches moves eye by" in text
    assert "random patches by" in text
    # What was found belongs to this frame, map and settings, and comes back with them.
    attention.configure(target="mouth")
    assert section.checked.text() == ""
    attention.configure(target="eye")
    assert section.checked.text() == text
    dock.session.go_to(5)
    assert section.checked.text() == ""


def test_a_mean_over_frames_stays_until_it_is_let_go(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    attention = dock.session.attention
    section.frames.button.click()
    for box, value in ((section.many.first, 2), (section.many.last, 11), (section.many.step, 3)):
        box.setText(str(value))
    own = layer_data(dock)
    qtbot.mouseClick(section.many.mean_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: attention.mean is not None, timeout=WAIT)
    assert "mean over 4 frames (2 to 11, every 3th)" in section.title_line.text()
    mean = layer_data(dock)
    assert not np.allclose(mean, own)
    dock.session.go_to(20)
    np.testing.assert_array_equal(layer_data(dock), mean)
    qtbot.mouseClick(section.mean_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
    assert attention.shown.frame == 20
    assert attention.mean is None


def test_measuring_gives_a_table_and_traces(
    section: AttentionSection,
    dock: ViTFaceDock,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    section.frames.button.click()
    section.many.step.set_value(5)
    qtbot.mouseClick(section.many.measure_button, Qt.MouseButton.LeftButton)
    frames = section.tools.frames
    qtbot.waitUntil(lambda: frames.measured is not None, timeout=WAIT)
    assert frames.run.status == "done", frames.run.message
    assert section.many.measured.text().startswith("Measured 8 frames")
    target = tmp_path / "attention.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))
    qtbot.mouseClick(section.many.save_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(target.exists, timeout=WAIT)
    lines = target.read_text().splitlines()
    assert lines[0].split(",")[:2] == ["frame", "keypoint"]
    assert len(lines) == 1 + 8 * len(NAMES)
    trajectories = open_trajectories(dock.session.viewer).panel
    near = [trace for trace in trajectories.video.traces() if trace.kind == "near"]
    assert [trace.keypoints[0] for trace in near] == list(NAMES)
    values = near[1].values(dock.session.predictions, 0, 40)
    row = dict(zip(lines[0].split(","), lines[2].split(","), strict=True))
    assert row["keypoint"] == "nose tip"
    # Frame 0 is held until the next one that was measured, frame 5.
    np.testing.assert_allclose(values[:5], float(row["near"]), rtol=1e-5)
    assert np.isfinite(values).all()


def test_the_chosen_frames_are_written_as_a_video_with_the_map_over_each(
    section: AttentionSection,
    dock: ViTFaceDock,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    from napari_vitface.video import open_video

    attention = dock.session.attention
    attention.configure(target="eye")
    qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
    target = tmp_path / "overlay.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))
    # Asked for under Export, it opens the fold in which the frames are chosen.
    section.frames.button.click()
    for box, value in ((section.many.first, 4), (section.many.last, 13), (section.many.step, 3)):
        box.setText(str(value))
    (action,) = (each for each in section.export_menu.actions() if "MP4" in each.text())
    action.trigger()
    assert section.many.progress.isVisible()
    qtbot.waitUntil(lambda: not section.tools.frames.active, timeout=WAIT)
    assert section.tools.frames.run.status == "done", section.tools.frames.run.message
    with open_video(target) as written, open_video(dock.session.current.path) as original:
        assert len(written) == 4
        assert written.shape[2] == original.shape[2]
        assert written.shape[1] > original.shape[1]
        assert written.frame_rate == pytest.approx(original.frame_rate / 3)
        # The picture of one of these frames that is exported from the canvas is the same.
        dock.session.go_to(7)
        qtbot.waitUntil(lambda: attention.status == "shown", timeout=WAIT)
        section.tools.export.picture(tmp_path / "map.png")
        qtbot.waitUntil((tmp_path / "map.png").exists, timeout=WAIT)
        height = original.shape[1]
        picture = np.asarray(Image.open(tmp_path / "map.png"))[:height].astype(float)
        assert np.abs(written[1][:height].astype(float) - picture).mean() < 5
        assert picture.std() > 5


def test_frames_that_are_tracked_by_looking_elsewhere_have_ticks_that_say_of_which_keypoint(
    section: AttentionSection, dock: ViTFaceDock, qtbot: Any
) -> None:
    from napari_vitface.gui.actions import open_trajectories

    trajectories = open_trajectories(dock.session.viewer).panel
    ticks = trajectories.plot.lanes.ticks["elsewhere"]
    assert ticks.frames.tolist() == []
    section.frames.button.click()
    section.many.step.set_value(5)
    qtbot.mouseClick(section.many.measure_button, Qt.MouseButton.LeftButton)
    frames = section.tools.frames
    qtbot.waitUntil(lambda: frames.measured is not None, timeout=WAIT)
    # The first frame comes alone.
    part = max(frames.measured.parts, key=lambda part: len(part.frames))
    # The numbers of this model are chance: have them say what they are to say.
    verdict = np.zeros_like(part.verdict)
    verdict[2, 1] = verdict[3, 0] = verdict[3, 2] = 1
    frames.measured.parts = [replace(part, verdict=verdict)]
    dock.session.put_traces(
        dock.session.current, frames.measured.traces(40), frames.measured.elsewhere()
    )
    assert ticks.frames.tolist() == part.frames[[2, 3]].tolist()
    words = trajectories.plot.lanes.words["elsewhere"]
    assert words[int(part.frames[2])] == "nose tip: tracked while looking elsewhere"
    assert words[int(part.frames[3])].startswith("eye, mouth:")
    # Another video has none of it.
    dock.session.viewer.layers.remove(dock.session.current.layer)
    assert ticks.frames.tolist() == []


def test_the_map_on_screen_is_written_as_picture_and_numbers(
    section: AttentionSection,
    dock: ViTFaceDock,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    dock.session.attention.configure(target="eye", hide_self=True)
    qtbot.waitUntil(lambda: dock.session.attention.status == "shown", timeout=WAIT)
    for suffix in (".png", ".npz"):
        target = tmp_path / f"map{suffix}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, t=target, **__: (str(t), ""))
        section.ask_to_export(suffix)
        qtbot.waitUntil(target.exists, timeout=WAIT)
    picture = np.asarray(Image.open(tmp_path / "map.png"))
    assert picture.shape[1:] == (128, 3)
    assert picture.shape[0] > 96
    with np.load(tmp_path / "map.npz") as arrays:
        shown = dock.session.attention.shown
        np.testing.assert_array_equal(arrays["maps"], shown.maps)
        assert '"hide_self": true' in str(arrays["settings"])


def test_a_method_of_another_package_has_its_place_in_the_form(
    install: Any, session: Any, qtbot: Any
) -> None:
    from napari_vitface.gui.attention.method_form import AttentionForm
    from napari_vitface.settings.attention import METHODS

    install(
        METHODS,
        "from dataclasses import dataclass\n"
        "from typing import Annotated\n"
        "from napari_vitface.settings.attention import AttentionMethod\n"
        "from napari_vitface.settings.option import Option\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Toy(AttentionMethod):\n"
        "    name, title, help, caption, compute = 'toy', 'Toy', 'plays', 'Toy', 'nowhere:toy'\n"
        "    noise: Annotated[float, Option(help='of it', label='Noise', ge=0, le=2)] = 0.5\n"
        "TOY = Toy()\n",
    )
    form = AttentionForm(session)
    qtbot.addWidget(form)
    form.show()
    form.refresh()
    assert not form.widgets["noise"].visible
    session.attention.configure(method="toy")
    form.refresh()
    assert form.widgets["noise"].visible
    assert not form.first.isVisible()
    form.widgets["noise"].value = 1.25
    assert session.attention.settings.how.values()["noise"] == 1.25
    assert form.summary() == "noise 1.25"
    session.attention.configure(method="occlusion")
    form.refresh()
    assert form.widgets["square"].visible
    assert not form.widgets["noise"].visible
    assert form.widgets["measure"].choices == ("moved", "confidence")
