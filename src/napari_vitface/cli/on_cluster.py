"""A job over many videos on a cluster, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari_vitface.jobs.events import Event, VideoFailed, VideoFinished

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def run_on_cluster(
    arguments: argparse.Namespace,
    reporter: Reporter,
    job: Callable[[Any], Iterator[Event]],
    kind: type[Any],
    told: Callable[[Any], list[str]],
) -> int:
    """Run a job on the cluster that was chosen, tell of each video, and return the exit status.

    Parameters
    ----------
    job : callable
        Takes a Dask client and gives the events of the job.
    kind : type
        Of its result, which has the videos that failed as `failed`.
    told : callable
        Lines for people about what became of one video.
    """
    from napari_vitface.cluster.clusters import connected

    def on_event(event: Event) -> None:
        match event:
            case VideoFinished(result=result):
                reporter.result(*told(result))
            case VideoFailed(failed=failed):
                reporter.failure(failed, debug=arguments.debug)

    with connected(arguments.cluster, device=arguments.device) as client:
        result = reporter.run(job(client), kind, on_event=on_event)
    if result.failed and not reporter.json_lines:
        names = ", ".join(each.video for each in result.failed)
        reporter.say(
            f"{len(result.videos)} of {len(arguments.videos)} videos done; failed: {names}"
        )
    return 1 if result.failed else 0
