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
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a very small untrained ViT."""
    import torch

    torch.set_num_threads(1)
    from napari_vitface.model.backbone import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import MOUSE_FACE

    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 80), 1, depth=2, embed_dim=48, num_heads=3
    )
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    metrics = {"real": {"points": 12, "mean": 30.5, "median": 22.25}}
    training = {"summary": "nothing", "licence": "none", "metrics": metrics}
    training["mean_pose"] = [[40.0 + k, 30.0] for k in range(12)]
    save_checkpoint(
        path, KeypointNetwork(backbone, MOUSE_FACE), Preprocessing((64, 80)), training=training
    )
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "mouse.mp4", 40)


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "mouse.mp4", 3000)


def write_video(path: Path, frames: int) -> Path:
    from napari_vitface.video import VideoWriter

    pictures = np.random.default_rng(0).integers(0, 255, (10, 48, 64), dtype=np.uint8)
    with VideoWriter(path, (48, 64), 30.0, options={"preset": "ultrafast"}) as writer:
        for i in range(frames):
            writer.write(pictures[i % 10])
    return path
