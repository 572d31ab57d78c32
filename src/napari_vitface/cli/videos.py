"""Several videos on one command line, one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import BackboneError, CheckpointError, ChoiceError

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.events import Result
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.videos import FailedVideo


def one_by_one(
    arguments: argparse.Namespace,
    reporter: Reporter,
    videos: Sequence[Path],
    run: Callable[[Path, Resources], Result],
    *,
    job: str,
    past: str = "done",
) -> int:
    """Run a job on each video, tell what came of all, and return the exit status.

    One of several that fails is told and does not stop the others.

    Parameters
    ----------
    run : callable
        Takes a video, and the model and the videos that stay open from one to the next.
    past : str
        What the others are called in the sentence about those that failed: "done", "predicted".

    Raises
    ------
    Exception
        What went wrong with the only video, or would with every one of them.
    """
    from napari_vitface.cli.report import Cancelled
    from napari_vitface.jobs.events import Finished
    from napari_vitface.jobs.failure import describe_failure
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.videos import FailedVideo, VideosResult

    resources = Resources(models=1, videos=1)
    done: list[Result] = []
    failed: list[FailedVideo] = []
    with closing(resources):
        for path in videos:
            try:
                done.append(run(path, resources))
            except Cancelled:
                raise
            except Exception as error:
                # What is wrong with the model or a choice is wrong for every video.
                for_all = isinstance(error, CheckpointError | BackboneError | ChoiceError)
                if len(videos) == 1 or for_all:
                    raise
                reporter.failed(job, error, debug=arguments.debug)
                failed.append(FailedVideo(str(path), describe_failure(job, error).message))
    tell_failures(reporter, len(done), failed, f"videos {past}")
    if len(videos) > 1:
        reporter.show(Finished(job, VideosResult(tuple(done), tuple(failed))))
    return 1 if failed else 0


def tell_failures(
    reporter: Reporter, done: int, failed: Sequence[FailedVideo], past: str = "done"
) -> None:
    """Name what failed once more: the sentences about it are far above by now."""
    if failed and not reporter.json_lines:
        names = ", ".join(each.video for each in failed)
        reporter.say(f"{done} of {done + len(failed)} {past}; failed: {names}")
