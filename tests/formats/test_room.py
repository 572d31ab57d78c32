"""The room that is asked for before a file is written is enough for it, and not far too much."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.formats import nwb, sleap_project
from napari_vitface.formats.conversion import write_predictions
from napari_vitface.formats.format import FORMATS
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.predictions import Predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

Asked = Callable[[Path], None]


@pytest.fixture
def is_enough(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What compares a file with the room that was asked for it."""
    pytest.importorskip("pynwb")
    pytest.importorskip("sleap_io")
    asked: list[int] = []
    for module in (nwb, sleap_project):
        monkeypatch.setattr(module, "require_room", lambda path, size: asked.append(size))

    def compare(path: Path) -> None:
        written = path.stat().st_size
        assert written <= asked[-1] < 4 * written + (1 << 18)

    return compare


def keypoints(count: int) -> KeypointSet:
    names = tuple(f"keypoint {k}" for k in range(count))
    return KeypointSet(names, tuple(pairwise(names)))


@pytest.mark.parametrize(("frames", "count"), [(1, 1), (5000, 1), (50, 100), (1000, 20)])
@pytest.mark.parametrize("name", ["sleap", "nwb"])
def test_room_for_predictions(
    tmp_path: Path, is_enough: Asked, name: str, frames: int, count: int
) -> None:
    xy = np.random.default_rng(0).random((frames, count, 2))
    poses = PoseTable(keypoints(count), xy)
    path = tmp_path / f"p{FORMATS[name].endings[0]}"
    found = Predictions(poses, scorer="m", video="v.mp4", frame_rate=30.0)
    write_predictions(path, found, FORMATS[name])
    is_enough(path)


@pytest.mark.parametrize(
    ("frames", "count", "videos"), [(1, 1, 1), (300, 12, 1), (40, 12, 40), (20, 100, 2)]
)
@pytest.mark.parametrize("name", ["sleap", "nwb"])
def test_room_for_labels(
    tmp_path: Path, is_enough: Asked, name: str, frames: int, count: int, videos: int
) -> None:
    found = labels(tmp_path / ("ö" * 60), frames, count, videos)
    path = tmp_path / f"l{FORMATS[name].endings[0]}"
    write = FORMATS[name].write_labels
    assert write is not None
    write(path, found)
    is_enough(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_room_for_labels_with_images_that_are_padded(
    tmp_path: Path, is_enough: Asked, suffix: str
) -> None:
    found = labels(tmp_path, 20, 3, 2, suffix)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320)).astype(np.uint8)
    for i, path in enumerate(found.images):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise if i < 2 else noise * 0).save(path)
    write = FORMATS["sleap-package"].write_labels
    assert write is not None
    write(tmp_path / "l.pkg.slp", found)
    is_enough(tmp_path / "l.pkg.slp")


def labels(folder: Path, frames: int, count: int, videos: int, suffix: str = ".png") -> Labels:
    xy = np.random.default_rng(0).random((frames, count, 2)) * 100
    names = [f"v{i % videos}" for i in range(frames)]
    return Labels(
        keypoints(count),
        xy,
        tuple(
            folder / "labeled-data" / name / f"img{i:04d}{suffix}" for i, name in enumerate(names)
        ),
        np.array(names),
        np.arange(frames),
        "me",
        (),
        np.zeros((frames, count), bool),
        np.full_like(xy, np.nan),
    )
