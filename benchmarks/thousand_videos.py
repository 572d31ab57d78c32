"""A thousand videos on a hundred workers that only wait: what handing out costs, in real time.

It is `predict_many` itself, with its tasks, its messages and Dask's own scheduler; only what a
worker does with its processor is replaced by waiting, so that a hundred of them fit on one
computer. Nothing is sped up: a video takes a worker a minute and a half, give or take. Spans take
as long as those that were recorded took of their mean.

Every worker watches over itself, many times a second: ticks of its loop, a profile, its memory. On
a hundred computers that costs each of them nothing; a hundred in one process would keep it busy
with nothing else (0.5 of a core, 0.03 without), so it is left out.
"""

from __future__ import annotations

import heapq
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import Row
from benchmarks.many_machines import recorded_spans
from napari_vitface.cluster import predict_tasks
from napari_vitface.cluster.clusters import _SETTINGS
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.cluster.predict_tasks import Looked, PredictTask, Written
from napari_vitface.cluster.spans import Span, possible_starts
from napari_vitface.cluster.working import tell
from napari_vitface.jobs.events import Finished, Started
from napari_vitface.jobs.results.prediction import PredictResult
from napari_vitface.jobs.results.videos import VideosResult

_VIDEOS, _WORKERS = 1000, 100
#: Frames of a video in the mean, frames a second of a worker, and from one key frame to the next.
_FRAMES, _RATE, _GROUP = 2500, 28.0, 250
_BATCH = 8
_EMPTY = 2000
#: What a worker does to watch over itself.
_ALONE = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1h",
    "distributed.admin.system-monitor.interval": "1h",
}


@dataclass(frozen=True)
class _Waited:
    worker: str
    began: float
    ended: float
    wanted: float


#: Workers are threads of this process.
_waited: list[_Waited] = []
_recorded: list[float] = []


def run() -> list[Row]:
    """Rows for the whole and for the cost of a task."""
    import dask
    from distributed import Client, LocalCluster

    _recorded[:] = recorded_spans()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(dask.config.set({**_SETTINGS, **_ALONE}))
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=_WORKERS,
                threads_per_worker=1,
                processes=False,
                dashboard_address=None,
                memory_limit=0,
            )
        )
        client = stack.enter_context(Client(cluster, set_as_default=False))
        for task in (_look, _predict_span, _write_tables):
            name = task.__name__.removeprefix("_")
            stack.enter_context(mock.patch.object(predict_tasks, name, task))
        began, seconds, used = _predicted(client, Path(folder))
        empty = time.monotonic()
        client.gather(client.map(time.sleep, [0] * _EMPTY, pure=False))
        empty = (time.monotonic() - empty) / _EMPTY
    wanted = [each.wanted for each in _waited]
    ideal = sum(wanted) / _WORKERS
    gaps = _gaps()
    first = max(began for began, *_ in _by_worker().values()) - began
    return [
        (
            "time / ideal",
            f"{_VIDEOS} videos on {_WORKERS} workers, in real time",
            seconds / ideal,
            f"{len(wanted)} spans of {np.mean(wanted):.0f} s, ideally {ideal / 60:.1f} minutes; "
            f"without any cost of handing out {_in_turn(wanted) / ideal:.3f}; the last worker "
            f"began after {first:.1f} s; between two spans {np.median(gaps) * 1e3:.0f} ms, "
            f"{np.percentile(gaps, 95) * 1e3:.0f} in one of twenty; "
            f"{used / len(wanted) * 1e3:.1f} ms of processor time a span",
        ),
        (
            "cost of a task / a span",
            "an empty task, scheduler and workers in one process",
            empty / float(np.mean(wanted)),
            f"{empty * 1e3:.1f} ms",
        ),
    ]


def _predicted(client: Any, folder: Path) -> tuple[float, float, float]:
    """When spans were handed out, and seconds from then on, of the clock and of the processor."""
    began = used = 0.0
    for event in predict_many(
        [f"/videos/{number:04}.mp4" for number in range(_VIDEOS)],
        client=client,
        output_dir=folder,
        device="cpu",
        precision="fp32",
        batch_size=_BATCH,
    ):
        if isinstance(event, Started):
            began, used = time.monotonic(), time.process_time()
        elif isinstance(event, Finished):
            assert isinstance(event.result, VideosResult)
            assert len(event.result.videos) == _VIDEOS, event.result.failed
    return began, time.monotonic() - began, time.process_time() - used


# --- what workers do ------------------------------------------------------------------------------


def _look(task: PredictTask, settled: object, video: str) -> Looked:
    rng = _rng(video)
    frames = max(1, round(_FRAMES * rng.lognormal(0, 0.5)))
    starts = possible_starts(range(frames), np.arange(0, frames, _GROUP), _BATCH)
    return Looked(frames, starts, (), rng.choice(_recorded) / _RATE, ())


def _predict_span(task: PredictTask, video: str, span: Span) -> int:
    from distributed import get_worker

    began = time.monotonic()
    frames = span[1] - span[0]
    seconds = float(_rng(video, *span).choice(_recorded)) * frames / _RATE
    while (left := seconds - (time.monotonic() - began)) > 0:
        time.sleep(min(left, predict_tasks._TELL_EVERY))
        tell(frames=round(frames * min((time.monotonic() - began) / seconds, 1)))
    _waited.append(_Waited(get_worker().address, began, time.monotonic(), seconds))
    return frames


def _write_tables(task: PredictTask, video: str) -> Written:
    made = PredictResult(
        video=video,
        model="mouse-face",
        h5="",
        csv="",
        overlay=None,
        frames=0,
        broken=(),
        low_confidence=None,
        crop=(0, 0, 1, 1),
        white=None,
        face=None,
        seconds=0.0,
        frames_per_second=None,
        device="cpu",
        precision="fp32",
        batch_size=_BATCH,
    )
    return Written(made, ())


def _rng(video: str, *more: int) -> np.random.Generator:
    return np.random.default_rng([int(Path(video).stem), *more])


# --- what became of it ----------------------------------------------------------------------------


def _by_worker() -> dict[str, list[float]]:
    """Where spans of a worker began and ended, in their order."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for each in sorted(_waited, key=lambda each: each.began):
        found[each.worker] += [each.began, each.ended]
    return found


def _gaps() -> list[float]:
    """Seconds in which a worker had nothing to do between two spans."""
    return [
        began - ended
        for times in _by_worker().values()
        for ended, began in zip(times[1:-1:2], times[2::2], strict=True)
    ]


def _in_turn(waits: Sequence[float]) -> float:
    """Seconds until all is done if whoever is free takes the next one at once."""
    free = [0.0] * _WORKERS
    for wait in waits:
        heapq.heappush(free, heapq.heappop(free) + wait)
    return max(free)
