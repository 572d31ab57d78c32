"""Prediction runs in a session, with the real engine and no window."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_vitface.formats.poses import read_poses, write_poses
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.overlays import KEYPOINTS
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

if TYPE_CHECKING:
    from conftest import Pump

SMALL_STEPS = PredictOptions(batch_size=1)


@pytest.fixture
def ready(session: Workbench, tiny_model: Path, video_path: Path) -> Workbench:
    session.choose_model(str(tiny_model))
    session.add_video(open_for_window(video_path))
    return session


@pytest.fixture
def long_run(
    unhurried: None, session: Workbench, tiny_model: Path, long_video: Path, tmp_path: Path
) -> Workbench:
    """A session on a video that takes a while."""
    session.choose_model(str(tiny_model))
    copy = tmp_path / "long.mp4"
    shutil.copy(long_video, copy)
    session.add_video(open_for_window(copy))
    return session


def test_a_run_shows_and_saves_the_points(
    ready: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    opened, prediction = ready.current, ready.prediction
    prediction.start(SMALL_STEPS)
    pump.until(lambda: not prediction.active)
    run = prediction.run
    assert run.status == "done", run.message
    assert run.done == run.total == 40
    saved = read_poses(run.result.h5)
    assert opened.saved == Path(run.result.h5)
    assert opened.saved.parent == opened.path.parent
    np.testing.assert_allclose(opened.poses.xy, saved.xy)
    np.testing.assert_allclose(opened.poses.confidence, saved.confidence)
    assert (opened.poses.state == 1).all()
    ready.go_to(11)
    np.testing.assert_allclose(viewer_model.layers[KEYPOINTS].data, saved.xy[11, :, ::-1])
    assert opened.poses.keypoints.skeleton == (("eye", "nose tip"),)
    assert run.settings.device
    assert run.settings.precision


def test_what_a_run_with_the_same_settings_has_left_is_shown(ready: Workbench, pump: Pump) -> None:
    opened, prediction = ready.current, ready.prediction
    prediction.start(SMALL_STEPS)
    pump.until(lambda: opened.saved is not None and not prediction.active)
    before, opened.saved = opened.poses.xy.copy(), None
    ready.set_poses(opened, None, ready.model_name)
    prediction.start(SMALL_STEPS)
    pump.until(lambda: opened.saved is not None)
    np.testing.assert_allclose(opened.poses.xy, before, atol=1e-3)
    assert not prediction.run.result.made


def test_what_a_run_has_left_in_another_folder_is_shown(
    ready: Workbench, pump: Pump, tmp_path: Path
) -> None:
    opened, prediction = ready.current, ready.prediction
    options = PredictOptions(output_dir=tmp_path / "out")
    prediction.start(options)
    pump.until(lambda: opened.saved is not None and not prediction.active)
    before = opened.poses.xy.copy()
    # As in a napari that was opened anew.
    ready.set_poses(opened, None, ready.model_name)
    opened.saved = None
    prediction.start(options)
    pump.until(lambda: opened.saved is not None)
    assert not prediction.run.result.made
    assert opened.saved.parent == tmp_path / "out"
    np.testing.assert_allclose(opened.poses.xy, before, atol=1e-3)


def test_points_appear_while_the_run_goes_on(
    long_run: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    prediction = long_run.prediction
    prediction.start(SMALL_STEPS)
    pump.until(
        lambda: KEYPOINTS in viewer_model.layers and viewer_model.layers[KEYPOINTS].shown.all()
    )
    assert prediction.active
    assert np.isnan(long_run.current.poses.xy[-1]).all()
    pump.until(lambda: prediction.run.seconds_left is not None)
    prediction.cancel()
    pump.until(lambda: not prediction.active)


def test_a_model_that_is_chosen_in_the_middle_of_a_run_and_left_again(
    long_run: Workbench, pump: Pump, tiny_model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    shutil.copy(tiny_model, other)
    opened, prediction = long_run.current, long_run.prediction
    # Of the other model there are predictions, of the same keypoints and somewhere else.
    theirs = PoseTable.empty(KeypointSet(("eye", "nose tip", "mouth")), 600)
    theirs.xy[:], theirs.confidence[:], theirs.state[:] = 3.0, 0.5, PointState.PREDICTED
    write_poses(theirs, opened.path.with_name("long_vitface_other.h5"), scorer="vitface_other")
    prediction.start(SMALL_STEPS)
    pump.until(lambda: prediction.run.done > 40)
    long_run.choose_model(str(other))
    pump.until(lambda: opened.saved is not None)
    done = prediction.run.done
    pump.until(lambda: prediction.run.done > done + 20)
    assert (opened.poses.xy == 3).all()

    long_run.choose_model(str(tiny_model))
    pump.until(lambda: opened.poses is not None)
    assert prediction.active
    assert not (opened.poses.xy == 3).any()

    pump.until(lambda: opened.saved is not None)
    assert opened.saved == Path(prediction.run.result.h5)
    np.testing.assert_allclose(opened.poses.xy, read_poses(opened.saved).xy)
    assert np.isfinite(opened.poses.xy).all()


@pytest.mark.parametrize("ends_under_another", [False, True])
def test_a_model_that_is_chosen_while_another_video_is_on_screen(
    long_run: Workbench,
    pump: Pump,
    video_path: Path,
    tiny_model: Path,
    tmp_path: Path,
    ends_under_another: bool,
) -> None:
    other = tmp_path / "other.safetensors"
    shutil.copy(tiny_model, other)
    opened, prediction = long_run.current, long_run.prediction
    prediction.start(SMALL_STEPS)
    pump.until(lambda: prediction.run.done > 40)
    long_run.add_video(open_for_window(video_path))
    assert long_run.current is not opened
    long_run.choose_model(str(other))
    done = prediction.run.done
    pump.until(lambda: prediction.run.done > done + 20)
    if ends_under_another:
        pump.until(lambda: not prediction.active)
    long_run.choose_model(str(tiny_model))
    if ends_under_another:
        long_run.videos.show(opened)
    pump.until(lambda: opened.saved is not None)
    assert np.isfinite(opened.poses.xy).all()


def test_a_cancelled_run_goes_on_from_where_it_was(long_run: Workbench, pump: Pump) -> None:
    prediction = long_run.prediction
    prediction.start(SMALL_STEPS)
    pump.until(lambda: prediction.run.done > 100)
    prediction.cancel()
    pump.until(lambda: not prediction.active)
    assert prediction.run.status == "cancelled"
    done = int(np.isfinite(long_run.current.poses.xy).all(axis=(1, 2)).sum())
    assert 100 < done < 600
    prediction.start(PredictOptions())
    pump.until(lambda: not prediction.active)
    assert prediction.run.status == "done", prediction.run.message
    assert prediction.run.settings.fresh_from >= 100
    assert np.isfinite(long_run.current.poses.xy).all()


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_killed_engine_leaves_a_message_and_the_next_run_works(
    long_run: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    told: list[tuple[str, str]] = []
    long_run.told.connect(lambda *what: told.append(what))
    prediction = long_run.prediction
    prediction.start(SMALL_STEPS)
    pump.until(lambda: prediction.run.done > 40)
    os.kill(long_run.engine.pid, signal.SIGKILL)
    pump.until(lambda: not prediction.active)
    assert prediction.run.status == "failed"
    assert "engine" in prediction.run.message
    assert "Traceback" not in prediction.run.message
    # The section says it; nobody has to say it again.
    assert told == []
    # What came before is still on screen.
    assert viewer_model.layers[KEYPOINTS].shown.all()
    prediction.start(PredictOptions())
    pump.until(lambda: not prediction.active)
    assert prediction.run.status == "done", prediction.run.message
    assert np.isfinite(long_run.current.poses.xy).all()


def test_a_range_of_frames_and_a_crop(ready: Workbench, pump: Pump) -> None:
    ready.set_crop((20, 10, 64, 48))
    ready.prediction.start(PredictOptions(frames=range(4, 20, 5)))
    pump.until(lambda: not ready.prediction.active)
    run = ready.prediction.run
    assert run.status == "done", run.message
    assert run.settings.crop == (20, 10, 64, 48)
    poses = ready.current.poses
    there = np.flatnonzero(np.isfinite(poses.xy).all(axis=(1, 2)))
    assert there.tolist() == [4, 9, 14, 19]
    assert (poses.xy[there] >= (19.5, 9.5)).all()
    assert (poses.xy[there] <= (83.5, 57.5)).all()


def test_a_wrong_model_file_is_one_sentence(ready: Workbench, pump: Pump, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    ready.choose_model(str(wrong))
    ready.prediction.start(PredictOptions())
    pump.until(lambda: not ready.prediction.active)
    assert ready.prediction.run.status == "failed"
    assert "wrong.safetensors" in ready.prediction.run.message
    assert "\n" not in ready.prediction.run.message


def test_removing_the_video_stops_its_run(
    long_run: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    long_run.prediction.start(SMALL_STEPS)
    pump.until(lambda: long_run.prediction.run.done > 8)
    viewer_model.layers.clear()
    pump.until(lambda: not long_run.prediction.active)
    assert long_run.prediction.run.status == "cancelled"


def test_another_video_can_be_looked_at_during_a_run(
    long_run: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    first = long_run.current
    long_run.prediction.start(SMALL_STEPS)
    pump.until(lambda: first.poses is not None)
    second = long_run.add_video(open_for_window(video_path))
    before = long_run.prediction.run.done
    pump.until(lambda: long_run.prediction.run.done > before + 40)
    assert second.poses is None
    assert not viewer_model.layers[KEYPOINTS].visible
    long_run.videos.show(first)
    assert KEYPOINTS in viewer_model.layers
    long_run.prediction.cancel()
    pump.until(lambda: not long_run.prediction.active)


def test_attention_is_answered_in_the_middle_of_a_run(
    long_run: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    long_run.prediction.start(SMALL_STEPS)
    pump.until(lambda: long_run.prediction.run.done > 8)
    long_run.attention.enabled = True
    viewer_model.dims.set_point(0, 550)
    pump.until(lambda: long_run.attention.status == "shown")
    assert long_run.attention.shown.frame == 550
    assert long_run.prediction.active
    long_run.prediction.cancel()
    pump.until(lambda: not long_run.prediction.active)
