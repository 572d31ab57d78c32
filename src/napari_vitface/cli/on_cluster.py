"""A job over many videos on a cluster, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
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

    device = getattr(arguments, "device", "cpu")
    with connected(arguments.cluster, device=device) as client:
        result = reporter.run(job(client), kind, on_event=on_event)
    if result.failed and not reporter.json_lines:
        names = ", ".join(each.video for each in result.failed)
        done, count = len(result.videos), len(result.videos) + len(result.failed)
        reporter.say(f"{done} of {count} done; failed: {names}")
    return 1 if result.failed else 0


def run_many_on_cluster(
    arguments: argparse.Namespace,
    reporter: Reporter,
    job: Callable[..., Iterator[Event]],
    each: Sequence[Any],
    told: Callable[[Any], list[str]],
    **options: Any,
) -> int:
    """The same for a job whose tasks are whole videos; see `napari_vitface.cluster.run_many`.

    Parameters
    ----------
    each : sequence of paths
        What `job` takes first.
    **options
        All else that it takes.
    """
    from napari_vitface.cluster.run_many import run_many
    from napari_vitface.jobs.results.videos import VideosResult

    def events(client: Any) -> Iterator[Event]:
        return run_many(job, each, client=client, path_map=arguments.map_path, **options)

    return run_on_cluster(arguments, reporter, events, VideosResult, told)
