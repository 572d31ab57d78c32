"""Handing tasks to Dask and taking what comes of them, until none is left.

Dask decides where and when, repeats what was lost with a worker and gives up on what ends too many.
Here stands what it cannot know: which of the tasks that a dead worker had was running, and that a
worker is unfit for all of them.
"""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_vitface.cluster.clusters import DEATHS, scheduler_gone
from napari_vitface.cluster.fitness import Unfit
from napari_vitface.cluster.working import Told, begun
from napari_vitface.jobs.events import Failed, Notice
from napari_vitface.jobs.failure import describe_failure

#: Seconds after which who waits is asked whether it still wants to.
_BEAT = 0.3
#: Times that a task is handed out anew for what others did to it.
_AGAIN = 3
#: Times that Dask repeats a task that the system refuses something.
_RETRIES = 1


@dataclass(eq=False)
class Task:
    """Something to do on a worker.

    Attributes
    ----------
    what : str
        In words: "frames 0 to 99 of mouse.mp4".
    about : Any
        For who hands it out.
    told : Told
        What the worker last said of it.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    what: str
    about: Any = None
    priority: int = 0
    told: Told = field(default_factory=Told)
    future: Any = None
    begun: int = 0
    handed_out: int = 0


@dataclass(frozen=True)
class Ended:
    """A task gave a result, or failed with a sentence."""

    task: Task
    result: Any = None
    failed: Failed | None = None


class HandingOut:
    """The tasks of one run.

    Parameters
    ----------
    client : distributed.Client
    job : str
        What tasks are called on Dask's dashboard.
    """

    def __init__(self, client: Any, job: str) -> None:
        self.client = client
        self.job = job
        self._topic = f"{job}-{uuid.uuid4().hex[:8]}"
        self._tasks: dict[int, Task] = {}
        self._count = 0
        self._left_out: set[str] = set()
        self._news: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        client.subscribe_topic(self._topic, self._hear)

    def submit(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        what: str,
        about: Any = None,
        priority: int = 0,
    ) -> Task:
        """Hand out a task; of those of one priority, the first ones are begun first."""
        task = Task(function, arguments, what, about, priority)
        self._tasks[self._count] = task
        self._hand_out(self._count)
        self._count += 1
        return task

    def drop(self, tasks: list[Task]) -> None:
        """Do without these tasks; one that runs notices it after a while."""
        numbers = [number for number, task in self._tasks.items() if task in tasks]
        futures = [self._tasks.pop(number).future for number in numbers]
        self.client.cancel(futures)

    def events(self) -> Iterator[Ended | Notice | None]:
        """What becomes of the tasks, until none is left; None every now and then.

        Raises
        ------
        ClusterError
            The scheduler is gone.
        """
        while self._tasks:
            try:
                number, future = self._news.get(timeout=_BEAT)
            except queue.Empty:
                if self.client.status != "running":
                    raise scheduler_gone() from None
                yield None
                continue
            task = self._tasks.get(number)
            if task is None or future is not task.future:
                continue
            yield from self._end(number, task)

    def close(self) -> None:
        """Do without all that is not done."""
        self.drop(list(self._tasks.values()))
        self.client.unsubscribe_topic(self._topic)

    def _hand_out(self, number: int) -> None:
        task = self._tasks[number]
        key = (self._topic, number, task.handed_out)
        task.handed_out += 1
        task.told = Told()
        task.future = self.client.submit(
            begun,
            self.job,
            task.function,
            *task.arguments,
            key=key,
            pure=False,
            retries=_RETRIES,
            priority=task.priority,
        )
        task.future.add_done_callback(lambda future: self._news.put((number, future)))

    def _hear(self, news: Any) -> None:
        """What a worker says; called in the client's thread."""
        _, content = news
        number, _ = content["number"]
        task = self._tasks.get(number)
        if task is not None:
            task.begun += "begun" in content
            task.told = Told.by(content)

    def _end(self, number: int, task: Task) -> Iterator[Ended | Notice]:
        from distributed import KilledWorker

        status = task.future.status
        if status == "finished":
            result = task.future.result()
            del self._tasks[number]
            yield Ended(task, failed=result) if isinstance(result, Failed) else Ended(task, result)
            return
        if status != "error":
            raise scheduler_gone()
        error = task.future.exception()
        failed: Failed | None
        if isinstance(error, KilledWorker):
            failed = self._killed(task)
        elif isinstance(error, Unfit):
            failed = yield from self._unfit(task, error)
        else:
            failed = describe_failure(self.job, error)
        if failed is None:
            self._hand_out(number)
            return
        del self._tasks[number]
        yield Ended(task, failed=failed)

    def _killed(self, task: Task) -> Failed | None:
        """Whether a task is set aside; not if it was only waiting at workers that others ended."""
        if task.begun < DEATHS and task.handed_out <= _AGAIN:
            return None
        return Failed(
            self.job,
            f"{task.what} was set aside after {DEATHS} workers died at it, one after the other: "
            "look into their logs, and whether they have enough memory.",
        )

    def _unfit(self, task: Task, error: Unfit) -> Generator[Notice, None, Failed | None]:
        """Leave a worker out, and hand the task to another; or say why there is none."""
        address = error.address
        if error.path is not None and not self._is_seen(error.path, address):
            return Failed(
                self.job,
                f"{Path(error.path).parent} was moved or deleted, or no worker sees it any more: "
                "run the same again when it is back.",
            )
        if task.handed_out > _AGAIN:
            return Failed(self.job, f"{error}.")
        if address not in self._left_out:
            self._left_out.add(address)
            yield Notice(f"{error}; it is left out.")
            self.client.retire_workers([address], close_workers=True)
        return None

    def _is_seen(self, path: str, but: str) -> bool:
        """Whether a worker other than `but` sees a path."""
        seen = self.client.run(Path(path).exists, on_error="return")
        return any(found is True for worker, found in seen.items() if worker != but)
