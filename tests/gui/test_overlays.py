from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_vitface.gui.attention.colours import ATTENTION_COLOURS, attention_colormap
from napari_vitface.gui.layers import AttentionPicture
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON, Overlays
from napari_vitface.gui.shown_pose import shown_pose
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PoseTable


@pytest.fixture
def video(viewer_model: ViewerModel) -> Image:
    return viewer_model.add_image(np.zeros((10, 60, 80), np.uint8), name="video")


@pytest.fixture
def overlays(viewer_model: ViewerModel) -> Overlays:
    return Overlays(viewer_model)


def poses(frames: int = 10) -> PoseTable:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 60, (frames, 12, 2))
    xy[3, 5] = np.nan
    return PoseTable(MOUSE_FACE, xy, rng.uniform(0, 1, (frames, 12)))


def draw(overlays: Overlays, table: PoseTable, frame: int, video: Image) -> None:
    overlays.draw_pose(shown_pose(table.keypoints, frame, predictions=table), video)


def picture(value: float = 2.0) -> AttentionPicture:
    return AttentionPicture(np.full((3, 4), value, np.float32), (20.0, 20.0), (9.5, 9.5), 0.1)


def test_the_points_layer_holds_the_keypoints_of_one_frame(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    draw(overlays, table, 2, video)
    layer = viewer_model.layers[KEYPOINTS]
    np.testing.assert_array_equal(layer.data, table.xy[2, :, ::-1])
    assert list(layer.features["name"]) == list(MOUSE_FACE.names)
    draw(overlays, table, 3, video)
    assert layer is viewer_model.layers[KEYPOINTS]
    assert len(layer.data) == 12
    assert layer.shown.tolist() == [k != 5 for k in range(12)]
    # napari draws hidden points of a layer like this all the same; this one is not to be seen.
    assert layer.size[5] == 0
    assert layer.face_color[5, 3] == 0
    np.testing.assert_allclose(layer.features["confidence"], table.confidence[3])
    assert layer.features["state"][5] == "absent"
    # The name of a keypoint that is not there is not written either.
    assert layer.text.values[5] == ""
    assert layer.text.values[4] == MOUSE_FACE.names[4]
    draw(overlays, table, 4, video)
    assert layer.text.values[5] == MOUSE_FACE.names[5]


def test_colours_follow_confidence_from_frame_to_frame(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    draw(overlays, table, 0, video)
    layer = viewer_model.layers[KEYPOINTS]
    for frame in (1, 2):
        draw(overlays, table, frame, video)
        order = np.argsort(table.confidence[frame])
        assert (np.diff(layer.face_color[order, 3]) >= 0).all()


def test_the_skeleton_has_an_edge_for_each_pair_that_is_there(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    for frame, edges in ((2, 10), (3, 8), (4, 10)):
        draw(overlays, table, frame, video)
        layer = viewer_model.layers[SKELETON]
        assert len(layer.data) == edges
        assert len(layer.edge_color) == edges


def test_another_models_keypoints_replace_the_layer(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    draw(overlays, poses(), 0, video)
    other = PoseTable(KeypointSet(("ear", "paw")), np.ones((10, 2, 2)))
    draw(overlays, other, 0, video)
    assert [layer.name for layer in viewer_model.layers].count(KEYPOINTS) == 1
    assert list(viewer_model.layers[KEYPOINTS].features["name"]) == ["ear", "paw"]


def test_overlays_lie_on_a_video_that_is_scaled_and_moved(
    viewer_model: ViewerModel, overlays: Overlays
) -> None:
    video = viewer_model.add_image(
        np.zeros((10, 60, 80), np.uint8), scale=(1, 0.5, 0.25), translate=(0, 7, -3)
    )
    table = PoseTable(KeypointSet(("ear",)), [[[12, 34]]] * 10)
    draw(overlays, table, 0, video)
    overlays.draw_attention(picture(), 4.0, video)
    world = viewer_model.layers[KEYPOINTS].data_to_world((34, 12))
    np.testing.assert_allclose(world, video.data_to_world((0, 34, 12))[1:])
    # Patch (1, 2) of 20 pixels has its centre at pixel (29.5, 49.5).
    world = viewer_model.layers[ATTENTION].data_to_world((1, 2))
    np.testing.assert_allclose(world, video.data_to_world((0, 29.5, 49.5))[1:])


def test_attention_lies_below_the_points_and_above_the_video(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    draw(overlays, poses(), 0, video)
    overlays.draw_attention(picture(), 4.0, video)
    names = [layer.name for layer in viewer_model.layers]
    assert names == ["video", ATTENTION, SKELETON, KEYPOINTS]


def test_attention_keeps_its_colour_limits_from_frame_to_frame(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    overlays.draw_attention(picture(2.0), 4.0, video)
    layer = viewer_model.layers[ATTENTION]
    overlays.draw_attention(picture(0.5), 4.0, video)
    assert tuple(layer.contrast_limits) == (0.0, 4.0)
    assert layer.data.max() == 0.5


def test_an_unknown_frame_has_an_empty_map(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    overlays.draw_attention(picture(), 4.0, video)
    overlays.draw_attention(None, 1.0, video)
    assert not viewer_model.layers[ATTENTION].data.any()


@pytest.mark.parametrize("name", ATTENTION_COLOURS)
def test_no_attention_is_transparent(name: str) -> None:
    low, high = attention_colormap(name).map([0.0, 1.0])
    assert low[3] == 0
    assert high[3] == 1


def test_a_layer_that_the_user_removed_stays_away_until_asked_for(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    heard = []
    overlays.wanted_changed.connect(lambda *change: heard.append(change))
    table = poses()
    draw(overlays, table, 0, video)
    viewer_model.layers.remove(KEYPOINTS)
    draw(overlays, table, 1, video)
    assert KEYPOINTS not in viewer_model.layers
    assert SKELETON in viewer_model.layers
    overlays.show(KEYPOINTS)
    np.testing.assert_array_equal(viewer_model.layers[KEYPOINTS].data, table.xy[1, :, ::-1])
    assert heard == [(KEYPOINTS, False), (KEYPOINTS, True)]


@pytest.mark.parametrize("what", [KEYPOINTS, SKELETON])
def test_the_eye_in_the_layer_list_means_the_same(
    viewer_model: ViewerModel, video: Image, overlays: Overlays, what: str
) -> None:
    heard = []
    overlays.wanted_changed.connect(lambda *change: heard.append(change))
    table = poses()
    draw(overlays, table, 0, video)
    layer = viewer_model.layers[what]
    layer.visible = False
    assert heard == [(what, False)]
    draw(overlays, table, 4, video)
    assert not layer.visible
    layer.visible = True
    assert heard == [(what, False), (what, True)]
    # What comes back is the frame that is on screen now.
    np.testing.assert_array_equal(viewer_model.layers[KEYPOINTS].data, table.xy[4, :, ::-1])
    assert heard == [(what, False), (what, True)]
    overlays.show(what, False)
    assert not layer.visible
    overlays.show(what)
    assert layer.visible


def test_nothing_of_another_video_is_left_on_a_hidden_layer(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    draw(overlays, table, 0, video)
    overlays.hide_pose()
    points, skeleton = viewer_model.layers[KEYPOINTS], viewer_model.layers[SKELETON]
    assert not points.visible
    assert not points.shown.any()
    assert not points.face_color[:, 3].any()
    assert not any(points.text.values)
    assert len(skeleton.data) == 0
    other = viewer_model.add_image(np.zeros((5, 30, 40), np.uint8))
    draw(overlays, table, 2, other)
    assert viewer_model.layers[KEYPOINTS] is points
    assert points.visible
    np.testing.assert_array_equal(points.data, table.xy[2, :, ::-1])
    # Above the new video too.
    assert [layer.name for layer in viewer_model.layers][-2:] == [SKELETON, KEYPOINTS]


def test_rows_that_were_added_or_removed_are_made_good(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    draw(overlays, table, 0, video)
    layer = viewer_model.layers[KEYPOINTS]
    layer.add([1, 1])
    draw(overlays, table, 0, video)
    np.testing.assert_array_equal(layer.data, table.xy[0, :, ::-1])
    layer.selected_data = {0, 3}
    layer.remove_selected()
    draw(overlays, table, 1, video)
    np.testing.assert_array_equal(layer.data, table.xy[1, :, ::-1])
    assert list(layer.features["name"]) == list(MOUSE_FACE.names)
    assert list(layer.text.values) == list(MOUSE_FACE.names)
    for name in ("size", "border_width", "face_color", "symbol"):
        assert len(getattr(layer, name)) == 12


def test_a_renamed_layer_is_still_the_same(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    table = poses()
    draw(overlays, table, 0, video)
    viewer_model.layers[KEYPOINTS].name = "mine"
    draw(overlays, table, 1, video)
    assert KEYPOINTS not in viewer_model.layers
    np.testing.assert_array_equal(viewer_model.layers["mine"].data, table.xy[1, :, ::-1])


def test_overlays_leave_the_selection_and_the_slider_alone(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    viewer_model.layers.selection.active = video
    viewer_model.dims.set_point(0, 4)
    draw(overlays, poses(), 4, video)
    overlays.draw_attention(picture(), 4.0, video)
    assert viewer_model.layers.selection.active is video
    assert viewer_model.dims.point[0] == 4
    assert viewer_model.dims.range[1].step == 1


def test_closing_takes_the_overlays_away_and_stops_listening(
    viewer_model: ViewerModel, video: Image, overlays: Overlays
) -> None:
    before = len(viewer_model.layers.events.removed.callbacks)
    draw(overlays, poses(), 0, video)
    overlays.draw_attention(picture(), 4.0, video)
    overlays.close()
    assert [layer.name for layer in viewer_model.layers] == ["video"]
    assert len(viewer_model.layers.events.removed.callbacks) == before - 1


_SWITCHING = """
import os, sys
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_vitface.gui.layers import AttentionPicture
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON, Overlays
from napari_vitface.gui.shown_pose import shown_pose
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PoseTable

viewer = napari.Viewer(show=True)
rng = np.random.default_rng(0)
video = viewer.add_image(rng.integers(0, 255, (30, 480, 640), np.uint8), name="video")
overlays = Overlays(viewer)
table = PoseTable(MOUSE_FACE, rng.uniform(40, 440, (30, 12, 2)))
for on in (True, False, True, False):
    for what in (KEYPOINTS, SKELETON, ATTENTION):
        overlays.show(what, on)
    for frame in range(15):
        viewer.dims.set_current_step(0, frame)
        overlays.draw_pose(shown_pose(MOUSE_FACE, frame, predictions=table), video)
        maps = rng.random((12, 16), dtype=np.float32)
        picture = AttentionPicture(maps, (40.0, 40.0), (19.5, 19.5), 0.1)
        overlays.draw_attention(picture, 1.0, video)
        QApplication.processEvents()
print("all drawn")
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.window
def test_overlays_can_be_switched_off_and_on_while_the_slider_moves() -> None:
    # In a process of its own: what this is about is a crash of the renderer.
    done = subprocess.run(
        [sys.executable, "-c", _SWITCHING], capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "all drawn"
