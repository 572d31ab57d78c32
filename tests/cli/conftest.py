from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "napari_vitface"]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """One thread: the models here are so small that more would only wait for each other."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def as_user(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``napari-vitface`` as a user does, in a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            **options,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture
def vitface(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same in this process, which has torch loaded already: seconds quicker."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        from napari_vitface.cli import main

        if cwd is not None:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as error:
            status = error.code
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def judged_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with what a trained one knows about itself: accuracy and mean pose."""
    from napari_vitface.model.checkpoint import load_network, save_checkpoint

    network, preprocessing, _ = load_network(tiny_model)
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    training = {
        "summary": "nothing",
        "licence": "none",
        "metrics": {"real": {"points": 12, "mean": 30.5, "median": 22.25}},
        "mean_pose": [[40.0 + k, 30.0] for k in range(3)],
    }
    save_checkpoint(path, network, preprocessing, training=training)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "mouse.mp4", 40)


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "mouse.mp4", 1000)


def write_video(path: Path, frames: int) -> Path:
    from napari_vitface.video import VideoWriter

    pictures = np.random.default_rng(0).integers(0, 255, (10, 48, 64), dtype=np.uint8)
    with VideoWriter(path, (48, 64), 30.0, options={"preset": "ultrafast"}) as writer:
        for i in range(frames):
            writer.write(pictures[i % 10])
    return path
