"""The real jobs in the real process: prediction and attention of one video, and a kill."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.engine import Engine
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import (
    AttentionComputed,
    Cancelled,
    Event,
    Failed,
    Finished,
    LossMeasured,
    PosesPredicted,
    Preparing,
    Started,
)

FRAMES = 2000


@pytest.fixture(scope="module")
def real_engine(with_small_jobs: dict[str, str]) -> Iterator[Engine]:
    with Engine(with_small_jobs) as engine:
        yield engine


@pytest.fixture
def video(tmp_path: Path) -> Path:
    from napari_vitface.video import VideoWriter

    path = tmp_path / "mouse.mp4"
    pictures = np.random.default_rng(0).integers(0, 255, (10, 48, 64), dtype=np.uint8)
    with VideoWriter(path, (48, 64), 30.0, options={"preset": "ultrafast"}) as writer:
        for i in range(FRAMES):
            writer.write(pictures[i % 10])
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Four labelled frames."""
    from PIL import Image

    folder = tmp_path / "labeled-data" / "mouse"
    folder.mkdir(parents=True)
    points = {name: (10.0 + 9 * k, 20.0) for k, name in enumerate(("eye", "nose tip", "mouth"))}
    lines = ["scorer,,," + ",".join("me" for _ in range(6)),
             "bodyparts,,," + ",".join(name for name in points for _ in "xy"),
             "coords,,," + ",".join("xy" * 3)]  # fmt: skip
    for frame in range(0, 400, 100):
        Image.new("L", (64, 48), frame // 4).save(folder / f"img{frame:04d}.png")
        cells = ",".join(f"{x},{y}" for x, y in points.values())
        lines.append(f"labeled-data,mouse,img{frame:04d}.png,{cells}")
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def wait_until(true: object, seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_attention_is_answered_within_a_few_batches_of_a_running_prediction(
    real_engine, video, tiny_model
):
    heard: list[Event] = []
    arguments = {"video": video, "model": tiny_model, "precision": "fp32"}
    run = real_engine.submit("small_jobs:slow_predict", arguments, on_event=heard.append)
    wait_until(lambda: any(isinstance(event, PosesPredicted) for event in heard))
    arguments = {"source": video, "model": tiny_model, "precision": "fp32"}
    for frame in (5, 1900, 1):
        maps: list[Event] = []
        before = len(heard)
        answer = real_engine.submit(
            "explain", {**arguments, "frame": frame}, urgent=True, on_event=maps.append
        )
        assert isinstance(answer.wait(600), Finished)
        assert isinstance(maps[0], AttentionComputed)
        assert maps[0].frame == frame
        assert maps[0].maps.shape == (4, 4, 5)
        if not run.done:
            # Some events of the long run came in between, but it did not have to end.
            assert len(heard) - before < 100
    run.cancel()
    assert isinstance(run.wait(600), Cancelled | Finished)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_after_a_kill_the_next_run_goes_on_where_the_killed_one_was(real_engine, video, tiny_model):
    arguments = {"video": video, "model": tiny_model, "precision": "fp32"}
    heard: list[Event] = []
    run = real_engine.submit("small_jobs:slow_predict", arguments, on_event=heard.append)
    wait_until(lambda: sum(isinstance(event, PosesPredicted) for event in heard) > 20)
    os.kill(real_engine.pid, signal.SIGKILL)
    failed = run.wait(600)
    assert isinstance(failed, Failed)
    assert "SIGKILL" in failed.message

    again: list[Event] = []
    finished = real_engine.submit("predict", arguments, on_event=again.append).wait(600)
    assert isinstance(finished, Finished)
    started = next(event for event in again if isinstance(event, Started))
    assert 100 < started.settings.fresh_from < FRAMES
    shown = np.concatenate([event.frames for event in again if isinstance(event, PosesPredicted)])
    np.testing.assert_array_equal(shown, np.arange(FRAMES))
    table = read_poses(finished.result.h5)
    first = next(event for event in heard if isinstance(event, PosesPredicted))
    np.testing.assert_array_equal(table.xy[: len(first.frames)], first.xy)
    # Neither the part file nor a temporary file of the killed run stays.
    assert sorted(path.name for path in video.parent.iterdir()) == [
        "mouse.mp4",
        "mouse_vitface_tiny.csv",
        "mouse_vitface_tiny.h5",
    ]


@pytest.mark.slow  # each phase but the last may end the process, and the next one imports anew
def test_a_prediction_can_be_left_in_every_phase(video, tiny_model, tmp_path, with_small_jobs):
    arguments = {"video": video, "model": tiny_model, "device": "cpu"}
    environment = {**with_small_jobs, "VITFACE_CACHE": str(tmp_path / "cache")}
    phases = {
        "Reading": lambda event: event == Preparing("Reading the video"),
        "Importing": lambda event: event == Preparing("Importing PyTorch"),
        "Loading": lambda event: event == Preparing("Loading the model tiny"),
        "predicting": lambda event: isinstance(event, PosesPredicted),
    }
    with Engine(environment) as engine:
        for is_there in phases.values():
            heard: list[Event] = []
            run = engine.submit("small_jobs:slow_predict", arguments, on_event=heard.append)
            wait_until(lambda heard=heard, there=is_there: any(map(there, heard)))
            run.cancel()
            assert isinstance(run.wait(60), Cancelled)
            assert isinstance(engine.submit("models").wait(120), Finished)
        finished = engine.submit("predict", arguments).wait(300)
    assert isinstance(finished, Finished), finished
    assert finished.result.frames == FRAMES


@pytest.mark.slow
def test_a_training_can_be_left_in_every_phase_and_goes_on(tiny_model, labelled, tmp_path):
    arguments = {
        "labels": labelled, "init": tiny_model, "name": "new", "device": "cpu",
        "steps": 12, "batch_size": 2, "learning_rate": 1e-3,
    }  # fmt: skip
    environment = {"OMP_NUM_THREADS": "1", "VITFACE_CACHE": str(tmp_path / "cache")}
    phases = {
        "Loading": lambda event: event == Preparing("Loading the model"),
        "Measuring": lambda event: isinstance(event, Started),
        "training": lambda event: isinstance(event, LossMeasured),
    }
    with Engine(environment) as engine:
        for is_there in phases.values():
            heard: list[Event] = []
            run = engine.submit("train", arguments, on_event=heard.append)
            wait_until(lambda heard=heard, there=is_there: any(map(there, heard)))
            run.cancel()
            assert isinstance(run.wait(60), Cancelled)
            assert isinstance(engine.submit("models").wait(120), Finished)
        finished = engine.submit("train", arguments).wait(600)
    assert isinstance(finished, Finished), finished


def test_the_model_stays_loaded_between_requests(real_engine, tiny_model, tmp_path):
    from PIL import Image

    image = tmp_path / "face.png"
    Image.fromarray(np.full((48, 64), 90, np.uint8)).save(image)
    model = shutil.copy(tiny_model, tmp_path / "mine.safetensors")
    arguments = {"source": image, "frame": 0, "model": model, "precision": "fp32"}
    loaded = []
    for _ in range(3):
        heard: list[Event] = []
        answer = real_engine.submit("explain", arguments, on_event=heard.append)
        assert isinstance(answer.wait(600), Finished)
        loaded.append(Preparing("Loading the model mine") in heard)
    assert loaded == [True, False, False]
