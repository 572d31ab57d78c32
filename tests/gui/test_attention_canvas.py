"""Clicks on points and patches, the layers played, and the grid: with the engine, no window."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_vitface.gui.attention.attention_canvas import PATCH, looking_at, patch_at
from napari_vitface.gui.attention.tools import AttentionTools
from napari_vitface.gui.layers import GLOBAL
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from conftest import Pump

NAMES = ("eye", "nose tip", "mouth")


@pytest.fixture
def following(session: Workbench, pump: Pump, video_path: Path, tiny_model: Path) -> Workbench:
    """A session with a video, predictions at known places, and its attention on."""
    session.choose_model(str(tiny_model))
    opened = session.add_video(open_for_window(video_path))
    xy = np.zeros((40, 3, 2), np.float32)
    xy[:] = (20, 30), (90, 40), (60, 80)
    poses = PoseTable(KeypointSet(NAMES), xy, np.ones((40, 3), np.float32))
    session.set_poses(opened, poses, session.model_name)
    session.attention.enabled = True
    pump.until(lambda: session.attention.status == "shown")
    return session


@pytest.fixture
def tools(following: Workbench) -> AttentionTools:
    return following.attention_tools


def click(
    viewer: ViewerModel, x: float, y: float, *, frame: int = 0, drag: float = 0.0, button: int = 1
) -> None:
    """What napari does with a click at video pixels (x, y), moved by `drag` pixels meanwhile."""
    event: Any = SimpleNamespace(
        type="mouse_press", button=button, position=(frame, y, x), modifiers=(), is_dragging=False
    )
    mouse_press_callbacks(viewer, event)
    if drag:
        event.type, event.is_dragging, event.position = "mouse_move", True, (frame, y, x + drag)
        mouse_move_callbacks(viewer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(viewer, event)


# --------------------------------------------------------------------- points


def test_a_click_on_a_point_shows_what_it_looked_at(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    click(viewer_model, 91, 40)
    assert following.attention.settings.target == "nose tip"
    assert following.labelling.selection.indices == (1,)
    click(viewer_model, 21, 29)
    assert following.attention.settings.target == "eye"
    assert following.attention.status == "shown"


def test_a_drag_or_a_click_elsewhere_changes_nothing(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    click(viewer_model, 91, 40, drag=30)
    click(viewer_model, 120, 90)
    click(viewer_model, 91, 40, button=2)
    assert following.attention.settings.target == "all"
    assert following.labelling.selection.indices == ()


def test_while_a_tool_of_napari_is_in_hand_the_click_is_that_tool_s(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    points = viewer_model.layers[KEYPOINTS]
    viewer_model.layers.selection.active = points
    points.mode = "add"
    click(viewer_model, 91, 40)
    assert following.labelling.selection.indices == ()
    # Its own selection tool selects, and what is selected is looked at.
    points.mode = "select"
    points.selected_data = {2}
    assert following.attention.settings.target == "mouth"


def test_selected_points_are_looked_at_together_and_no_selection_leaves_the_map(
    following: Workbench, tools: AttentionTools
) -> None:
    attention = following.attention
    following.labelling.selection.select([0, 2])
    assert attention.settings.target == ("eye", "mouth")
    maps = dict(zip(attention.shown.names, attention.shown.maps, strict=True))
    both = (maps["eye"] + maps["mouth"]) / 2
    np.testing.assert_allclose(attention.picture.data, both * both.size, rtol=1e-5)
    following.labelling.selection.select([])
    assert attention.settings.target == ("eye", "mouth")
    tools.canvas.follows_selection = False
    following.labelling.selection.select([1])
    assert attention.settings.target == ("eye", "mouth")


def test_with_attention_off_clicks_are_left_alone(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    following.attention.enabled = False
    click(viewer_model, 91, 40)
    assert following.labelling.selection.indices == ()
    assert following.attention.settings.target == "all"


# --------------------------------------------------------------------- patches


def test_patches_are_found_where_the_map_is_drawn() -> None:
    computed = answer(np.ones((2, 3, 4), np.float32))
    # The grid of 3 x 4 patches of 32 pixels covers 96 x 128.
    assert patch_at(computed, -0.5, -0.5) == (0, 0)
    assert patch_at(computed, 31.4, 31.4) == (0, 0)
    assert patch_at(computed, 31.6, 95.6) == (1, 3)
    assert patch_at(computed, 95.4, 127.4) == (2, 3)
    assert patch_at(computed, 96.0, 0.0) is None
    assert patch_at(computed, 0.0, -1.0) is None


def test_those_who_look_most_come_first_and_the_whole_image_last() -> None:
    maps = np.full((3, 3, 4), 0.05, np.float32)
    maps[:, 1, 2] = 0.1, 0.3, 0.9
    looks = looking_at(answer(maps, ("eye", "mouth", GLOBAL)), (1, 2))
    assert [look.name for look in looks] == ["mouth", "eye", GLOBAL]
    assert [round(look.value, 3) for look in looks] == [0.3, 0.1, 0.9]
    assert looks[0].relative == 1.0


def test_with_the_attention_layer_in_hand_a_click_picks_a_patch(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    canvas = tools.canvas
    canvas.start_picking()
    assert viewer_model.layers.selection.active is viewer_model.layers[ATTENTION]
    click(viewer_model, 100, 50)
    assert canvas.patch == (1, 3)
    assert following.labelling.selection.indices == ()
    shown = following.attention.shown
    assert {look.name: look.value for look in canvas.looks} == {
        name: float(values[1, 3]) for name, values in zip(shown.names, shown.maps, strict=True)
    }
    # The mark covers the patch: pixels 96 to 128 across, 32 to 64 down.
    corners = np.array(
        [viewer_model.layers[PATCH].data_to_world(c) for c in viewer_model.layers[PATCH].data[0]]
    )
    np.testing.assert_allclose(corners.min(axis=0), (31.5, 95.5), atol=1e-3)
    np.testing.assert_allclose(corners.max(axis=0), (63.5, 127.5), atol=1e-3)
    assert viewer_model.layers.selection.active is viewer_model.layers[ATTENTION]
    click(viewer_model, 100, 300)
    assert canvas.patch is None
    assert PATCH not in viewer_model.layers


def test_the_list_of_a_patch_follows_the_slider(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel, pump: Pump
) -> None:
    tools.canvas.start_picking()
    click(viewer_model, 100, 50)
    before = {look.name: look.value for look in tools.canvas.looks}
    viewer_model.dims.set_point(0, 20)
    assert tools.canvas.looks == []
    pump.until(lambda: following.attention.status == "shown")
    assert {look.name: look.value for look in tools.canvas.looks} != before


def test_letting_go_of_patches_gives_the_canvas_back(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    points = viewer_model.layers[KEYPOINTS]
    viewer_model.layers.selection.active = points
    tools.canvas.start_picking()
    click(viewer_model, 100, 50)
    tools.canvas.stop_picking()
    assert viewer_model.layers.selection.active is points
    assert tools.canvas.patch is None
    assert PATCH not in viewer_model.layers
    assert not tools.canvas.picking


def test_removing_the_mark_lets_go_of_the_patch(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel
) -> None:
    tools.canvas.start_picking()
    click(viewer_model, 100, 50)
    viewer_model.layers.remove(PATCH)
    assert tools.canvas.patch is None


# --------------------------------------------------------------------- layers, one by one


def test_the_layers_are_played_from_the_first_to_all(
    following: Workbench, tools: AttentionTools, pump: Pump
) -> None:
    player, attention = tools.player, following.attention
    # Unless it is told which, rollout looks at the last third; all are played.
    assert attention.shown.settings["layers"] == [2, 3]
    attention.configure(layers=(0, 3))
    pump.until(lambda: attention.status == "shown")
    whole = np.array(attention.picture.data)
    attention.configure(layers=None)
    player.start()
    seen = []
    while player.playing:
        pump.until(lambda: attention.status == "shown")
        seen.append((player.layer, attention.shown.settings["layers"], attention.picture.data))
        player.step()
    assert [(layer, layers) for layer, layers, _ in seen] == [
        (1, [0, 1]),
        (2, [0, 2]),
        (3, [0, 3]),
    ]
    np.testing.assert_allclose(seen[-1][2], whole, rtol=1e-5)
    assert not np.allclose(seen[0][2], seen[1][2])
    assert attention.settings.layers is None


def test_playing_waits_for_a_map_and_ends_with_what_was_there_before(
    following: Workbench, tools: AttentionTools, pump: Pump
) -> None:
    player, attention = tools.player, following.attention
    attention.configure(layers=(1, 3))
    pump.until(lambda: attention.status == "shown")
    player.start()
    assert attention.status == "computing"
    # The map that was there stays until the next one is.
    assert attention.picture is not None
    assert following.overlays.layer(ATTENTION).data.any()
    player.step()
    assert player.layer == 1
    pump.until(lambda: attention.status == "shown")
    player.step()
    assert player.layer == 2
    player.stop()
    assert attention.settings.layers == (1, 3)
    assert not player.playing


def test_choosing_layers_oneself_ends_the_playing(
    following: Workbench, tools: AttentionTools, pump: Pump
) -> None:
    tools.player.start()
    following.attention.configure(layers=(2, 3))
    tools.player.step()
    assert not tools.player.playing
    assert following.attention.settings.layers == (2, 3)


# --------------------------------------------------------------------- many maps at once


def test_the_grid_shows_every_keypoint_of_one_answer(
    following: Workbench, tools: AttentionTools
) -> None:
    grid = tools.grid
    assert grid.tiles() == []
    grid.open = True
    tiles = grid.tiles()
    assert [tile.title for tile in tiles] == [*NAMES, GLOBAL]
    # Nothing had to be computed: the map on the canvas came with them.
    assert all(tile.status == "shown" for tile in tiles)
    grid.choose(tiles[1])
    assert following.attention.settings.target == "nose tip"
    assert following.labelling.selection.indices == (1,)
    assert [tile.chosen for tile in grid.tiles()] == [False, True, False, False]


def test_the_grid_shows_every_layer_and_a_click_chooses_it(
    following: Workbench, tools: AttentionTools, pump: Pump
) -> None:
    grid = tools.grid
    grid.open = True
    grid.kind = "layers"
    pump.until(lambda: [t.status for t in grid.tiles()] == ["shown"] * 3)
    tiles = grid.tiles()
    assert [tile.title for tile in tiles] == ["layer 1", "layers 1 to 2", "layers 1 to 3"]
    # On the canvas is the last third, which is none of them.
    assert [tile.chosen for tile in tiles] == [False, False, False]
    grid.choose(tiles[2])
    assert following.attention.settings.layers == (0, 3)
    assert [tile.chosen for tile in grid.tiles()] == [False, False, True]
    np.testing.assert_allclose(tiles[2].picture.data, following.attention.picture.data, rtol=1e-5)
    grid.choose(tiles[0])
    assert following.attention.settings.layers == (0, 1)
    # It was computed for the grid already.
    assert following.attention.status == "shown"


def test_two_models_are_beside_each_other(
    following: Workbench, tools: AttentionTools, pump: Pump, tiny_model: Path
) -> None:
    grid = tools.grid
    grid.open = True
    grid.kind = "models"
    assert "Choose the model" in grid.hint
    assert [tile.title for tile in grid.tiles()] == ["tiny"]
    grid.second_model = "mouse-face"
    following.attention.configure(target="nose tip")
    pump.until(lambda: [t.status for t in grid.tiles()] == ["shown"] * 2)
    mine, other = grid.tiles()
    assert (mine.title, other.title) == ("tiny", "mouse-face")
    assert mine.picture.data.shape != other.picture.data.shape
    assert other.computed.settings["model"] == "mouse-face"
    # A keypoint that only one of them has is said, not made up.
    following.attention.configure(target="eye")
    mine, other = grid.tiles()
    assert mine.status == "shown"
    assert other.status == "failed"
    assert "no keypoint eye" in other.message
    # A model is not compared with itself.
    following.choose_model("mouse-face")
    assert grid.second_model is None
    assert "Choose the model" in grid.hint
    assert [tile.title for tile in grid.tiles()] == ["mouse-face"]
    following.choose_model(str(tiny_model))
    assert [tile.title for tile in grid.tiles()] == ["tiny", "mouse-face"]


def test_a_grid_that_nobody_looks_at_asks_for_nothing(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel, pump: Pump
) -> None:
    tools.grid.kind = "layers"
    viewer_model.dims.set_point(0, 11)
    pump.until(lambda: following.attention.status == "shown")
    assert len(following.attention.store) == 2


@pytest.mark.skipif(os.name != "posix", reason="stops the engine by signal")
def test_the_grid_drops_what_the_slider_has_left_behind(
    following: Workbench, tools: AttentionTools, viewer_model: ViewerModel, pump: Pump
) -> None:
    grid = tools.grid
    grid.open = True
    grid.kind = "layers"
    pump.until(lambda: all(tile.status == "shown" for tile in grid.tiles()))
    before = len(following.attention.store)
    os.kill(following.engine.pid, signal.SIGSTOP)
    for frame in range(1, 30):
        viewer_model.dims.set_point(0, frame)
    os.kill(following.engine.pid, signal.SIGCONT)
    pump.until(lambda: all(tile.status == "shown" for tile in grid.tiles()))
    assert {tile.computed.frame for tile in grid.tiles()} == {29}
    # Three maps of the last frame, and at most what was in hand when the slider moved on.
    assert len(following.attention.store) <= before + 3 + 1


def answer(maps: np.ndarray, names: tuple[str, ...] = ("eye", "mouth")) -> AttentionComputed:
    """Maps of a model whose patches are 32 pixels of the video."""
    return AttentionComputed(
        frame=0,
        names=names,
        maps=maps,
        prefix_share=np.zeros(len(maps), np.float32),
        scale=(32.0, 32.0),
        translate=(15.5, 15.5),
        xy=np.zeros((2, 2), np.float32),
        confidence=np.ones(2, np.float32),
        own_share=np.zeros(len(maps), np.float32),
        total=np.ones(len(maps), np.float32),
        settings={"method": "rollout", "layers": [0, 3], "model": "tiny"},
    )
