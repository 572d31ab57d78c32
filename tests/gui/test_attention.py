"""Attention that follows the slider, with the real engine and no window."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.overlays import ATTENTION
from napari_vitface.gui.workbench import Workbench, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump


@pytest.fixture
def following(session: Workbench, pump: Pump, video_path: Path, tiny_model: Path) -> Workbench:
    """A session with a video, its attention on and the first map shown."""
    session.choose_model(str(tiny_model))
    session.add_video(open_for_window(video_path))
    session.attention.enabled = True
    assert session.attention.status == "computing"
    pump.until(lambda: session.attention.status != "computing")
    assert session.attention.status == "shown", session.attention.message
    return session


def test_the_map_on_screen_is_that_of_the_frame_on_screen(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    attention, layer = following.attention, viewer_model.layers[ATTENTION]
    assert attention.shown.frame == 0
    maps = {0: np.array(layer.data)}
    for frame in (9, 30):
        viewer_model.dims.set_point(0, frame)
        # Until the answer is there nothing is shown: another frame's map would be untrue.
        assert attention.status == "computing"
        assert not layer.data.any()
        pump.until(lambda: attention.status == "shown")
        assert attention.shown.frame == frame
        maps[frame] = np.array(layer.data)
    assert not np.allclose(maps[0], maps[9])
    # A frame that was seen is shown at once.
    viewer_model.dims.set_point(0, 9)
    assert attention.status == "shown"
    np.testing.assert_array_equal(layer.data, maps[9])


@pytest.mark.skipif(os.name != "posix", reason="stops the engine by signal")
def test_many_quick_steps_drop_the_requests_that_nobody_waits_for(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    attention = following.attention
    # An engine that is slower than the slider, to be sure.
    os.kill(following.engine.pid, signal.SIGSTOP)
    for frame in [*range(1, 40), *range(38, 4, -1)]:
        viewer_model.dims.set_point(0, frame)
    os.kill(following.engine.pid, signal.SIGCONT)
    pump.until(lambda: attention.status == "shown")
    assert attention.shown.frame == 5
    # Let answers that are still under way come in, then count what was computed.
    done: list[object] = []
    following.submit("describe", {}, done.append)
    pump.until(lambda: bool(done))
    # The first map, the one asked for last, and perhaps one that was in hand already.
    assert len(attention.store) <= 3
    np.testing.assert_array_equal(viewer_model.layers[ATTENTION].data, attention.picture.data)


def test_another_keypoint_is_shown_without_asking_again(
    following: Workbench, viewer_model: ViewerModel
) -> None:
    attention = following.attention
    pictures = []
    for target in ("eye", "nose tip", "mouth", "global", "all"):
        attention.configure(target=target)
        assert attention.status == "shown"
        pictures.append(np.array(viewer_model.layers[ATTENTION].data))
    np.testing.assert_allclose(pictures[4], np.mean(pictures[:3], axis=0), rtol=1e-4)
    assert not np.allclose(pictures[0], pictures[3])


def test_settings_are_those_that_the_engine_computed(following: Workbench, pump: Pump) -> None:
    attention = following.attention
    assert attention.store.depths[following.model] == 3
    attention.configure(
        method="rollout", layers=(1, 3), head_fusion="max", discard=0.5, hide_self=True
    )
    pump.until(lambda: attention.status != "computing")
    settings = attention.shown.settings
    assert settings["layers"] == [1, 3]
    assert settings["head_fusion"] == "max"
    assert settings["discard"] == 0.5
    assert settings["hide_self"] is True
    attention.configure(method="raw", layers=(0, 2), hide_self=False)
    pump.until(lambda: attention.status != "computing")
    assert attention.status == "shown", attention.message
    assert attention.shown.settings["layers"] == [1, 2]


def test_layers_and_heads_are_kept_for_the_model_that_they_were_chosen_for(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    following.attention.configure(method="rollout", layers=(1, 3), head=1, discard=0.5)

    def looked_at(session: Workbench) -> tuple[object, object, object]:
        how = session.attention.settings.how.values()
        return how["layers"], how["head"], how["discard"]

    tiny = following.model
    following.choose_model("mouse-face")
    assert looked_at(following) == (None, None, 0.5)
    following.choose_model(tiny)
    assert looked_at(following) == ((1, 3), 1, 0.5)
    following.close()
    again = session_of(viewer_model, pump.post)
    assert again.model != tiny
    assert looked_at(again) == (None, None, 0.5)
    again.attention.configure(discard=0.25)
    again.choose_model(tiny)
    assert looked_at(again) == (None, None, 0.25)
    again.close()


def test_a_setting_that_the_engine_refuses_is_said_in_its_words(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    following.attention.configure(layers=(2, 9))
    pump.until(lambda: following.attention.status != "computing")
    assert following.attention.status == "failed"
    assert "3 blocks" in following.attention.message
    assert not viewer_model.layers[ATTENTION].data.any()
    following.attention.configure(layers=None)
    assert following.attention.status == "shown"


@pytest.mark.parametrize("crop", [None, (30, 20, 64, 48)])
def test_the_map_covers_the_pixels_that_the_network_saw(
    following: Workbench,
    pump: Pump,
    viewer_model: ViewerModel,
    crop: tuple[int, int, int, int] | None,
) -> None:
    following.set_crop(crop)
    pump.until(lambda: following.attention.status == "shown")
    layer = viewer_model.layers[ATTENTION]
    # The input of 48 x 64 has the shape of both the frame of 96 x 128 and the crop, so there is no
    # padding: the grid of 3 x 4 patches covers exactly these pixels.
    x, y, width, height = crop or (0, 0, 128, 96)
    edges = layer.data_to_world((-0.5, -0.5)), layer.data_to_world((2.5, 3.5))
    np.testing.assert_allclose(edges[0], (y - 0.5, x - 0.5), atol=1e-4)
    np.testing.assert_allclose(edges[1], (y + height - 0.5, x + width - 0.5), atol=1e-4)


def test_colour_limits_stay_from_frame_to_frame(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    layer = viewer_model.layers[ATTENTION]
    before = tuple(layer.contrast_limits)
    viewer_model.dims.set_point(0, 25)
    pump.until(lambda: following.attention.status == "shown")
    assert tuple(layer.contrast_limits) == before == (0.0, following.attention.limit)


def test_removing_the_layer_switches_attention_off(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    viewer_model.layers.remove(ATTENTION)
    assert not following.attention.enabled
    viewer_model.dims.set_point(0, 3)
    assert following.attention.status == "off"
    following.attention.enabled = True
    pump.until(lambda: following.attention.status == "shown")
    assert ATTENTION in viewer_model.layers


def test_switching_off_takes_the_layer_away(
    following: Workbench, viewer_model: ViewerModel
) -> None:
    following.attention.enabled = False
    assert ATTENTION not in viewer_model.layers


def test_the_next_video_has_its_own_maps(
    following: Workbench,
    pump: Pump,
    viewer_model: ViewerModel,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    following.add_video(open_for_window(write_video(tmp_path / "other.mp4", 5)))
    assert following.attention.status == "computing"
    pump.until(lambda: following.attention.status == "shown")
    viewer_model.layers.remove("other")
    assert following.attention.status == "shown"


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_dead_engine_is_told_and_the_next_step_starts_another(
    following: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    first = following.engine.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    viewer_model.dims.set_point(0, 20)
    os.kill(first, signal.SIGKILL)
    pump.until(lambda: following.attention.status == "failed")
    assert "engine" in following.attention.message
    viewer_model.dims.set_point(0, 21)
    pump.until(lambda: following.attention.status == "shown")
    assert following.engine.pid not in (None, first)
