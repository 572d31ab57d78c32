"""Workers of this computer against as many processes without a cluster, each with one thread.

The processes take the next video when they are free, with nothing between them and `predict`. Both
are ready before anything is timed, and take turns, so that other work on the computer meets both.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.system
import h5py

from benchmarks import Row
from napari_vitface.cluster.clusters import connected
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.sample import write_sample_video

#: Videos that are predicted, and frames of each: too few to be cut.
_PREDICTED, _FRAMES = 4, 200
_TURNS = 3
_OPTIONS: dict[str, Any] = {"device": "cpu", "precision": "fp32", "batch_size": 8}


def run() -> list[Row]:
    """Rows for one and two workers."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        videos = _videos(Path(folder), _PREDICTED, _FRAMES)
        for count in (1, 2):
            rates, costs = _compared(videos, Path(folder), count)
            rows.append(
                (
                    "speed of workers / as many processes",
                    f"{count} {'worker' if count == 1 else 'workers'}, cpu fp32, a thread each",
                    statistics.median(rates),
                    f"{min(rates):.2f} to {max(rates):.2f}; processor time a frame "
                    f"{statistics.median(costs):.2f} times as much "
                    f"({min(costs):.2f} to {max(costs):.2f})",
                )
            )
    return rows


def recorded_spans() -> list[float]:
    """How long spans of two workers took of their mean."""
    with tempfile.TemporaryDirectory() as folder, _cluster(2) as client:
        _together(client, _videos(Path(folder), 12, 40), Path(folder))
        times: list[float] = []
        for table in Path(folder).glob("*.h5"):
            with h5py.File(table) as file:
                made = json.loads(file.attrs["vitface"])["cluster"]["spans"]
            times += [seconds / (last - first + 1) for first, last, _, seconds in made]
    return [each / statistics.mean(times) for each in times]


def _videos(folder: Path, count: int, frames: int) -> list[Path]:
    videos = [folder / f"{number}.mp4" for number in range(count)]
    write_sample_video(videos[0], frames=frames)
    for video in videos[1:]:
        shutil.copy(videos[0], video)
    return videos


def _compared(videos: list[Path], folder: Path, count: int) -> tuple[list[float], list[float]]:
    """Speed, and seconds of processor time, of workers over those of processes, by turns."""
    rates, costs = [], []
    with _processes(count) as pool, _cluster(count) as client:
        for turn in range(-1, _TURNS):
            seconds, used = _together(client, videos, folder / f"together {count}")
            alone, used_alone = _alone(pool, count, videos, folder / f"alone {count}")
            # The first turn loads the model.
            if turn >= 0:
                rates.append(alone / seconds)
                costs.append(used / used_alone)
    return rates, costs


@contextmanager
def _cluster(count: int) -> Iterator[Any]:
    cores, dask.system.CPU_COUNT = dask.system.CPU_COUNT, count
    try:
        with connected(f"local:{count}", device="cpu") as client:
            client.wait_for_workers(count)
            yield client
    finally:
        dask.system.CPU_COUNT = cores


def _together(client: Any, videos: list[Path], folder: Path) -> tuple[float, float]:
    """Seconds of the clock, from the call to the last table, and of the workers' processors."""
    used, began = _used(client), time.perf_counter()
    for _ in predict_many(videos, client=client, output_dir=folder, overwrite=True, **_OPTIONS):
        pass
    return time.perf_counter() - began, _used(client) - used


def _used(client: Any) -> float:
    return float(sum(client.run(time.process_time).values()))


# --- without a cluster ----------------------------------------------------------------------------

_resources: Resources


def _processes(count: int) -> ProcessPoolExecutor:
    # They begin before Dask sets how memory is given back, for processes that this one starts.
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin)
    list(pool.map(time.sleep, [1.0] * count))
    return pool


def _begin() -> None:
    import torch

    global _resources
    torch.set_num_threads(1)
    _resources = Resources()


def _alone(
    pool: ProcessPoolExecutor, count: int, videos: Sequence[Path], folder: Path
) -> tuple[float, float]:
    began = time.perf_counter()
    used = sum(pool.map(_predict, videos, [folder] * len(videos)))
    return time.perf_counter() - began, used


def _predict(video: Path, folder: Path) -> float:
    """Predict a video; seconds of this process's processor time."""
    began = time.process_time()
    for _ in predict(video, output_dir=folder, resources=_resources, overwrite=True, **_OPTIONS):
        pass
    return time.process_time() - began
