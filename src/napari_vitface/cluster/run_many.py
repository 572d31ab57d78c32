"""Any job, on many videos or models at a time: each call of it is one task of a cluster."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cluster.alike import compared, settled
from napari_vitface.cluster.clusters import kept_up
from napari_vitface.cluster.fitness import Needs, versions_here
from napari_vitface.cluster.handing_out import Ended, HandingOut, Task
from napari_vitface.cluster.path_map import PathMap, parent_of
from napari_vitface.cluster.watching import Watch
from napari_vitface.errors import ClusterError
from napari_vitface.jobs.events import (
    Event,
    Failed,
    Finished,
    Notice,
    Result,
    Settings,
    Started,
)
from napari_vitface.jobs.outputs import named_after, refuse_one_for_all, refuse_same_outputs
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.results.videos import FailedVideo, VideosResult
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import choose

if TYPE_CHECKING:
    from napari_vitface.cluster.whole_tasks import WholeTask

#: What jobs call the video that they take first.
_VIDEO = ("source", "video")
#: Arguments of jobs that are paths, or several.
_PATHS = ("labels", "motion", "output", "output_dir", "predictions", "report", "triggers", *_VIDEO)
_COMPUTING = tuple(each.name for each in fields(Computing))


def run_many(
    job: Callable[..., Iterator[Event]],
    each: Sequence[str | os.PathLike[str]],
    *,
    client: Any,
    path_map: Sequence[str] = (),
    **arguments: Any,
) -> Iterator[Event]:
    """Run a job on the workers of a Dask cluster, once for each video, or whatever it takes first.

    A task is a whole video, gone through as on one machine, so results are the same to the last bit
    with the same device, precision and batch size. One worker chooses these for all where they are
    ``"auto"``. For predictions, `napari_vitface.predict_many` cuts long videos.

    Parameters
    ----------
    job : generator function
        `napari_vitface.jobs.states.features.features`, `napari_vitface.evaluate` or any other of
        the package, or of another package that workers have.
    each : sequence of paths
        What `job` takes first: videos, or models. They lie where all workers see them.
    client : distributed.Client
    path_map : sequence of str
        ``HERE=THERE``: what a folder of this computer is called on the workers.
    **arguments
        Of the job, the same for all; ``{}`` in `output` stands for the name of each.

    Yields
    ------
    Preparing, Started, Progress, Notice
    VideoFinished, VideoFailed
        With the result of the job and which worker made it how, or a sentence. One that fails does
        not stop the others.
    Finished
        With a `VideosResult`.

    Raises
    ------
    VitFaceError
        One sentence: the job does not take what is given, the model cannot be used, a worker is
        unfit, or the scheduler is gone.
    """
    mapped = PathMap.of(path_map)
    with kept_up(client), closing(_RunMany(job, each, client, mapped, arguments)) as run:
        yield from run.prepare()
        yield from run.go()
    yield Finished(job.__name__, VideosResult(tuple(run.done), tuple(run.failed)))


@dataclass(eq=False)
class _Call:
    """One task; `title` is what it is given first, as this computer calls it."""

    title: str
    task: WholeTask


class _RunMany:
    """A job on its way through a cluster."""

    def __init__(
        self,
        job: Callable[..., Iterator[Event]],
        each: Sequence[str | os.PathLike[str]],
        client: Any,
        mapped: PathMap,
        arguments: Mapping[str, Any],
    ) -> None:
        self.client = client
        self.mapped = mapped
        self.why: str | None = None
        self.calls = [
            _Call(title, _task(job, given, mapped)) for title, given in _given(job, each, arguments)
        ]
        self.job = job.__name__
        self.tasks = HandingOut(client, self.job)
        self.done: list[Result] = []
        self.failed: list[FailedVideo] = []

    def close(self) -> None:
        """Do without all that is not done."""
        self.tasks.close()

    def prepare(self) -> Iterator[Event]:
        """See that all workers are fit, and how they compute."""
        needs = list(dict.fromkeys(call.task.needs for call in self.calls))
        folders = {
            parent_of(call.task.arguments[name])
            for call in self.calls
            for name in _VIDEO
            if name in call.task.arguments
        }
        asked = self.calls[0].task.computing
        computing = yield from compared(self.client, needs, folders, asked or Computing("cpu"))
        if asked is None:
            return
        if "auto" in vars(computing).values():
            found = yield from settled(self.tasks, needs[0], computing)
            computing, self.why = found.computing, found.why
        for call in self.calls:
            call.task = replace(call.task, computing=computing)

    def go(self) -> Iterator[Event]:
        """Hand everything out, and tell what becomes of it."""
        from napari_vitface.cluster.whole_tasks import run_whole

        model = Path(self.calls[0].task.needs.model).stem if self.why else None
        yield Started(self.job, len(self.calls), settings=Settings(model=model, why=self.why))
        under_way = [
            self.tasks.submit(run_whole, call.task, what=call.title, about=call)
            for call in self.calls
        ]
        counter, before, watch = Counter(0), 0, Watch(self.client)
        for ended in self.tasks.events():
            match ended:
                case Ended(task=task, failed=Failed() as failed):
                    self.failed.append(FailedVideo(task.about.title, failed.message))
                    yield VideoFailed(task.about.title, failed)
                case Ended(task=task, result=whole):
                    yield from map(Notice, whole.notices)
                    result = self.mapped.result_here(whole.result)
                    self.done.append(result)
                    yield VideoFinished(task.about.title, result, whole.made_by)
                case Notice():
                    yield ended
            done, total = _extent_of_all(under_way)
            before = max(done, before)
            yield counter.of((before, total))
            yield from watch.look(
                ((task.about.title, *extent) for task, extent in _extents(under_way)),
                (task.told for task in under_way),
            )


def _extents(tasks: Sequence[Task]) -> list[tuple[Task, tuple[int, int]]]:
    """The tasks whose frames are known, with those that are done, and all."""
    return [(task, (task.told.frames, task.told.of)) for task in tasks if task.told.of is not None]


def _extent_of_all(tasks: Sequence[Task]) -> tuple[int, int]:
    """Frames that are done, and all, where those of some videos are not known yet."""
    known = [extent for _, extent in _extents(tasks)]
    if not known:
        return 0, len(tasks)
    total = sum(of for _, of in known) * len(tasks) // len(known)
    return sum(done for done, _ in known), total


def _given(
    job: Callable[..., Iterator[Event]],
    each: Sequence[str | os.PathLike[str]],
    arguments: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What each call is called, and its arguments."""
    if not inspect.isgeneratorfunction(inspect.unwrap(job)):
        raise ClusterError(f"{job!r} is no job: give a generator function of napari_vitface.jobs.")
    first = next(iter(inspect.signature(job).parameters))
    each = list(each)
    if not each:
        raise ClusterError(f"{job.__name__} is given nothing to run on: name at least one {first}.")
    try:
        # Nothing of a generator runs before its first event is wanted.
        job(each[0], **arguments)
    except TypeError as error:
        raise ClusterError(f"{str(error).rstrip('.')}.") from error
    paths = [Path(one) for one in each]
    output = arguments.get("output")
    refuse_one_for_all(output, paths)
    if first in _VIDEO:
        refuse_same_outputs(paths, arguments.get("output_dir"))
    for one, path in zip(each, paths, strict=True):
        named = {} if output is None else {"output": named_after(output, path)}
        yield str(one), {**arguments, **named, first: one}


def _task(
    job: Callable[..., Iterator[Event]], arguments: Mapping[str, Any], mapped: PathMap
) -> WholeTask:
    """A call as workers know it."""
    from napari_vitface.cluster.whole_tasks import WholeTask
    from napari_vitface.model.checkpoint import file_digest, find_model

    takes = inspect.signature(job).parameters
    there = {
        name: _there(value, mapped) if name in _PATHS else value
        for name, value in arguments.items()
        if name not in _COMPUTING
    }
    computing = None
    needs = Needs(versions_here())
    if "model" in takes:
        model = arguments.get("model", takes["model"].default)
        file = find_model(model)
        there["model"] = str(model) if str(model) != str(file) else mapped.there(file)
        if "precision" in takes and _loads_model(takes, arguments):
            needs = replace(needs, model=there["model"], digest=file_digest(file))
            chosen = {name: arguments[name] for name in _COMPUTING if name in arguments}
            computing = Computing(**chosen)
    return WholeTask(job, needs, computing, there)


def _loads_model(takes: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> bool:
    """Whether a job that has a model looks with it: features of the crop alone do not."""
    if "features" not in takes:
        return True
    named = arguments.get("features", takes["features"].default)
    kinds = choose(named, arguments.get("settings") or {})
    return any("model" in kind.needs for kind in kinds)


def _there(value: Any, mapped: PathMap) -> Any:
    if isinstance(value, str | os.PathLike):
        return mapped.there(value)
    if isinstance(value, list | tuple):
        return [_there(one, mapped) for one in value]
    return value
