"""Traces of keypoints that move as is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import write_poses
from napari_vitface.formats.trace_table import TraceTable, read_traces
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.traces import traces
from napari_vitface.kinematics.bouts import lasting, movement_bouts
from napari_vitface.kinematics.whisking import envelope_and_phase
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.video.video_writer import VideoWriter

RATE, FRAMES = 100, 300
NAMES = ("lid(top)", "lid(bottom)", "eye front", "eye back", "whisker 1", "whisker 2", "lip")
ROLES = {"eye-top": ("lid(top)",), "eye-bottom": ("lid(bottom)",)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, and keypoints: an eye that blinks, whiskers at 10 Hz, a lip that licks."""
    folder = tmp_path_factory.mktemp("traces")
    with VideoWriter(folder / "mouse.mp4", (32, 32), RATE) as writer:
        for _ in range(FRAMES):
            writer.write(np.zeros((32, 32), np.uint8))
    xy = np.zeros((FRAMES, len(NAMES), 2), np.float32)
    height = np.full(FRAMES, 10.0)
    height[200:210] = 2
    xy[:, 1, 1] = height
    xy[:, 2, 0] = 20
    turn = np.radians(30 + 15 * np.sin(2 * np.pi * 10 * np.arange(FRAMES) / RATE))
    xy[:, 5, 0], xy[:, 5, 1] = 40 * np.cos(turn), -40 * np.sin(turn)
    xy[100:160, 6, 1] = 4 * (np.arange(60) % 2)
    xy[:, 6, 0] = 0.01 * np.random.default_rng(0).normal(size=FRAMES)
    confidence = np.ones((FRAMES, len(NAMES)), np.float32)
    confidence[50, :2] = 0.1
    write_poses(PoseTable(KeypointSet(NAMES), xy, confidence), folder / "points.h5", scorer="x")
    return folder


@pytest.fixture
def measured(folder: Path, tmp_path: Path) -> Callable[..., TraceTable]:
    def measure(kinds: str, frames: str | None = None, **settings: float) -> TraceTable:
        *_, last = traces(
            folder / "mouse.mp4",
            kinds,
            settings=settings,
            roles=ROLES,
            predictions=folder / "points.h5",
            frames=frames,
            output_dir=tmp_path,
        )
        assert isinstance(last, Finished)
        return read_traces(last.result.table)

    return measure


def test_an_eye_opens_and_blinks(measured: Callable[..., TraceTable]) -> None:
    table = measured("eye", sure=0.5)
    assert table.names == ("eye opening", "eye blink")
    assert np.flatnonzero(table.values[:, 1] == 1).tolist() == [*range(200, 210)]
    assert np.flatnonzero(np.isnan(table.values[:, 0])).tolist() == [50]
    np.testing.assert_allclose(table.values[[0, 205], 0], [0.5, 0.1], rtol=1e-6)


def test_whiskers_have_an_angle_an_envelope_and_a_phase(
    measured: Callable[..., TraceTable],
) -> None:
    table = measured("whiskers")
    assert dict(zip(table.names, table.units, strict=True))["whisker angle"] == "°"
    angle, envelope, phase = table.values[50:250, 2:].T
    assert angle.min() == pytest.approx(15.7, abs=1)
    assert angle.mean() == pytest.approx(30, abs=0.5)
    np.testing.assert_allclose(envelope, 15, atol=1)
    # 10 Hz at 100 frames a second: a tenth of a turn a frame.
    np.testing.assert_allclose(np.diff(phase) % 360, 36, atol=2)
    assert np.abs(phase[angle > 44]).max() < 25


def test_licking_is_a_bout_of_movement_of_the_mouth(measured: Callable[..., TraceTable]) -> None:
    table = measured("bouts,mouth")
    licking = np.flatnonzero(table.values[:, 0] == 1)
    assert (licking[0], licking[-1]) == (101, 160)
    assert table.names[2:] == ("mouth x", "mouth y", "mouth speed")
    assert table.units[2:] == ("px", "px", "px/s")
    assert table.values[120, 4] == pytest.approx(400, rel=0.01)


def test_some_frames_have_the_times_and_positions_of_the_whole(
    measured: Callable[..., TraceTable],
) -> None:
    table = measured("mouth", "120:140")
    np.testing.assert_allclose(table.values[:, 1], 4 * (np.arange(20, 40) % 2))
    assert table.times is not None
    assert table.times[0] == pytest.approx(1.2)


def test_a_role_that_nothing_has_is_asked_for(measured: Callable[..., TraceTable]) -> None:
    with pytest.raises(VitFaceError, match=r"needs a keypoint of the role nose.*--role nose=NAME"):
        measured("nose")


def test_a_band_beyond_half_of_the_rate_is_refused(measured: Callable[..., TraceTable]) -> None:
    with pytest.raises(VitFaceError, match="from 4 to 60 Hz does not lie between 0 and half"):
        measured("whiskers", band_high=60.0)


def test_missing_samples_stay_missing_and_do_not_spread() -> None:
    wave = np.sin(2 * np.pi * 8 * np.arange(400) / 100)
    wave[100:103] = np.nan
    envelope, _ = envelope_and_phase(wave, 100, 4, 30)
    assert np.flatnonzero(np.isnan(envelope)).tolist() == [100, 101, 102]
    np.testing.assert_allclose(envelope[150:350], 1, atol=0.05)


def test_short_pauses_are_within_a_bout_and_short_bouts_are_none() -> None:
    marks = np.zeros(40, bool)
    marks[[5, 6, 7, 9, 10, 30]] = True
    assert np.flatnonzero(lasting(marks, shortest=3, gap=1)).tolist() == [*range(5, 11)]
    assert np.isnan(movement_bouts(np.full(5, np.nan), 10, above=4, shortest=1, gap=1)).all()
