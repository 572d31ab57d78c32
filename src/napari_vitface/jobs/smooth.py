"""Several models' predictions of one video smoothed to one table, by how far they agree."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.conversion import check_needs, target_format, write_predictions
from napari_vitface.formats.format import Format, parted_by_ending, read_as, writers
from napari_vitface.formats.predictions import Predictions
from napari_vitface.jobs.events import Event, Finished, Notice, Preparing, Progress, Started
from napari_vitface.jobs.results.smooth import SmoothResult
from napari_vitface.pose.keypoints import match_names
from napari_vitface.pose.table import PoseTable

#: More than a week at 100 frames a second is a damaged number.
_MOST_FRAMES = 1 << 26
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

    What is done is in `napari_vitface.kinematics.ensemble`. A point in a frame in which no model
    has it stays missing. The variance of each point goes into the table, where its format holds it.

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
    from napari_vitface.kinematics.ensemble import smooth_ensemble

    paths, target = [Path(table) for table in tables], Path(output)
    if len(paths) < 2:
        raise VitFaceError("An ensemble is of two models or more: give a table of each.")
    if os.path.lexists(target) and not overwrite:
        raise VitFaceError(
            f"{target} exists; choose another name, or say that it may be overwritten."
        )
    writer = _target(target, write_as)
    found: list[Predictions] = [read_as("predictions", path) for path in paths]
    frames, xy, confidence = _beside(found, paths)
    yield Started("smooth", len(frames))
    confidence[confidence < sure] = 0
    xy[confidence < sure] = np.nan
    steps = smooth_ensemble(xy, confidence)
    while True:
        try:
            yield Preparing(next(steps))
        except StopIteration as end:
            smoothed = end.value
            break
    there = np.isfinite(xy[..., 0])
    models = there.sum(axis=0)
    points = np.where(np.stack([models, models], axis=-1) > 0, smoothed.xy, np.nan)
    sure_of = np.where(there, confidence, 0).sum(axis=0) / np.maximum(models, 1)
    result = Predictions(
        PoseTable(found[0].poses.keypoints, points, sure_of, frames=frames),
        SCORER,
        _video(found, paths),
        next((each.frame_rate for each in found if each.frame_rate is not None), None),
        smoothed.variance.astype(np.float32),
    )
    check_needs(result, writer, paths[0])
    lost = write_predictions(target, result, writer)
    yield Progress(len(frames), len(frames), 0.0)
    for sentence in lost:
        yield Notice(sentence)
    yield Finished(
        "smooth",
        SmoothResult(
            file=str(target),
            tables=tuple(map(str, paths)),
            written_as=writer.name,
            frames=len(frames),
            points=int((models > 0).sum()),
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


def _beside(
    found: Sequence[Predictions], paths: Sequence[Path]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Frames (T,), points (M, T, K, 2) and confidence (M, T, K) of tables with the same keypoints.

    Frames are all from the first to the last of any table: time is counted in them.
    """
    names = found[0].poses.keypoints.names
    with_rows = [each.poses.frames for each in found if len(each.poses)]
    if not with_rows:
        raise VitFaceError(f"{paths[0].name} and the other tables hold no frame.")
    first = min(int(each[0]) for each in with_rows)
    last = max(int(each[-1]) for each in with_rows)
    if last - first >= _MOST_FRAMES:
        raise VitFaceError(f"{paths[0].name} and the other tables go up to frame {last}.")
    frames = np.arange(first, last + 1)
    shape = (len(found), len(frames), len(names))
    xy, confidence = np.full((*shape, 2), np.nan, np.float32), np.zeros(shape, np.float32)
    for place, (each, path) in enumerate(zip(found, paths, strict=True)):
        own = each.poses.keypoints.names
        meant = match_names(own, names)
        if len(meant) != len(names) or len(own) != len(names):
            odd = [name for name in own if name not in meant]
            odd += [name for name in names if name not in meant.values()]
            raise VitFaceError(
                f"{path.name} has other keypoints than {paths[0].name}, such as {odd[0]!r}: an "
                "ensemble predicts the same ones."
            )
        columns = [names.index(meant[name]) for name in own]
        rows = each.poses.frames - first
        xy[place, rows[:, None], columns] = each.poses.xy
        confidence[place, rows[:, None], columns] = each.poses.confidence
    return frames, xy, confidence


def _video(found: Sequence[Predictions], paths: Sequence[Path]) -> str:
    """The video that the tables are of, where they say it; they must not say several."""
    said = {Path(each.video).name: each.video for each in found if each.video}
    if len(said) > 1:
        raise VitFaceError(
            f"{paths[0].name} and the other tables are of several videos ({', '.join(said)})."
        )
    return next(iter(said.values()), "")
