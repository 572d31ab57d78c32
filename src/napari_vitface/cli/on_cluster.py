"""A job over many videos on a cluster, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari_vitface.jobs.events import Event
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def run_on_cluster(
    arguments: argparse.Namespace,
    reporter: Reporter,
    job: Callable[[Any], Iterator[Event]],
    told: Callable[[Any], list[str]],
) -> int:
    """Run a job on the cluster that was chosen, tell of each video, and return the exit status.

    Parameters
    ----------
    job : callable
        Takes a Dask client and gives the events of a job that ends with a `VideosResult`.
    told : callable
        Lines for people about what became of one video.
    """
    from napari_vitface.cli.videos import tell_failures
    from napari_vitface.cluster.clusters import connected
    from napari_vitface.jobs.results.videos import VideosResult

    def on_event(event: Event) -> None:
        match event:
            case VideoFinished(result=result):
                reporter.result(*told(result))
            case VideoFailed(failed=failed):
                reporter.failure(failed, debug=arguments.debug)

    device = getattr(arguments, "device", "cpu")
    with connected(arguments.cluster, device=device) as client:
        result = reporter.run(job(client), VideosResult, on_event=on_event)
    tell_failures(reporter, len(result.videos), result.failed)
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

    def events(client: Any) -> Iterator[Event]:
        return run_many(job, each, client=client, path_map=arguments.map_path, **options)

    return run_on_cluster(arguments, reporter, events, told)
