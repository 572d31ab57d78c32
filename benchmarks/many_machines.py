"""What handing spans out costs: on this computer, and of a thousand videos on a hundred workers.

Workers that predict are compared with one process that predicts the same video without a cluster,
each with one thread. Then workers only wait, so that a hundred of them fit on one computer; spans
are cut and queued as for a prediction, and take as long as those that were just recorded took of
their mean. Times are a sixtieth of the real ones and the scheduler's are not, so its cost counts
sixty times what it does.
"""

from __future__ import annotations

import heapq
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks import Row
from napari_vitface.cluster import spans
from napari_vitface.cluster.clusters import _SETTINGS, connected
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.jobs.events import Event, Finished, Started
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.sample import write_sample_video

#: Videos that are predicted, and frames of each: too few to be cut.
_PREDICTED, _FRAMES = 8, 60
_OPTIONS: dict[str, Any] = {"device": "cpu", "precision": "fp32", "batch_size": 8}
_VIDEOS, _WORKERS = 1000, 100
#: Seconds of a video's work on a worker: ten minutes, give or take.
_SECONDS = 600.0
_FASTER = 60.0
#: Empty tasks by which the cost of one is told.
_EMPTY = 2000


def run() -> list[Row]:
    """Rows for one and two workers, for the simulation and for the cost of a task."""
    rows, recorded = _speeds()
    return rows + _simulation(_spans(np.random.default_rng(0), recorded))


# --- predicting -----------------------------------------------------------------------------------


def _speeds() -> tuple[list[Row], list[float]]:
    """A row for each number of workers, and how long spans took of their mean."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[Row] = []
    recorded: list[float] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            videos = [Path(folder) / f"{number}.mp4" for number in range(_PREDICTED)]
            write_sample_video(videos[0], frames=_FRAMES)
            for video in videos[1:]:
                shutil.copy(videos[0], video)
            alone, cpu = _alone(videos, Path(folder) / "alone")
            for count in (1, 2):
                rate, used, times = _together(videos, Path(folder) / f"{count}", count)
                recorded += times
                rows.append(
                    (
                        "speed of workers / as many processes",
                        f"{count} {'worker' if count == 1 else 'workers'}, cpu fp32, a thread each",
                        rate / (count * alone),
                        f"{rate:.1f} against {alone:.1f} frames/s of one process; processor time "
                        f"a frame {used / cpu:.2f} times as much",
                    )
                )
    finally:
        torch.set_num_threads(threads)
    return rows, recorded


def _alone(videos: list[Path], folder: Path) -> tuple[float, float]:
    """Frames a second, and seconds of processor time a frame, without a cluster.

    The first video is predicted before anything is timed: it costs seconds of loading.
    """
    resources = Resources()
    seconds = began = 0.0
    for video in (videos[0], *videos):
        took = _seconds(
            predict(video, output_dir=folder, resources=resources, overwrite=True, **_OPTIONS)
        )
        if not began:
            began = time.process_time()
        else:
            seconds += took
    used = time.process_time() - began
    resources.close()
    frames = _FRAMES * len(videos)
    return frames / seconds, used / frames


def _together(videos: list[Path], folder: Path, count: int) -> tuple[float, float, list[float]]:
    """The same with workers, and how long each video took of the mean."""
    import dask.system

    cores, dask.system.CPU_COUNT = dask.system.CPU_COUNT, count
    try:
        with connected(f"local:{count}", device="cpu") as client:
            client.wait_for_workers(count)
            options = {"client": client, "output_dir": folder, "overwrite": True, **_OPTIONS}
            _seconds(predict_many(videos[: 2 * count], **options))
            found: list[float] = []
            seconds = _seconds(predict_many(videos, **options), lambda: found.append(_used(client)))
            used = _used(client) - found[0]
    finally:
        dask.system.CPU_COUNT = cores
    frames = _FRAMES * len(videos)
    return frames / seconds, used / frames, _recorded(folder)


def _used(client: Any) -> float:
    """Seconds of processor time of all workers."""
    return float(sum(client.run(time.process_time).values()))


def _seconds(events: Iterator[Event], begun: Any = lambda: None) -> float:
    """From the moment that the model is loaded and the video seen to the tables on disk."""
    began = 0.0
    for event in events:
        if isinstance(event, Started):
            begun()
            began = time.perf_counter()
        if isinstance(event, Finished):
            return time.perf_counter() - began
    raise AssertionError("a job ends")


def _recorded(folder: Path) -> list[float]:
    times: list[float] = []
    for table in folder.glob("*.h5"):
        with h5py.File(table) as file:
            made = json.loads(file.attrs["vitface"])["cluster"]["spans"]
        times += [seconds / (last - first + 1) for first, last, _, seconds in made]
    return [each / statistics.mean(times) for each in times]


# --- waiting --------------------------------------------------------------------------------------


def _simulation(waits: Sequence[float]) -> list[Row]:
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set(_SETTINGS),
        LocalCluster(
            n_workers=_WORKERS,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        began, used = time.monotonic(), time.process_time()
        client.gather(client.map(time.sleep, [wait / _FASTER for wait in waits], pure=False))
        seconds, used = (time.monotonic() - began) * _FASTER, time.process_time() - used
        began = time.monotonic()
        client.gather(client.map(time.sleep, [0] * _EMPTY, pure=False))
        empty = (time.monotonic() - began) / _EMPTY
    ideal = sum(waits) / _WORKERS
    return [
        (
            "time / ideal",
            f"{_VIDEOS} videos on {_WORKERS} workers, {_FASTER:.0f} times as fast",
            seconds / ideal,
            f"{len(waits)} spans, ideally {ideal / 3600:.2f} hours; without any cost of handing "
            f"out {_in_turn(waits) / ideal:.3f}; {used / len(waits) * 1e3:.1f} ms of processor "
            "time a span",
        ),
        (
            "cost of a task / a span",
            "an empty task, scheduler and workers in one process",
            empty / (sum(waits) / len(waits)),
            f"{empty * 1e3:.1f} ms",
        ),
    ]


def _in_turn(waits: Sequence[float]) -> float:
    """Seconds until all is done if whoever is free takes the next one at once."""
    free = [0.0] * _WORKERS
    for wait in waits:
        heapq.heappush(free, heapq.heappop(free) + wait)
    return max(free)


def _spans(rng: np.random.Generator, recorded: Sequence[float]) -> list[float]:
    """How long each span takes, of videos of several lengths."""
    videos = _SECONDS * rng.lognormal(0, 0.5, _VIDEOS)
    size = spans.seconds_of_span(float(videos.sum()), _WORKERS)
    waits: list[float] = []
    for seconds in videos:
        count = max(1, round(float(seconds) / size))
        waits += (float(seconds) / count * rng.choice(recorded, count)).tolist()
    return waits
