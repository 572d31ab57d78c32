"""Schedulers and workers that are processes of their own, and that die.

Starting them costs seconds each, so most of these are run on demand: ``tox run -e cluster``.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_vitface.cluster import spans
from napari_vitface.cluster.clusters import connected
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.errors import ClusterError
from napari_vitface.jobs.events import Event, Finished, Started
from napari_vitface.jobs.video_events import VideoFailed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does"),
]
on_demand = pytest.mark.skipif(
    not os.environ.get("VITFACE_CLUSTER"), reason="takes minutes: tox run -e cluster"
)

#: So many that the worker times some of them, and the video is cut.
FRAMES = 1200


#: Loaded by workers: one video ends their process.
POISON = """
import os, signal
from napari_vitface.cluster.video_run import VideoRun

def deadly(self, span, rows=VideoRun.rows):
    if self.video.name == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(self, span)

VideoRun.rows = deadly
"""


#: The command, with spans so short that a quick computer has many left after the first.
SHORT_SPANS = """
import sys
from napari_vitface.cluster import spans
from napari_vitface.cli import main

if __name__ == "__main__":
    spans._SHORTEST = 0.1
    sys.exit(main(sys.argv[1:]))
"""


def _works(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # or a zombie: it was killed, and nobody has noticed yet
        return False


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler: subprocess.Popen[bytes]

    def start(self, workers: int = 2, *more: str) -> None:
        """Start it, and wait for all workers."""
        from distributed import Client

        self.scheduler = self._run("scheduler", "--port", str(self.port))
        for _ in range(workers):
            self._run("worker", self.address, "--nthreads", "1", "--memory-limit", "0", *more)
        deadline = time.monotonic() + 120
        while True:
            try:
                with Client(self.address, timeout=5, set_as_default=False) as client:
                    client.wait_for_workers(workers, timeout=120)
                return
            except OSError:
                assert time.monotonic() < deadline

    def workers(self) -> list[psutil.Process]:
        """The processes that work, not those that watch over them."""
        found = []
        for process in self.processes:
            if process is not self.scheduler and process.poll() is None:
                children = psutil.Process(process.pid).children()
                found += [child for child in children if _works(child)]
        return found

    def stop(self) -> None:
        """End all of it."""
        for process in self.processes:
            for child in psutil.Process(process.pid).children() if process.poll() is None else []:
                child.kill()
            process.kill()
            process.wait()
        self.processes = []

    def _run(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--host", "127.0.0.1"]
        process = subprocess.Popen(
            [*command, "--no-dashboard", *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def videos(write_video: Callable[..., Path], tmp_path: Path) -> list[Path]:
    return [write_video(tmp_path / f"mouse {i}.mp4", FRAMES + 300 * i) for i in range(2)]


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_SHORTEST", 0.1)


@pytest.fixture
def job(tiny_model: Path, cluster: Cluster) -> Iterator[Callable[..., Iterator[Event]]]:
    from distributed import Client

    clients: list[Any] = []

    def run(videos: list[Path]) -> Iterator[Event]:
        client = Client(cluster.address, timeout=10, set_as_default=False)
        clients.append(client)
        return predict_many(
            videos, tiny_model, client=client, device="cpu", precision="fp32", batch_size=4
        )

    yield run
    for client in clients:
        client.close(timeout=1)


def spans_of(video: Path) -> set[str]:
    folder = video.with_name(f"{video.stem}_vitface_tiny.spans")
    return {path.name for path in folder.glob("[0-9]*.npz")}


def same_as_alone(videos: list[Path], alone: Callable[..., Path], folder: Path) -> bool:
    return all(
        alone(video, folder).read_bytes()
        == video.with_name(f"{video.stem}_vitface_tiny.csv").read_bytes()
        for video in videos
    )


@pytest.fixture
def forked() -> Iterator[None]:
    """Have Dask fork its workers off a process that has loaded PyTorch: each loads it in 10 s."""
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()
        context.set_forkserver_preload(["distributed", "napari_vitface.model.predictor"])
        yield


@pytest.mark.usefixtures("forked")
def test_a_worker_that_is_killed_costs_its_span_alone(write_video, tiny_model, alone, tmp_path):
    # Too short to be cut.
    video = write_video(tmp_path / "mouse.mp4", 400)
    options = {"device": "cpu", "precision": "fp32", "batch_size": 4}
    with connected("local:1", device="cpu") as client:
        client.wait_for_workers(1, timeout=120)
        (worker,) = client.run(os.getpid).values()
        begun = killed = False
        for event in predict_many([video], tiny_model, client=client, **options):
            if begun and not killed:
                os.kill(worker, signal.SIGKILL)
                killed = True
            begun = begun or isinstance(event, Started)
        assert list(client.run(os.getpid).values()) != [worker]
    assert killed
    assert len(event.result.videos) == 1
    assert same_as_alone([video], alone, tmp_path / "alone")


@on_demand
def test_workers_that_are_killed_cost_their_spans_alone(cluster, job, videos, alone, tmp_path):
    cluster.start(workers=2)
    rng, killed, events = random.Random(0), 0, []
    for event in job(videos):
        events.append(event)
        done = sum(len(spans_of(video)) for video in videos)
        alive = cluster.workers()
        if killed < 2 and done > 5 * (killed + 1) and alive:
            rng.choice(alive).send_signal(signal.SIGKILL)
            killed += 1
    assert killed == 2
    assert len(events[-1].result.videos) == 2
    assert same_as_alone(videos, alone, tmp_path / "alone")


@on_demand
def test_what_was_done_outlives_the_scheduler(cluster, job, videos, alone, tmp_path):
    cluster.start()

    def killed() -> None:
        for _ in job(videos):
            if sum(len(spans_of(video)) for video in videos) > 8:
                cluster.scheduler.kill()

    with pytest.raises(ClusterError, match="scheduler went away"):
        killed()
    before = [spans_of(video) for video in videos]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.spans/[0-9]*.npz")}
    assert len(times) > 8
    cluster.stop()
    cluster.start()
    kept: list[bool] = []
    for event in job(videos):
        kept += [
            path.stat().st_mtime_ns == time
            for path, time in times.items()
            if path.exists() and not isinstance(event, Finished)
        ]
    assert all(kept)
    assert sum(map(len, before)) == len(times)
    assert same_as_alone(videos, alone, tmp_path / "alone")


@on_demand
def test_a_video_that_ends_workers_is_set_aside_and_named(cluster, job, videos, alone, tmp_path):
    poison = videos[0].rename(tmp_path / "poison.mp4")
    preload = tmp_path / "poisoned.py"
    preload.write_text(POISON)
    cluster.start(2, "--preload", str(preload))
    events = list(job([poison, videos[1]]))
    (failed,) = [event for event in events if isinstance(event, VideoFailed)]
    assert "poison.mp4" in failed.failed.message
    assert "set aside" in failed.failed.message
    assert same_as_alone(videos[1:], alone, tmp_path / "alone")


@on_demand
def test_ctrl_c_leaves_what_was_done_and_the_same_command_goes_on(
    write_video, tiny_model, alone, tmp_path
):
    videos = [write_video(tmp_path / "mouse.mp4", 12000)]
    command = [
        *(sys.executable, "-c", SHORT_SPANS, "predict", *map(str, videos)),
        *("--model", str(tiny_model), "--precision", "fp32", "--batch-size", "4"),
        *("--device", "cpu", "--cluster", "local:2"),
    ]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not any(map(spans_of, videos)):
        time.sleep(0.1)
        assert first.poll() is None
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=120)
    assert first.returncode == 130
    assert "What is done is kept; the same command goes on from there." in told
    second = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert second.returncode == 0
    assert "Going on from frame" in second.stderr
    assert same_as_alone(videos, alone, tmp_path / "alone")
