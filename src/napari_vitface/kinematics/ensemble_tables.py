"""Tables of an ensemble of models: put beside each other, and smoothed to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics.ensemble import smooth_ensemble
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.pose.table import PoseTable
from napari_vitface.steps import Steps

#: More than a week at 100 frames a second is a damaged number.
_MOST_FRAMES = 1 << 26


@dataclass(frozen=True)
class Ensemble:
    """What M models say of the same keypoints.

    Attributes
    ----------
    keypoints : KeypointSet
    frames : (T,) int64
        All from the first to the last of any model: time is counted in them.
    xy : (M, T, K, 2) float32
    confidence : (M, T, K) float32
    """

    keypoints: KeypointSet
    frames: NDArray[np.int64]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]


def beside(tables: Sequence[PoseTable], names: Sequence[str]) -> Ensemble:
    """Tables of one video beside each other, with the keypoints of the first one.

    Parameters
    ----------
    tables : sequence of PoseTable
    names : sequence of str
        What they are called in sentences.

    Raises
    ------
    VitFaceError
        They hold no frame, or other keypoints.
    """
    keypoints = tables[0].keypoints
    with_rows = [table.frames for table in tables if len(table)]
    if not with_rows:
        raise VitFaceError(f"{names[0]} and the other tables hold no frame.")
    first = min(int(each[0]) for each in with_rows)
    last = max(int(each[-1]) for each in with_rows)
    if last - first >= _MOST_FRAMES:
        raise VitFaceError(f"{names[0]} and the other tables go up to frame {last}.")
    shape = (len(tables), last - first + 1, len(keypoints))
    xy, confidence = np.full((*shape, 2), np.nan, np.float32), np.zeros(shape, np.float32)
    for place, (table, name) in enumerate(zip(tables, names, strict=True)):
        own = table.keypoints.names
        meant = match_names(own, keypoints.names)
        if len(meant) != len(keypoints) or len(own) != len(keypoints):
            odd = [each for each in own if each not in meant]
            odd += [each for each in keypoints.names if each not in meant.values()]
            raise VitFaceError(
                f"{name} has other keypoints than {names[0]}, such as {odd[0]!r}: an "
                "ensemble predicts the same ones."
            )
        columns = [keypoints.index(meant[each]) for each in own]
        rows = table.frames - first
        xy[place, rows[:, None], columns] = table.xy
        confidence[place, rows[:, None], columns] = table.confidence
    return Ensemble(keypoints, np.arange(first, last + 1), xy, confidence)


def smooth_to_one(
    ensemble: Ensemble, sure: float = 0.0
) -> Steps[tuple[PoseTable, NDArray[np.float32]]]:
    """One table of an ensemble, and the variance (T, K, 2) of its points in squared pixels.

    A point that no model has in a frame is missing; the confidence of the others is the mean one of
    the models that have it.

    Parameters
    ----------
    sure : float
        Confidence below which a model's point counts as missing.

    Yields
    ------
    str
        What is being done.
    """
    confidence = np.where(ensemble.confidence < sure, np.float32(0), ensemble.confidence)
    xy = np.where((ensemble.confidence < sure)[..., None], np.float32(np.nan), ensemble.xy)
    there = np.isfinite(xy[..., 0])
    models = there.sum(axis=0)
    # What lies before the first point of any model and behind the last one says nothing.
    known = np.flatnonzero(models.any(axis=1))
    span = slice(known[0], known[-1] + 1) if len(known) else slice(0, 0)
    points = np.full(xy.shape[1:], np.nan)
    variance = np.full(xy.shape[1:], np.nan, np.float32)
    smoothed = yield from smooth_ensemble(xy[:, span], confidence[:, span])
    points[span], variance[span] = smoothed.xy, smoothed.variance
    points[models == 0] = np.nan
    mean = np.where(there, confidence, 0).sum(axis=0) / np.maximum(models, 1)
    return PoseTable(ensemble.keypoints, points, mean, frames=ensemble.frames), variance
