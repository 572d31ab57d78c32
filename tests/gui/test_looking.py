"""Frames beside each other, without a window: computed, chosen, averaged and drawn on the video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.gui.states.face_layers import CONTRAST, HOG, MEAN
from napari_vitface.gui.workbench import Workbench
from napari_vitface.video import open_video


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of videos in no project: for this test alone."""
    folder = tmp_path / "state"
    monkeypatch.setattr("napari_vitface.gui.events.documents.state_folder", lambda: folder)


@pytest.fixture
def looked(
    session: Workbench, pump: Any, write_video: Callable[..., Path], tmp_path: Path
) -> Workbench:
    """A video whose frames have been compared, the first ten of them labelled."""
    session.add_video(open_video(write_video(tmp_path / "spot.mp4")))
    session.set_crop((10, 8, 100, 80))
    pump.until(lambda: session.annotating.document is not None)
    session.annotating.add_label("early")
    session.annotating.draw("early", 0, 10)
    session.looking.look("hog")
    pump.until(lambda: session.looking.result is not None)
    return session


def test_frames_are_compared_by_a_file_beside_the_video(looked: Workbench, tmp_path: Path) -> None:
    result = looked.looking.result
    assert result is not None
    assert (tmp_path / "spot_features_hog.h5").exists()
    assert result.frames.tolist() == list(range(40))
    assert result.labels == ("early",)
    assert result.label.tolist() == [0] * 10 + [-1] * 30
    assert result.similarity.shape == (40, 40)
    assert not looked.looking.runner.active
    assert [kind.name for kind in looked.looking.kinds()] == ["hog", "tokens", "geometry"]


def test_another_crop_is_told_and_computed_on_request(looked: Workbench, pump: Any) -> None:
    looking = looked.looking
    first = looking.result
    looked.set_crop((0, 0, 64, 64))
    looking.look("hog")
    pump.until(lambda: looking.runner.run is not None and looking.runner.run.status == "failed")
    assert looking.runner.run is not None
    assert "was made otherwise (crop)" in looking.runner.run.message
    assert looking.result is first
    looking.look("hog", overwrite=True)
    pump.until(lambda: looking.result is not first)


def test_the_mean_face_of_selected_frames_lies_on_the_crop(looked: Workbench, pump: Any) -> None:
    looking, layers = looked.looking, looked.face_layers
    chosen = np.isin(np.arange(40), (3, 4, 30))
    looking.select(chosen)
    pump.until(lambda: looking.face is not None)
    video = looked.current
    assert video is not None
    mean, contrast = layers.layer(MEAN), layers.layer(CONTRAST)
    assert mean is not None
    assert contrast is not None
    frames = np.asarray(video.layer.data[:], np.float64)[:, 8:88, 10:110]
    np.testing.assert_allclose(mean.data, frames[[3, 4, 30]].mean(axis=0), atol=0.01)
    np.testing.assert_allclose(
        contrast.data, frames[chosen].mean(axis=0) - frames[~chosen].mean(axis=0), atol=0.01
    )
    assert mean.translate.tolist() == [8, 10]
    viewer = looked.viewer
    assert viewer is not None
    assert viewer.layers.selection.active is video.layer
    # Nothing selected, nothing shown.
    looking.select(np.zeros(40, np.bool_))
    assert looking.face is None
    assert layers.layer(MEAN) is None


def test_the_face_of_a_label(looked: Workbench, pump: Any) -> None:
    looking = looked.looking
    looking.show_label("early")
    pump.until(lambda: looking.face is not None)
    assert looking.face is not None
    assert (looking.face.inside, looking.face.outside, looking.face_name) == (10, 30, "early")
    assert np.flatnonzero(looking.selected).tolist() == list(range(10))


def test_likeness_to_the_typical_face_of_a_label_is_a_trace(looked: Workbench, pump: Any) -> None:
    opened = looked.current
    assert opened is not None
    looked.looking.plot_likeness()
    pump.until(lambda: "likeness" in opened.traces)
    (trace,) = opened.traces["likeness"]
    assert trace.label == "early"
    assert trace.samples is not None
    assert trace.samples.shape == (40,)
    assert trace.samples[:10].mean() > trace.samples[10:].mean()


def test_the_slider_and_the_frames_find_each_other(looked: Workbench) -> None:
    looking = looked.looking
    looking.go_to(17)
    assert looked.frame == 17
    assert looking.nearest(25) == 25
    assert looking.nearest(400) == 39


def test_what_was_compared_belongs_to_its_video(
    looked: Workbench, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    looking = looked.looking
    first, result = looked.current, looking.result
    looked.add_video(open_video(write_video(tmp_path / "other.mp4", 12)))
    assert looking.result is None
    assert len(looking.selected) == 0
    assert first is not None
    looked.videos.show(first)
    assert looking.result is result


def test_hog_is_drawn_over_each_frame(looked: Workbench, pump: Any) -> None:
    layers = looked.face_layers
    looked.go_to(5)
    layers.hog = True
    pump.until(lambda: layers.layer(HOG) is not None)
    layer = layers.layer(HOG)
    assert layer is not None
    before = np.array(layer.data)
    assert before.shape == (80, 100)
    assert before.max() == 1
    assert layer.translate.tolist() == [8, 10]
    looked.go_to(25)
    pump.until(lambda: not np.array_equal(layer.data, before))
    layers.hog = False
    assert layers.layer(HOG) is None
