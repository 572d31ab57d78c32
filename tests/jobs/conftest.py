from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.jobs.resources import Resources

SIZE = (96, 128)


@pytest.fixture(scope="module")
def resources() -> Iterator[Resources]:
    """Models are loaded once for all tests of a module."""
    shared = Resources()
    yield shared
    shared.close()


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


@pytest.fixture(scope="session")
def drawn_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a DeepLabCut project of labelled frames of drawn mice."""

    def write(
        mice: Sequence[int] = (0, 1, 2, 3), frames: int = 12, *, shuffled: bool = False
    ) -> Path:
        from PIL import Image

        from napari_vitface.sample import MouseFaceSample

        project = tmp_path_factory.mktemp("projects") / "drawn"
        rows = [30 * k for k in range(frames)]
        movies = [MouseFaceSample(mouse, frames=rows[-1] + 1, size=SIZE) for mouse in mice]
        labels = np.concatenate([movie.poses.xy[rows] for movie in movies]).astype(float)
        if shuffled:
            labels = np.random.default_rng(0).permutation(labels)
        for movie, xy in zip(movies, np.split(labels, len(movies)), strict=True):
            folder = project / "labeled-data" / f"mouse{movie.seed}"
            folder.mkdir(parents=True)
            for row in rows:
                Image.fromarray(movie[row]).save(folder / f"img{row:04d}.png")
            write_labels(folder, movie.keypoints.names, rows, xy)
        return project

    return write


@pytest.fixture(scope="session")
def labels_table() -> Callable[..., None]:
    """Write the CollectedData table of one video; see `write_labels`."""
    return write_labels


def write_labels(folder: Path, names: Sequence[str], rows: Sequence[int], xy: np.ndarray) -> None:
    """A CollectedData table of one video."""
    columns = [(name, axis) for name in names for axis in "xy"]
    lines = [
        "scorer,,," + ",".join("me" for _ in columns),
        "bodyparts,,," + ",".join(name for name, _ in columns),
        "coords,,," + ",".join(axis for _, axis in columns),
    ]
    for row, points in zip(rows, xy, strict=True):
        cells = ["" if np.isnan(value) else repr(float(value)) for value in points.ravel()]
        lines.append(f"labeled-data,{folder.name},img{row:04d}.png," + ",".join(cells))
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def drawn_start(made_once: Callable[..., Path]) -> Path:
    """A small model that half knows drawn faces: trained for seconds on other mice."""
    return made_once("drawn-start", train_drawn_start)


def train_drawn_start(folder: Path) -> Path:
    import torch

    torch.set_num_threads(1)
    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import MOUSE_FACE
    from napari_vitface.sample import random_face
    from napari_vitface.training.fit import FitSettings, fit
    from napari_vitface.training.frame_inputs import TrainingFrames

    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 80), 1, depth=3, embed_dim=96, num_heads=3
    )
    network = KeypointNetwork(backbone, MOUSE_FACE, widths=(16, 32, 64))
    preprocessing = Preprocessing((64, 80), mean=backbone.mean, std=backbone.std)
    faces = TrainingFrames.from_images(
        (random_face(np.random.default_rng(seed), SIZE) for seed in range(100)), preprocessing
    )
    settings = FitSettings(
        steps=120, batch_size=16, learning_rate=2e-3, warm_up=20, ema_decay=0.97, judge_every=120
    )
    list(fit(network, preprocessing, [(faces, 1.0)], None, settings))
    path = folder / "drawn.safetensors"
    save_checkpoint(path, network, preprocessing, training={"licence": "BSD-3-Clause"})
    return path
