"""What is told of a run while it goes on: how far each video is, and what each worker does."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from napari_vitface.cluster.clusters import workers_of
from napari_vitface.cluster.working import Told
from napari_vitface.jobs.events import Event
from napari_vitface.jobs.pace import Pace
from napari_vitface.record import Record

#: Seconds between two times that all of it is told.
_EVERY = 2.0


@dataclass(frozen=True)
class VideoProgress(Event):
    """Of one of several videos, `done` of `total` frames are done."""

    video: str
    done: int
    total: int


@dataclass(frozen=True)
class Worker(Record):
    """A worker: its address, its computer, and frames a second, None while that is not known."""

    address: str
    host: str
    frames_per_second: float | None


@dataclass(frozen=True)
class WorkersSeen(Event):
    """The workers that are there, and the address of Dask's own page about them, if it has one."""

    workers: tuple[Worker, ...]
    dashboard: str | None


class Watch:
    """Counts frames by video and by worker.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._dashboard = client.dashboard_link if _has_page(client) else None
        self._last = 0.0
        self._videos: dict[str, tuple[int, int]] = {}
        self._done: defaultdict[str, int] = defaultdict(int)
        self._told: dict[str, int] = {}
        self._paces: dict[str, Pace] = {}

    def ended(self, told: Told, frames: int) -> None:
        """A task is over, of which a worker told something at last, and so many frames are done."""
        if told.worker is not None:
            self._done[told.worker] += frames

    def look(self, videos: Iterable[tuple[str, int, int]], told: Iterable[Told]) -> Iterator[Event]:
        """What is to be told, every now and then.

        Parameters
        ----------
        videos : iterable of (video, done, total)
        told : iterable of Told
            What workers last said of the tasks under way.
        """
        if time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        for video, done, total in videos:
            if self._videos.get(video) != (done, total):
                self._videos[video] = done, total
                yield VideoProgress(video, done, total)
        now = self._done.copy()
        for each in told:
            if each.worker is not None:
                now[each.worker] += each.frames
        yield self._workers(now)

    def _workers(self, frames: Mapping[str, int]) -> WorkersSeen:
        workers = []
        for address, host in sorted(workers_of(self._client).items()):
            pace = self._paces.setdefault(address, Pace())
            count = frames.get(address, 0)
            # A task that is lost takes back what was told of it.
            pace.step(max(count - self._told.get(address, 0), 0))
            self._told[address] = max(count, self._told.get(address, 0))
            seconds = pace.seconds_left(1.0)
            rate = round(1 / seconds, 1) if seconds else None
            workers.append(Worker(address, host, rate))
        return WorkersSeen(tuple(workers), self._dashboard)


def _has_page(client: Any) -> bool:
    """Whether the scheduler shows a page about its workers: that needs another package there."""
    # Not `version`: what fails on the scheduler is logged with its traceback.
    return client.run_on_scheduler(find_spec, "bokeh") is not None
