"""Reaching a cluster: one of this computer, one that runs already, or one of a queue."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from napari_vitface.errors import ClusterError, VitFaceError

#: Workers that may die at a task before it is set aside.
DEATHS = 3
#: Seconds in which a scheduler has to answer.
_PATIENCE = 15
_QUEUES = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
_EXTRA = 'python -m pip install "napari-vitface[cluster]"'
#: For schedulers and workers that are started here.
_SETTINGS = {
    # Dask counts the deaths before the last one.
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    # A task waits with the scheduler, not with a worker that works on another one: when this dies,
    # it is not to blame.
    "distributed.scheduler.worker-saturation": 1.0,
}
#: We tell what the user should know.
_QUIET = logging.CRITICAL


@contextmanager
def connected(where: str, *, device: str) -> Iterator[Any]:
    """A `distributed.Client` of a cluster, which is closed at the end if it was made for this.

    Parameters
    ----------
    where : str
        ``local:N``: N processes of this computer. ``tcp://HOST:PORT``: a Dask scheduler that runs.
        ``FILE.yaml``: settings of dask-jobqueue, and under ``jobs`` how many to queue.
    device : str
        Where workers will compute: those of this computer have a GPU each, if it has any.

    Raises
    ------
    ClusterError
        One sentence: the cluster cannot be reached or made.
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ClusterError(f"Clusters need Dask ({error}): {_EXTRA}") from error
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        if found := re.fullmatch(r"local:(\d+)", where):
            cluster: Any = stack.enter_context(_of_this_computer(int(found[1]), device))
        elif where.endswith((".yaml", ".yml")):
            cluster = stack.enter_context(_of_a_queue(Path(where)))
        elif re.fullmatch(r"[a-z]+://\S+", where):
            cluster = where
        else:
            raise ClusterError(
                f"{where!r} names no cluster; give local:4 for 4 processes of this computer, "
                "tcp://HOST:PORT of a Dask scheduler, or a .yaml file with settings of "
                "dask-jobqueue."
            )
        try:
            client = distributed.Client(cluster, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"No Dask scheduler answers at {where}: check the address, and that "
                "`dask scheduler` runs there."
            ) from error
        stack.enter_context(client)
        yield client


def workers_of(client: Any) -> dict[str, str]:
    """The computers of the workers that are there, by their addresses; none without a scheduler."""
    workers = _identity(client).get("workers", {})
    return {address: about.get("host", "") for address, about in workers.items()}


@contextmanager
def kept_up(client: Any) -> Iterator[None]:
    """Have whatever Dask is asked for end in a `ClusterError` when the scheduler is gone."""
    try:
        yield
    except VitFaceError:
        raise
    except Exception as error:
        if _identity(client):
            raise
        raise scheduler_gone() from error


def _identity(client: Any) -> dict[str, Any]:
    """What the scheduler says of itself and all workers; empty if it is not there.

    Asked anew: the client may not have noticed yet that it is gone, and `Client.scheduler_info`
    gives no workers now and then, as the client asks for the totals alone every two seconds.
    """
    if client.status != "running":
        return {}
    try:
        return dict(client.sync(client.scheduler.identity, n_workers=-1))
    except OSError:
        return {}


def ask_workers(client: Any, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a function gives on each worker, or raises there, by address.

    Without workers that die meanwhile; `ClusterError` if none is left.
    """
    answers = client.run(function, *arguments, on_error="return")
    found = {
        worker: answer for worker, answer in answers.items() if not isinstance(answer, OSError)
    }
    if not found:
        raise ClusterError(
            "No worker answers any more: look into their logs, and give the same command again "
            "when there are others."
        )
    return found


def scheduler_gone() -> ClusterError:
    """To be raised where it is seen that the scheduler is gone."""
    return ClusterError(
        "The Dask scheduler went away. What is done is kept beside the outputs: start it "
        "again, and the same command goes on from there."
    )


def _of_this_computer(count: int, device: str) -> Any:
    """A cluster of `count` processes, each with its share of the cores and a GPU of its own."""
    import dask.system
    from distributed import Nanny, Scheduler, SpecCluster

    if count < 1:
        raise ClusterError("local:N needs at least one process, for example local:4.")
    gpus = [] if device == "cpu" else _gpus()
    threads = str(max(1, dask.system.CPU_COUNT // count))
    local = {"host": "127.0.0.1", "dashboard": False}

    def options(number: int) -> dict[str, Any]:
        env = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        # No limit of memory: Dask would pause a worker for what PyTorch holds.
        return {**local, "nthreads": 1, "memory_limit": 0, "env": env, "silence_logs": _QUIET}

    return SpecCluster(
        workers={i: {"cls": Nanny, "options": options(i)} for i in range(count)},
        scheduler={
            "cls": Scheduler,
            "options": {**local, "port": 0, "dashboard": True, "dashboard_address": "127.0.0.1:0"},
        },
        name="napari-vitface",
        silence_logs=_QUIET,
    )


def _gpus() -> list[str]:
    """Those of this computer that may be used, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    from napari_vitface.model.device import gpu_count

    return [str(number) for number in range(gpu_count())]


@contextmanager
def _of_a_queue(file: Path) -> Iterator[Any]:
    """A cluster whose workers are jobs of a queue, by a file of dask-jobqueue's settings."""
    import dask
    from ruamel.yaml import YAML, YAMLError

    try:
        content = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise ClusterError(f"{file} cannot be read ({reason}).") from error
    settings = content if isinstance(content, dict) else {}
    queues = settings.get("jobqueue")
    jobs = settings.pop("jobs", None)
    kind = next(iter(queues)) if isinstance(queues, dict) and len(queues) == 1 else None
    if kind not in _QUEUES or not isinstance(jobs, int) or jobs < 1:
        raise ClusterError(
            f"{file} has to hold `jobs`, how many to queue, and `jobqueue` with the settings of "
            f"one queue of {', '.join(_QUEUES)}, as in docs/many-machines.md."
        )
    try:
        import dask_jobqueue
    except ImportError as error:
        raise ClusterError(f"A queue needs dask-jobqueue ({error}): {_EXTRA}") from error
    # What the file does not say is as dask-jobqueue, or the user's own files for Dask, say it; it
    # is looked up whenever a job is queued.
    whole = dask.config.merge(dask.config.config, settings)
    with dask.config.set({key: whole[key] for key in settings}), ExitStack() as stack:
        try:
            cluster = stack.enter_context(getattr(dask_jobqueue, _QUEUES[kind])())
            cluster.scale(jobs=jobs)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0].rstrip(".:")
            raise ClusterError(f"{file} makes no cluster: {reason}.") from error
        yield cluster
