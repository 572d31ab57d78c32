"""Seeing that all workers compute alike, before anything is handed out."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cluster.clusters import scheduler_gone, workers_of
from napari_vitface.cluster.fitness import Abilities, Needs, compare_versions, compare_workers
from napari_vitface.cluster.handing_out import Ended, HandingOut
from napari_vitface.errors import ClusterError
from napari_vitface.jobs.events import Event, Failed, Notice, Preparing, Progress
from napari_vitface.settings.computing import Computing

if TYPE_CHECKING:
    from napari_vitface.cluster.settle_tasks import Settled


def compared(
    client: Any, needs: Sequence[Needs], folders: Collection[str], computing: Computing
) -> Generator[Event, None, Computing]:
    """Wait for a worker, and see that all that are there are fit; how all of them can compute.

    Parameters
    ----------
    folders : collection of str
        That the videos are in, as workers call them.

    Raises
    ------
    ClusterError
        One sentence: no worker is there any more, or one is unfit.
    """
    yield from _waiting(client)
    yield Preparing("Comparing this computer with the workers")
    compare_versions(client)
    told: dict[str, Abilities] = {}
    for each in needs:
        told = compare_workers(client, each, sorted(folders))
    devices = {found.devices for found in told.values()}
    if computing.device == "auto" and len(devices) > 1:
        raise ClusterError(
            "Some workers have a GPU and others have none, so they cannot all compute alike: "
            "choose the CPU (--device cpu), or start workers of one kind."
        )
    with_units = {found.bf16 for found in told.values()}
    on_cpu = computing.device == "cpu" or devices == {("cpu",)}
    if computing.precision == "auto" and on_cpu and len(with_units) > 1:
        yield Notice("Some workers have no units for bf16, so all of them compute in fp32.")
        return replace(computing, precision="fp32")
    return computing


def settled(
    tasks: HandingOut, needs: Needs, computing: Computing
) -> Generator[Event, None, Settled]:
    """Have one worker choose how all of them compute; `ClusterError` if it cannot."""
    from napari_vitface.cluster.settle_tasks import settle

    yield Preparing(f"Loading the model {Path(needs.model).stem} on a worker")
    tasks.submit(settle, needs, computing, what="choosing how to compute")
    for ended in tasks.events():
        match ended:
            case Ended(failed=Failed(message=message)):
                raise ClusterError(message)
            case Ended(result=found):
                return found  # type: ignore[no-any-return]
            case Notice():
                yield ended
    raise AssertionError("a task ends")


def _waiting(client: Any) -> Iterator[Event]:
    """Wait until a worker is there, as long as a queue may take."""
    if not workers_of(client):
        yield Preparing("Waiting for workers")
    while not workers_of(client):
        if client.status != "running":
            raise scheduler_gone()
        time.sleep(0.3)
        yield Progress(0, 1, None, "Waiting for workers")
