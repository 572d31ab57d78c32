"""Workers that lose a disk, or are unfit: who is left out, and what is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_vitface.cluster import clusters, fitness, predict_tasks
from napari_vitface.cluster.handing_out import HandingOut
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.cluster.run_many import run_many
from napari_vitface.cluster.span_folder import SpanFolder
from napari_vitface.errors import ClusterError
from napari_vitface.jobs.events import Event, Notice
from napari_vitface.jobs.traces import traces
from napari_vitface.jobs.video_events import VideoFailed

pytestmark = pytest.mark.usefixtures("small_spans")


@pytest.fixture
def own_client(two_workers) -> Iterator[Any]:
    """A cluster that may lose workers."""
    with two_workers() as client:
        yield client


def failures(events: list[Event]) -> list[str]:
    return [event.failed.message for event in events if isinstance(event, VideoFailed)]


def table_of(video: Path) -> Path:
    return video.with_name(f"{video.stem}_vitface_tiny.csv")


def test_a_worker_that_is_unfit_is_left_out_and_another_does_its_spans(
    own_client, tiny_model, alone, write_video, tmp_path, monkeypatch
):
    video = write_video(tmp_path / "mouse.mp4", 100)
    unfit: list[str] = []
    look = fitness._cannot_compute

    def check(needs: Any, device: str = "cpu", precision: str = "fp32") -> None:
        unfit.append(fitness.here().split()[0])
        if unfit[-1] == unfit[0]:
            raise fitness.Unfit(fitness.here(), "has a broken graphics card")
        assert not look(device, precision)

    monkeypatch.setattr(predict_tasks, "check", check)
    options = {"precision": "fp32", "batch_size": 4, "device": "cpu"}
    events = list(predict_many([video], tiny_model, client=own_client, **options))
    told = [event.message for event in events if isinstance(event, Notice)]
    assert [text for text in told if "left out" in text] == [
        f"Worker {unfit[0]} on {os.uname().nodename} has a broken graphics card; it is left out."
    ]
    assert unfit[0] not in own_client.scheduler_info()["workers"]
    assert failures(events) == []
    assert alone(video, tmp_path / "alone").read_bytes() == table_of(video).read_bytes()


def test_a_folder_that_no_worker_sees_any_more_is_named(
    together, write_video, tmp_path, monkeypatch
):
    lost, good = (write_video(tmp_path / f"{name}.mp4", 100) for name in ("lost", "good"))
    write = SpanFolder.write

    def then_gone(folder: SpanFolder, *content: Any) -> None:
        write(folder, *content)
        if "lost" in folder.path.name and folder.path.exists():
            folder.path.rename(tmp_path / "unplugged")

    monkeypatch.setattr(SpanFolder, "write", then_gone)
    (told,) = failures(together(lost, good))
    assert f"{tmp_path} was moved or deleted, or no worker sees it any more" in told
    assert [table_of(video).exists() for video in (lost, good)] == [False, True]


def test_a_disk_that_fails_once_is_tried_again_and_one_that_is_full_is_told(
    together, alone, write_video, tmp_path, monkeypatch
):
    moment, full = (write_video(tmp_path / f"{name}.mp4", 60) for name in ("moment", "full"))
    write, failed = SpanFolder.write, []

    def fails(folder: SpanFolder, span: Any, *content: Any) -> None:
        if "full" in folder.path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.path))
        if span not in failed:
            failed.append(span)
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder.path))
        write(folder, span, *content)

    monkeypatch.setattr(SpanFolder, "write", fails)
    (told,) = failures(together(moment, full))
    assert told.startswith(f"The disk is full ({tmp_path}/full_vitface_tiny.spans)")
    assert len(failed) > 1
    assert alone(moment, tmp_path / "alone").read_bytes() == table_of(moment).read_bytes()


@pytest.mark.parametrize("one_task_a_video", [True, False])
def test_a_scheduler_that_goes_while_it_is_asked_is_told(
    own_client, tiny_model, write_video, tmp_path, monkeypatch, one_task_a_video
):
    from distributed.comm import CommClosedError

    video = write_video(tmp_path / "mouse.mp4", 20)

    def gone(*_: Any) -> None:
        own_client.cluster.close(timeout=5)
        raise CommClosedError("in <TCP (closed) ConnectionPool.gather>: reset by peer")

    monkeypatch.setattr(HandingOut, "_end", gone)
    if one_task_a_video:
        events = run_many(traces, [video], client=own_client)
    else:
        events = predict_many([video], tiny_model, client=own_client, precision="fp32")
    with pytest.raises(ClusterError, match="scheduler went away"):
        list(events)


def test_a_worker_that_dies_while_it_is_asked_is_left_out(client):
    answers = clusters.ask_workers(client, _dies_on_one)
    assert list(answers.values()) == ["here"]
    with pytest.raises(ClusterError, match="No worker answers any more"):
        clusters.ask_workers(client, _dies)


def _dies() -> str:
    from distributed.comm import CommClosedError

    raise CommClosedError("in <TCP (closed) Scheduler Broadcast>: reset by peer")


def _dies_on_one(dask_worker: Any) -> str:
    from distributed import Worker

    first = min(worker.address for worker in Worker._instances)
    return _dies() if dask_worker.address == first else "here"
