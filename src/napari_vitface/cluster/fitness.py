"""Whether a worker is fit for a run: versions and model as here, and able to compute so."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from napari_vitface.cluster.clusters import ask_workers
from napari_vitface.errors import ClusterError


class Unfit(Exception):
    """A worker cannot take part in a run.

    Its arguments are the worker (see `here`), what is wrong with it, in words behind its name, and
    the path that it should see, if that is what it does not. Dask pickles it, so it has no others.
    """

    @property
    def address(self) -> str:
        return str(self.args[0]).split()[0]

    @property
    def path(self) -> str | None:
        return self.args[2] if len(self.args) > 2 else None

    def __str__(self) -> str:
        return f"Worker {self.args[0]} {self.args[1]}"


@dataclass(frozen=True)
class Needs:
    """What a run asks of its workers.

    Attributes
    ----------
    versions : tuple of (package, version)
    model : str
        Name or path, as workers know it.
    digest : str
        Of its content; empty for a job that has no model.
    """

    versions: tuple[tuple[str, str], ...]
    model: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Abilities:
    """What a worker can do for a run.

    Attributes
    ----------
    host : str
        Its computer.
    sees : tuple of str
        Of the folders that it was asked for.
    problem : str
        Why it is unfit, in words behind its name; empty if it is not.
    devices : tuple of str
        Kinds of those that it can compute on, the best first.
    bf16 : bool
        Whether its processor has units for that.
    """

    host: str
    sees: tuple[str, ...]
    problem: str
    devices: tuple[str, ...]
    bf16: bool


def versions_here() -> tuple[tuple[str, str], ...]:
    """The versions that workers have to have."""
    return tuple(
        (package, _without_build(metadata.version(package)))
        for package in ("napari-vitface", "torch")
    )


def _without_build(version: str) -> str:
    """Of 2.15.0+cu130, 2.15.0: here may be no GPU, and another build."""
    return version.partition("+")[0]


def compare_versions(client: Any) -> None:
    """Raise `ClusterError` if a worker has other versions than this computer, or none.

    Workers are asked for what the standard library knows, because they may not have our package.
    """
    for package, here in versions_here():
        for worker, version in ask_workers(client, metadata.version, package).items():
            known = isinstance(version, str)
            if known and _without_build(version) == here:
                continue
            has = f"has {version} of" if known else "does not have"
            raise ClusterError(
                f"Worker {worker} {has} {package}, and {here} is here: install the same version "
                "on both, and start the workers anew."
            )


def compare_workers(client: Any, needs: Needs, folders: list[str]) -> dict[str, Abilities]:
    """What workers can do, by address; raises `ClusterError` for the first that is unfit.

    Parameters
    ----------
    folders : list of str
        That some worker sees, but another one does not. Those that none sees are left to the jobs,
        which name the video.
    """
    told: dict[str, Abilities] = {}
    for worker, answer in ask_workers(client, _looking_around, needs, folders).items():
        if isinstance(answer, Exception):
            raise answer
        told[worker] = answer
    seen = {folder for found in told.values() for folder in found.sees}
    for worker, found in told.items():
        unseen = [folder for folder in folders if folder in seen and folder not in found.sees]
        if unseen:
            raise ClusterError(f"Worker {worker} on {found.host} {not_seen(unseen[0])}.")
        if found.problem:
            raise ClusterError(f"Worker {worker} on {found.host} {found.problem}.")
    return told


def not_seen(path: str) -> str:
    """Words about a worker that does not see a path."""
    return (
        f"does not see {path}: mount it there (or say what it is called there with --map-path "
        "HERE=THERE)"
    )


def check(needs: Needs, device: str = "cpu", precision: str = "fp32") -> None:
    """On a worker: raise `Unfit` if it is; workers may come at any time."""
    problem = _problem(needs) or _cannot_compute(device, precision)
    if problem:
        raise Unfit(here(), problem)


def here() -> str:
    """The worker that this runs on: its address and its computer."""
    from distributed import get_worker

    return f"{get_worker().address} on {socket.gethostname()}"


async def _looking_around(needs: Needs, folders: list[str]) -> Abilities:
    # In a thread: loading PyTorch takes seconds, in which a worker has to answer.
    return await asyncio.to_thread(_look_around, needs, folders)


def _look_around(needs: Needs, folders: list[str]) -> Abilities:
    from napari_vitface.model.device import candidate_devices
    from napari_vitface.model.processor import has_bf16_units

    return Abilities(
        host=socket.gethostname(),
        sees=tuple(folder for folder in folders if os.path.isdir(folder)),  # noqa: PTH112
        problem=_problem(needs),
        devices=tuple(device.type for device in candidate_devices()),
        bf16=has_bf16_units(),
    )


@cache
def _problem(needs: Needs) -> str:
    """What is wrong with this worker, in words behind its name; looked at once a process."""
    from napari_vitface.errors import VitFaceError
    from napari_vitface.model.checkpoint import file_digest, find_model

    for package, version in needs.versions:
        mine = metadata.version(package)
        if _without_build(mine) != version:
            return f"has {mine} of {package}, and {version} is where the command was given"
    if not needs.digest:
        return ""
    try:
        file = find_model(needs.model)
        if not Path(file).exists():
            return not_seen(str(file))
        same = file_digest(file) == needs.digest
    except (VitFaceError, OSError) as error:
        return f"cannot read the model {needs.model} ({error})"
    return "" if same else f"has another model in {file} than there is here under its name"


@cache
def _cannot_compute(device: str, precision: str) -> str:
    from napari_vitface.errors import VitFaceError
    from napari_vitface.model.device import candidate_devices, computes_bf16

    try:
        found = candidate_devices(device)[0]
    except VitFaceError as error:
        return f"cannot compute on {device} ({str(error).rstrip('.')})"
    if precision == "bf16" and found.type == "cpu" and not computes_bf16(found):
        return (
            "has a processor without units for bf16, in which the run computes: choose fp32 "
            "(--precision fp32)"
        )
    return ""
