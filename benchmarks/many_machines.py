"""A thousand videos on a hundred workers: how far from ideal Dask's own scheduler hands them out.

Workers only wait, so that a hundred of them fit on one computer; spans are cut and queued as for a
prediction. Times are a sixtieth of the real ones and the scheduler's are not, so its cost
counts sixty times what it does.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks import Row

_VIDEOS, _WORKERS = 1000, 100
#: Seconds of a video's work on a worker: ten minutes, give or take.
_SECONDS = 600.0
_FASTER = 60.0
#: Empty tasks by which the cost of one is told.
_EMPTY = 2000


def run() -> list[Row]:
    """A row for the simulation and one for the cost of a task."""
    import dask
    from distributed import Client, LocalCluster

    from napari_vitface.cluster.clusters import _SETTINGS

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
        spans = _spans(np.random.default_rng(0))
        began = time.monotonic()
        client.gather(client.map(time.sleep, spans, pure=False))
        seconds = time.monotonic() - began
        began = time.monotonic()
        client.gather(client.map(time.sleep, [0] * _EMPTY, pure=False))
        empty = (time.monotonic() - began) / _EMPTY
    ideal = sum(spans) / _WORKERS
    real = ideal * _FASTER
    return [
        (
            "time / ideal",
            f"{_VIDEOS} videos on {_WORKERS} workers, {_FASTER:.0f} times as fast",
            seconds / ideal,
            f"{len(spans)} spans, {seconds:.1f} against {ideal:.1f} s for {real / 3600:.1f} hours",
        ),
        (
            "cost of a task / a span",
            "an empty task, scheduler and workers in one process",
            empty / (sum(spans) / len(spans) * _FASTER),
            f"{empty * 1e3:.1f} ms",
        ),
    ]


def _spans(rng: np.random.Generator) -> list[float]:
    """How long each span waits, of videos of several lengths and workers of several speeds."""
    from napari_vitface.cluster.spans import seconds_of_span

    videos = _SECONDS * rng.lognormal(0, 0.5, _VIDEOS)
    size = seconds_of_span(float(videos.sum()), _WORKERS)
    spans = []
    for seconds in videos:
        count = max(1, round(float(seconds) / size))
        spans += [
            float(seconds) / count * float(rng.uniform(0.9, 1.1)) / _FASTER for _ in range(count)
        ]
    return spans
