"""Several videos on one command line, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_vitface.errors import BackboneError, CheckpointError

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.videos import FailedVideo

R = TypeVar("R")


def one_by_one(
    videos: Sequence[Path],
    run: Callable[[Path], R],
    reporter: Reporter,
    *,
    job: str,
    past: str = "done",
    debug: bool = False,
) -> tuple[list[R], list[FailedVideo]]:
    """Run a job on each video. One of several that fails is told and does not stop the others.

    In the sentence about these, the others are `past`: "done", "predicted".

    Raises
    ------
    Exception
        What went wrong with the only video, or would with every one of them.
    """
    from napari_vitface.cli.report import Cancelled
    from napari_vitface.jobs.failure import describe_failure
    from napari_vitface.jobs.results.videos import FailedVideo

    results: list[R] = []
    failed: list[FailedVideo] = []
    for path in videos:
        try:
            results.append(run(path))
        except Cancelled:
            raise
        except Exception as error:
            # What is wrong with the model is wrong for every video.
            if len(videos) == 1 or isinstance(error, CheckpointError | BackboneError):
                raise
            reporter.failed(job, error, debug=debug)
            failed.append(FailedVideo(str(path), describe_failure(job, error).message))
    if failed and not reporter.json_lines:
        # The sentences about them are far above by now.
        names = ", ".join(each.video for each in failed)
        reporter.say(f"{len(results)} of {len(videos)} videos {past}; failed: {names}")
    return results, failed
