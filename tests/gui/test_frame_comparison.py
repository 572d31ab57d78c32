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


@pytest.fixture
def compared(
    session: Workbench, pump: Any, write_video: Callable[..., Path], tmp_path: Path
) -> Workbench:
    """A video whose frames have been compared, the first ten of them labelled."""
    session.add_video(open_video(write_video(tmp_path / "spot.mp4")))
    session.set_crop((10, 8, 100, 80))
    pump.until(lambda: session.annotating.document is not None)
    session.annotating.add_label("early")
    session.annotating.draw("early", 0, 10)
    session.frame_comparison.compare("hog")
    pump.until(lambda: session.frame_comparison.result is not None)
    return session


def test_frames_are_compared_by_a_file_beside_the_video(
    compared: Workbench, tmp_path: Path
) -> None:
    result = compared.frame_comparison.result
    assert result is not None
    assert (tmp_path / "spot_features_hog.h5").exists()
    assert result.frames.tolist() == list(range(40))
    assert result.labels == ("early",)
    assert result.label.tolist() == [0] * 10 + [-1] * 30
    assert result.similarity.shape == (40, 40)
    assert not compared.frame_comparison.runner.active
    assert [kind.name for kind in compared.frame_comparison.kinds()] == [
        "hog",
        "tokens",
        "geometry",
    ]


def test_another_crop_is_told_and_computed_on_request(compared: Workbench, pump: Any) -> None:
    comparison = compared.frame_comparison
    first = comparison.result
    compared.set_crop((0, 0, 64, 64))
    comparison.compare("hog")
    pump.until(
        lambda: comparison.runner.run is not None and comparison.runner.run.status == "failed"
    )
    assert comparison.runner.run is not None
    assert "was made otherwise (crop)" in comparison.runner.run.message
    assert comparison.runner.run.error == "FeatureFileError"
    assert comparison.result is first
    comparison.compare("hog", overwrite=True)
    pump.until(lambda: comparison.result is not first)


def test_the_mean_face_of_selected_frames_lies_on_the_crop(compared: Workbench, pump: Any) -> None:
    comparison, layers = compared.frame_comparison, compared.face_layers
    chosen = np.isin(np.arange(40), (3, 4, 30))
    comparison.select(chosen)
    pump.until(lambda: comparison.face is not None)
    video = compared.current
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
    viewer = compared.viewer
    assert viewer is not None
    assert viewer.layers.selection.active is video.layer
    # Nothing selected, nothing shown.
    comparison.select(np.zeros(40, np.bool_))
    assert comparison.face is None
    assert layers.layer(MEAN) is None


def test_the_face_of_a_label(compared: Workbench, pump: Any) -> None:
    comparison = compared.frame_comparison
    comparison.show_label("early")
    pump.until(lambda: comparison.face is not None)
    assert comparison.face is not None
    assert (comparison.face.inside, comparison.face.outside, comparison.face_name) == (
        10,
        30,
        "early",
    )
    assert np.flatnonzero(comparison.selected).tolist() == list(range(10))


def test_likeness_to_the_typical_face_of_a_label_is_a_trace(compared: Workbench, pump: Any) -> None:
    opened = compared.current
    assert opened is not None
    compared.frame_comparison.plot_likeness()
    pump.until(lambda: "likeness" in opened.traces)
    (trace,) = opened.traces["likeness"]
    assert trace.label == "early"
    assert trace.samples is not None
    assert trace.samples.shape == (40,)
    assert trace.samples[:10].mean() > trace.samples[10:].mean()


def test_the_slider_and_the_frames_find_each_other(compared: Workbench) -> None:
    comparison = compared.frame_comparison
    comparison.go_to(17)
    assert compared.frame == 17
    assert comparison.nearest(25) == 25
    assert comparison.nearest(400) == 39


def test_what_was_compared_belongs_to_its_video(
    compared: Workbench, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    comparison = compared.frame_comparison
    first, result = compared.current, comparison.result
    compared.add_video(open_video(write_video(tmp_path / "other.mp4", 12)))
    assert comparison.result is None
    assert len(comparison.selected) == 0
    assert first is not None
    compared.videos.show(first)
    assert comparison.result is result


def test_frames_of_several_videos_are_beside_each_other_and_lead_to_theirs(
    compared: Workbench, pump: Any, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    comparison, first = compared.frame_comparison, compared.current
    assert first is not None
    missing = write_video(tmp_path / "missing.mp4", 12)
    compared.add_video(open_video(missing))
    compared.add_video(open_video(write_video(tmp_path / "other.mp4", 12)))
    other = compared.current
    assert other is not None
    compared.set_crop((0, 0, 100, 80))
    comparison.compare("hog", together=True)
    pump.until(lambda: comparison.result is not None)
    result = comparison.result
    assert result is not None
    assert [Path(each).name for each in result.videos] == ["other.mp4", "spot.mp4"]
    assert result.source.tolist() == [0] * 12 + [1] * 40
    assert result.frames.tolist() == [*range(12), *range(40)]
    # The events of each video are its own.
    assert np.flatnonzero(result.label == 0).tolist() == list(range(12, 22))
    assert comparison.runner.run is not None
    assert "missing.mp4" in comparison.runner.run.notices[0]
    # A point leads to its frame of its video, in which the slider then finds it.
    comparison.go_to(12 + 17)
    assert compared.current is first
    assert compared.frame == 17
    assert comparison.result is result
    assert comparison.nearest(17) == 12 + 17
    # The mean face is of the frames of the video on screen alone.
    comparison.select(np.isin(np.arange(52), (3, 12 + 5, 12 + 6)))
    pump.until(lambda: comparison.face is not None)
    assert comparison.face is not None
    assert (comparison.face.inside, comparison.face.outside) == (2, 38)
    # One that was closed meanwhile is opened.
    assert compared.viewer is not None
    compared.viewer.layers.remove(first.layer)
    assert compared.current is other
    comparison.go_to(12 + 3)
    assert compared.current is not None
    assert (compared.current.path, compared.frame) == (first.path, 3)
    assert comparison.result is result


def test_hog_is_drawn_over_each_frame(compared: Workbench, pump: Any) -> None:
    layers = compared.face_layers
    compared.go_to(5)
    layers.hog = True
    pump.until(lambda: layers.layer(HOG) is not None)
    layer = layers.layer(HOG)
    assert layer is not None
    before = np.array(layer.data)
    assert before.shape == (80, 100)
    assert before.max() == 1
    assert layer.translate.tolist() == [8, 10]
    compared.go_to(25)
    pump.until(lambda: not np.array_equal(layer.data, before))
    layers.hog = False
    assert layers.layer(HOG) is None
