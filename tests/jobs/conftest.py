from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SIZE = (96, 128)


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
