"""Predict many videos on a cluster: the tables that one machine writes, sooner."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cluster.alike import compared, settled
from napari_vitface.cluster.clusters import kept_up, workers_of
from napari_vitface.cluster.fitness import Needs, versions_here
from napari_vitface.cluster.handing_out import Ended, HandingOut, Task
from napari_vitface.cluster.path_map import PathMap, parent_of
from napari_vitface.cluster.spans import Span, cut, gaps, seconds_of_span, shorter_to_the_end
from napari_vitface.cluster.watching import Watch
from napari_vitface.errors import ClusterError, VitFaceError
from napari_vitface.jobs.events import Event, Failed, Finished, Notice, Progress, Settings, Started
from napari_vitface.jobs.failure import describe_failure
from napari_vitface.jobs.outputs import made_folder, output_path, refuse_same_outputs
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.part_file import kept_from_others
from napari_vitface.jobs.results.prediction import PredictResult
from napari_vitface.jobs.results.videos import FailedVideo, VideosResult
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished
from napari_vitface.lock import allow_open_files
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.cluster.predict_tasks import Looked, PredictTask, Written
    from napari_vitface.cluster.settle_tasks import Settled

_JOB = "predict"


@takes(Looking)
def predict_many(
    videos: Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    client: Any,
    output_dir: str | os.PathLike[str] | None = None,
    frames: slice | range | str | None = None,
    overlay: bool = False,
    overwrite: bool = False,
    path_map: Sequence[str] = (),
    **settings: Any,
) -> Iterator[Event]:
    """Predict keypoints in videos on the workers of a Dask cluster.

    Each video's tables are those that `napari_vitface.predict` writes on a computer like the
    workers with the same device, precision and batch size, to the last bit. Workers read the videos
    where they lie and write what they have done beside the outputs, in
    ``<video>_vitface_<model>.spans``. Closing the generator cancels; the same call goes on from
    there.

    Parameters
    ----------
    videos : sequence of paths
        As `napari_vitface.predict` takes them. They lie where all workers see them.
    model : str or path
        The same, or a bundled model, on all workers.
    client : distributed.Client
    output_dir, frames, overlay, overwrite
        See `napari_vitface.predict`.
    path_map : sequence of str
        ``HERE=THERE``: what a folder of this computer is called on the workers.
    {settings}

    Yields
    ------
    Preparing, Started
        `total` is the frames of all videos.
    Progress, Notice
    VideoFinished, VideoFailed
        With a `PredictResult`, or a sentence. A video that fails does not stop the others.
    Finished
        With a `VideosResult`.

    Raises
    ------
    VitFaceError
        One sentence: the model cannot be used, a worker is unfit, or the scheduler is gone.
    """
    from napari_vitface.cluster.predict_tasks import PredictTask
    from napari_vitface.model.checkpoint import file_digest, find_model

    paths = [Path(video) for video in videos]
    folder = None if output_dir is None else Path(output_dir)
    refuse_same_outputs(paths, folder)
    looking = Looking(**settings)
    if looking.precision == "int8":
        raise ClusterError(
            "int8 is made ready for one computer and cannot be used on a cluster; choose another "
            "precision."
        )
    mapped = PathMap.of(path_map)
    file = find_model(model)
    there = str(model) if str(model) != str(file) else mapped.there(file)
    task = PredictTask(
        Needs(versions_here(), there, file_digest(file)),
        looking,
        None if folder is None else mapped.there(folder),
        frames,
        overlay,
        overwrite,
    )
    rows = [
        _Video(mapped.there(path), output_path(path, ".part", model=file.stem, folder=folder))
        for path in paths
    ]
    with kept_up(client), closing(_PredictMany(client, task, rows, mapped)) as run:
        yield from run.compare()
        yield from run.keep_others_out()
        yield from run.settle()
        yield from run.look()
        yield from run.predict()
    yield Finished(_JOB, VideosResult(tuple(run.done), tuple(run.failed)))


@dataclass(eq=False)
class _Video:
    """What is known of a video, and what is under way for it.

    Attributes
    ----------
    path : str
        As workers call it.
    part : Path
        The part file that a run on this computer alone would have.
    frames : int
        That are done.
    tasks : list of Task
    lock : ExitStack
        Closed when it is done or has failed.
    """

    path: str
    part: Path
    frames: int = 0
    tasks: list[Task] = field(default_factory=list)
    lock: ExitStack = field(default_factory=ExitStack)


class _PredictMany:
    """Videos on their way through a cluster."""

    def __init__(
        self, client: Any, task: PredictTask, videos: list[_Video], mapped: PathMap
    ) -> None:
        self.client = client
        self.task = task
        self.mapped = mapped
        self.videos = videos
        self.tasks = HandingOut(client, _JOB)
        self.done: list[PredictResult] = []
        self.failed: list[FailedVideo] = []
        self.settled: Settled
        # What was seen of each video that could be opened, in the order of the videos.
        self.looked: dict[_Video, Looked]
        self._total = self._frames = 0
        self._told = 0
        self._watch = Watch(client)

    def compare(self) -> Iterator[Event]:
        """Wait for a worker, and see that all that are there are fit."""
        looking = self.task.looking
        folders = {parent_of(video.path) for video in self.videos}
        computing = yield from compared(self.client, [self.task.needs], folders, looking.computing)
        if computing != looking.computing:
            self.task = replace(self.task, looking=replace(looking, **vars(computing)))

    def keep_others_out(self) -> Iterator[Event]:
        """Have no other command work on these videos, as long as this process lives.

        Only the system's own lock does not outlive who holds it, so it is held here, and only where
        this computer sees the folders of the results.
        """
        allow_open_files(len(self.videos))
        for video in list(self.videos):
            try:
                if _is_on_this_computer(video.part.parent):
                    video.lock.enter_context(kept_from_others(video.part))
            except VitFaceError as error:
                self.videos.remove(video)
                yield self._fail(video, describe_failure(_JOB, error))

    def close(self) -> None:
        """Do without all that is not done, and let other commands in."""
        self.tasks.close()
        for video in self.videos:
            video.lock.close()

    def settle(self) -> Iterator[Event]:
        """Have one worker choose how all of them compute."""
        computing = self.task.looking.computing
        self.settled = yield from settled(self.tasks, self.task.needs, computing)

    def look(self) -> Iterator[Event]:
        """Open every video, on whichever worker, and see what is done of it."""
        from napari_vitface.cluster.predict_tasks import Written, look

        for video in self.videos:
            self.tasks.submit(
                look, self.task, self.settled, video.path, what=video.path, about=video
            )
        count = 0
        seen: dict[_Video, Looked] = {}
        for ended in self.tasks.events():
            match ended:
                case Ended(task=task, failed=Failed() as failed):
                    yield self._fail(task.about, failed)
                case Ended(task=task, result=Written() as written):
                    yield self._finish(task.about, written)
                case Ended(task=task, result=looked):
                    seen[task.about] = looked
                    yield from map(Notice, looked.notices)
                case Notice():
                    yield ended
            count += isinstance(ended, Ended)
            yield Progress(count, len(self.videos), None, "Looking at the videos")
        self.looked = {video: seen[video] for video in self.videos if video in seen}

    def predict(self) -> Iterator[Event]:
        """Hand out the spans of all videos, and write each video's tables once its last is done."""
        spans = self._cut()
        self._total = sum(one.total for one in self.looked.values())
        self._frames = self._total - sum(b - a for each in spans.values() for a, b in each)
        settings = Settings(
            model=Path(self.task.needs.model).stem,
            why=self.settled.why,
            fresh_from=self._frames,
            kept_in=self._kept_in(),
        )
        yield Started(_JOB, self._total, settings=settings)
        self._counter = Counter(self._total, done=self._frames)
        self._told = self._frames
        for video, one in self.looked.items():
            video.frames = one.total - sum(b - a for a, b in spans[video.path])
            self._hand_out(video, spans[video.path])
        for ended in self.tasks.events():
            match ended:
                case Ended(task=task, failed=Failed() as failed):
                    self.tasks.drop(task.about.tasks)
                    yield self._fail(task.about, failed)
                case Ended(task=task, result=int(count)):
                    self._frames += count
                    task.about.frames += count
                    self._watch.ended(task.told, count)
                    task.about.tasks.remove(task)
                    if not task.about.tasks:
                        self._write(task.about)
                case Ended(task=task, result=written):
                    yield from map(Notice, written.notices)
                    yield self._finish(task.about, written)
                case Notice():
                    yield ended
            yield self._progress()
            yield from self._watch.look(
                self._extents(), (task.told for video in self.videos for task in video.tasks)
            )

    def _cut(self) -> dict[str, list[Span]]:
        """The spans of each video that are left, by the speed that was measured."""
        looked = {video.path: one for video, one in self.looked.items()}
        known = [one.seconds for one in looked.values() if one.seconds is not None]
        usual = sum(known) / len(known) if known else 0.0
        left = {path: gaps(one.done, one.total) for path, one in looked.items()}
        seconds = {path: looked[path].seconds or usual for path in looked}
        work = sum(seconds[path] * (b - a) for path in looked for a, b in left[path])
        workers = len(workers_of(self.client))
        target = seconds_of_span(work, workers)
        spans: dict[str, list[Span]] = {path: [] for path in looked}
        all_spans = [
            (path, span)
            for path, one in looked.items()
            for span in cut(
                left[path], one.starts, target / seconds[path] if seconds[path] else one.total
            )
        ]
        starts = {path: one.starts for path, one in looked.items()}
        for path, span in shorter_to_the_end(all_spans, starts, seconds, workers):
            spans[path].append(span)
        return spans

    def _hand_out(self, video: _Video, spans: Sequence[Span]) -> None:
        from napari_vitface.cluster.predict_tasks import predict_span

        for first, stop in spans:
            what = f"The part of {self.mapped.here(video.path)} from frame {first} to {stop - 1}"
            video.tasks.append(
                self.tasks.submit(
                    predict_span, self.task, video.path, (first, stop), what=what, about=video
                )
            )
        if not spans:
            self._write(video)

    def _write(self, video: _Video) -> None:
        from napari_vitface.cluster.predict_tasks import write_tables

        what = f"Writing the tables of {self.mapped.here(video.path)}"
        # Before spans of other videos: what is done shall be there.
        task = self.tasks.submit(
            write_tables, self.task, video.path, what=what, about=video, priority=1
        )
        video.tasks = [task]

    def _finish(self, video: _Video, written: Written) -> VideoFinished:
        video.lock.close()
        result = self.mapped.result_here(written.result)
        self.done.append(result)
        return VideoFinished(result.video, result)

    def _fail(self, video: _Video, failed: Failed) -> VideoFailed:
        video.lock.close()
        path = self.mapped.here(video.path)
        self.failed.append(FailedVideo(path, failed.message))
        return VideoFailed(path, failed)

    def _progress(self) -> Progress:
        under_way = sum(task.told.frames for video in self.videos for task in video.tasks)
        # A worker that dies takes back what it told.
        self._told = min(max(self._frames + under_way, self._told), self._total)
        return self._counter.at(self._told)

    def _extents(self) -> Iterator[tuple[str, int, int]]:
        """Each video with its frames that are done, and all."""
        for video, one in self.looked.items():
            under_way = sum(task.told.frames for task in video.tasks)
            yield self.mapped.here(video.path), video.frames + under_way, one.total

    def _kept_in(self) -> str | None:
        """The folder of the first video's results, if this computer sees it too."""
        for video in self.looked:
            folder = video.part.parent
            return str(folder) if folder.is_dir() else None
        return None


def _is_on_this_computer(folder: Path) -> bool:
    """Whether this computer sees a folder of results; made where some of its path is there."""
    if not folder.is_dir() and any(parent.is_dir() for parent in list(folder.parents)[:-1]):
        made_folder(folder)
    return folder.is_dir()
