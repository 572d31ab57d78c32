from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.cluster import handing_out, predict_tasks, spans
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.jobs.events import Event
from napari_vitface.jobs.predict import predict

pytest.importorskip("distributed", reason="no Dask here: the extra cluster")


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Write a grey video of a bright spot that wanders over noise, with a key frame every 10."""

    def write(path: Path, frames: int = 60, **options: Any) -> Path:
        from napari_vitface.video import VideoWriter

        size = (96, 128)
        rng = np.random.default_rng(0)
        y, x = np.mgrid[: size[0], : size[1]]
        noise = rng.integers(0, 60, size=size)
        with VideoWriter(path, size, 30.0, **{"keyframe_interval": 10, **options}) as writer:
            for i in range(frames):
                centre = 48 + 30 * np.sin(i / 9), 64 + 40 * np.cos(i / 7)
                spot = 190 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 60)
                writer.write((noise + spot).astype(np.uint8))
        return path

    return write


@contextmanager
def _two_workers() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def two_workers() -> Callable[[], AbstractContextManager[Any]]:
    """Begin a cluster of two workers in this process: tasks and the wire are Dask's own."""
    return _two_workers


@pytest.fixture(scope="module")
def client(two_workers) -> Iterator[Any]:
    """One for the tests of a module."""
    with two_workers() as client:
        yield client


@pytest.fixture
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut videos of a second too."""
    monkeypatch.setattr(predict_tasks, "_WORTH_TIMING", 20)
    monkeypatch.setattr(spans, "_SHORTEST", 1e-6)
    monkeypatch.setattr(handing_out, "_BEAT", 0.05)


@pytest.fixture
def alone(tiny_model: Path) -> Callable[..., Path]:
    """Predict a video without a cluster, into a folder; gives the CSV."""

    def run(video: Path, folder: Path, **options: Any) -> Path:
        options = {"precision": "fp32", "batch_size": 4, "device": "cpu", **options}
        *_, last = predict(video, tiny_model, output_dir=folder, **options)
        return Path(last.result.csv)

    return run


@pytest.fixture
def together(tiny_model: Path, client: Any) -> Callable[..., list[Event]]:
    """Predict videos on the cluster; gives the events."""

    def run(*videos: Path, **options: Any) -> list[Event]:
        options = {"precision": "fp32", "batch_size": 4, "device": "cpu", **options}
        return list(predict_many(videos, tiny_model, client=client, **options))

    return run
