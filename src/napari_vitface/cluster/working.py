"""What tasks share on a worker: the model and the videos it has open, and its line to who waits."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from napari_vitface.cluster.fitness import Unfit
from napari_vitface.jobs.events import Failed
from napari_vitface.jobs.failure import describe_failure
from napari_vitface.jobs.resources import Resources
from napari_vitface.settings.computing import Computing
from napari_vitface.steps import result_of

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel

T = TypeVar("T")

#: Of this process. The model stays loaded from one task to the next, and so do some videos.
RESOURCES = Resources(models=1, videos=4)
_of_thread = threading.local()
_loading = threading.Lock()
#: Of glibc's `mallopt`, with what glibc itself comes to in a process that Dask did not start.
_MALLOPT = {-3: 32 << 20, -1: 64 << 20}


def loaded(stack: ExitStack, name: str, computing: Computing) -> KeypointModel:
    """A model, lent until `stack` is closed; one thread loads it and others wait for it."""
    _keep_memory()
    with _loading:
        return result_of(RESOURCES.loading(stack, name, computing))


@cache
def _keep_memory() -> None:
    """Have glibc keep memory for the next batch.

    Dask has it give all back at once (MALLOC_TRIM_THRESHOLD_), and a network that asks for the same
    again with each batch then takes 1.3 to 1.4 times the processor time.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            for name, value in _MALLOPT.items():
                ctypes.CDLL(None).mallopt(name, value)


def resources_of_thread() -> Resources:
    """Those of a worker's thread alone: what looks into a model has one to itself."""
    _keep_memory()
    if not hasattr(_of_thread, "resources"):
        _of_thread.resources = Resources(models=1, videos=1)
    return cast("Resources", _of_thread.resources)


def begun(job: str, function: Callable[..., T], *arguments: Any) -> T | Failed:
    """Do a task, once who waits for it is told that it began; `Failed` if it did.

    Dask hands a task anew to whom it likes if an `OSError` is raised, as by a disk that is lost,
    and who waits decides about `Unfit`. Other errors would come again, and may not survive the way.
    """
    tell(begun=True)
    try:
        return function(*arguments)
    except (OSError, Unfit):
        raise
    except Exception as error:
        return describe_failure(job, error)


@dataclass(frozen=True)
class Told:
    """What a worker last said of a task.

    Attributes
    ----------
    worker : str or None
        Its address; None before it said anything.
    frames : int
        That are done.
    of : int or None
        How many there are, where that has to be told.
    """

    worker: str | None = None
    frames: int = 0
    of: int | None = None

    @classmethod
    def by(cls, news: Mapping[str, Any]) -> Told:
        """By what `tell` sent."""
        return cls(news["worker"], news.get("frames", 0), news.get("of"))


def tell(**news: object) -> None:
    """Send something about this task to who waits for it."""
    from distributed import get_worker

    worker = get_worker()
    # As `napari_vitface.cluster.handing_out` makes it: topic, number of the task, time handed out.
    topic, *number = cast("tuple[str, int, int]", worker.get_current_task())
    worker.log_event(topic, {"number": number, "worker": worker.address, **news})


def unwanted() -> bool:
    """Whether nobody waits for this task any more: it was cancelled, or the client is gone."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state in ("cancelled", "resumed")
