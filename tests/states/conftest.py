"""Videos whose features are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.video import open_video


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[Sequence[NDArray[np.uint8] | None]], Path]:
    """Writes grey images as a folder that is a video; None is a file that is cut short."""

    def write(images: Sequence[NDArray[np.uint8] | None]) -> Path:
        folder = tmp_path / "frames"
        folder.mkdir()
        for i, image in enumerate(images):
            path = folder / f"img{i:03d}.png"
            Image.fromarray(images[0] if image is None else image).save(path)
            if image is None:
                path.write_bytes(path.read_bytes()[:200])
        return folder

    return write


@pytest.fixture
def material_of() -> Callable[..., Material]:
    """What features are made of, of a video and a crop."""

    def make(path: Path, crop: Sequence[int] | None = None) -> Material:
        video = open_video(path)
        return Material(video, FixedCrop.of(video, crop))

    return make


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    """(9, 40, 52) grey images."""
    return np.random.default_rng(0).integers(0, 256, (9, 40, 52), dtype=np.uint8)
