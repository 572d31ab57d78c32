"""A whole job on one video, on a worker."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from napari_vitface.cluster.fitness import Needs, check, here
from napari_vitface.cluster.working import resources_of_thread, tell, unwanted
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Result, Started
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.settings.computing import Computing

#: Seconds between two times that a task tells how far it is.
_TELL_EVERY = 1.0


@dataclass(frozen=True)
class WholeTask:
    """A call of a job; paths as workers call them.

    Attributes
    ----------
    job : callable
        A generator function of `napari_vitface.jobs`.
    needs : Needs
    computing : Computing or None
        How all workers compute; None if the job does not say how it wants to.
    arguments : mapping
        All others.
    """

    job: Callable[..., Iterator[Event]]
    needs: Needs
    computing: Computing | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """What a job ended with, by whom and how it was made, and what it said on the way."""

    result: Result
    made_by: MadeBy
    notices: list[str] = field(default_factory=list)


def run_whole(task: WholeTask) -> Whole:
    """Go through a job as one machine does."""
    arguments = dict(task.arguments)
    takes = inspect.signature(task.job).parameters
    if task.computing is None:
        check(task.needs)
    else:
        check(task.needs, task.computing.device, task.computing.precision)
        arguments |= {name: value for name, value in vars(task.computing).items() if name in takes}
    versions = dict(task.needs.versions)
    made_by = MadeBy(here(), versions, task.needs.digest or None, task.computing)
    resources = resources_of_thread()
    resources.begin(made_by)
    if "resources" in takes:
        arguments["resources"] = resources
    notices: list[str] = []
    told, total = 0.0, 0
    with closing(task.job(**arguments)) as events:  # type: ignore[type-var]
        for event in events:
            match event:
                case Notice(message):
                    notices.append(message)
                case Started():
                    total = event.total
                case Finished(result=result):
                    tell(frames=total, of=total)
                    return Whole(result, resources.made_by() or made_by, notices)
                # Other stages count something else.
                case Progress(message=""):
                    total = event.total
                    if time.monotonic() - told > _TELL_EVERY:
                        if unwanted():
                            break
                        told = time.monotonic()
                        tell(frames=event.done, of=total)
    raise VitFaceError("It was cancelled.")
