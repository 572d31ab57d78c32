"""Several models' predictions of one video smoothed to one table, by how far they agree."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.conversion import check_needs, target_format, write_predictions
from napari_vitface.formats.format import Format, parted_by_ending, read_as, writers
from napari_vitface.formats.predictions import Predictions
from napari_vitface.jobs.events import Event, Finished, Notice, Preparing, Progress, Started
from napari_vitface.jobs.outputs import refuse_existing
from napari_vitface.jobs.results.smooth import SmoothResult
from napari_vitface.steps import told_as

#: Who made the points of the table.
SCORER = "ensemble"


def smooth(
    tables: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    write_as: str | None = None,
    sure: float = 0.0,
    overwrite: bool = False,
) -> Iterator[Event]:
    """Smooth the predictions of an ensemble of models over time.

    What is done is in `napari_vitface.kinematics.ensemble_tables`. The variance of each point goes
    into the table, where its format holds it.

    Parameters
    ----------
    tables : sequence of path
        Predictions of one video, one of each model, in any format.
    output : path
    write_as : str, optional
        Name of a format; default: what `output` ends in, and holds a variance.
    sure : float
        Confidence below which a point counts as missing.
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    Started, Preparing, Progress, Notice
    Finished
        With a `SmoothResult`.

    Raises
    ------
    VitFaceError
        One sentence: a table cannot be read, or they are not of one video and its keypoints.
    """
    from napari_vitface.kinematics.ensemble_tables import beside, smooth_to_one

    paths, target = [Path(table) for table in tables], Path(output)
    if len(paths) < 2:
        raise VitFaceError("An ensemble is of two models or more: give a table of each.")
    refuse_existing(target, overwrite)
    writer = _target(target, write_as)
    found: list[Predictions] = [read_as("predictions", path) for path in paths]
    ensemble = beside([each.poses for each in found], [path.name for path in paths])
    # All but the points is known before they are smoothed.
    rates = (each.frame_rate for each in found if each.frame_rate is not None)
    first = found[0].poses
    result = Predictions(
        first, SCORER, _video(found, paths), next(rates, None), np.zeros_like(first.xy)
    )
    check_needs(result, writer, paths[0])
    yield Started("smooth", len(ensemble.frames))
    poses, variance = yield from told_as(smooth_to_one(ensemble, sure), Preparing)
    result = replace(result, poses=poses, variance=variance)
    unread = (
        f"{path.name}: {sentence}"
        for path, each in zip(paths, found, strict=True)
        for sentence in each.unread()
    )
    lost = [*unread, *write_predictions(target, result, writer)]
    yield Progress(len(poses), len(poses), 0.0)
    for sentence in lost:
        yield Notice(sentence)
    yield Finished(
        "smooth",
        SmoothResult(
            file=str(target),
            tables=tuple(map(str, paths)),
            written_as=writer.name,
            frames=len(poses),
            points=int(np.isfinite(poses.xy[..., 0]).sum()),
            lost=tuple(lost),
        ),
    )


def _target(path: Path, name: str | None) -> Format:
    """The format to write: the first one of that ending that holds a variance, if there is one."""
    if name is None:
        for one in parted_by_ending(writers("predictions"), path)[0]:
            if "variance" in one.holds:
                return one
    return target_format(path, "predictions", name)


def _video(found: Sequence[Predictions], paths: Sequence[Path]) -> str:
    """The video that the tables are of, where they say it; they must not say several."""
    said = {Path(each.video).name: each.video for each in found if each.video}
    if len(said) > 1:
        raise VitFaceError(
            f"{paths[0].name} and the other tables are of several videos ({', '.join(said)})."
        )
    return next(iter(said.values()), "")
