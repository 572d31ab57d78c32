from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SIZE = (96, 128)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a very small untrained ViT: its points mean nothing but are the same."""
    import torch

    # The model is so small that more threads would only wait for each other.
    torch.set_num_threads(1)
    from napari_vitface.model.backbone import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 80), 1, depth=2, embed_dim=48, num_heads=3
    )
    keypoints = KeypointSet(("eye", "nose tip", "mouth"), skeleton=(("eye", "nose tip"),))
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_checkpoint(
        path,
        KeypointNetwork(backbone, keypoints),
        Preprocessing((64, 80)),
        training={"data": "none", "licence": "none"},
    )
    return path


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Write a grey video of a bright spot that wanders over noise."""

    def write(path: Path, frames: int = 60, **options: object) -> Path:
        from napari_vitface.video import VideoWriter

        rng = np.random.default_rng(0)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        noise = rng.integers(0, 60, size=SIZE)
        with VideoWriter(path, SIZE, 30.0, **options) as writer:
            for i in range(frames):
                centre = 48 + 30 * np.sin(i / 9), 64 + 40 * np.cos(i / 7)
                spot = 190 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 60)
                writer.write((noise + spot).astype(np.uint8))
        return path

    return write


@pytest.fixture
def video(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """60 frames in a folder of its own."""
    return write_video(tmp_path / "mouse.mp4")
