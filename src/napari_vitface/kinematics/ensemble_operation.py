"""Smoothing of predictions together with those of other models, as an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vitface.kinematics.ensemble_tables import beside, smooth_to_one
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.steps import result_of, told_as

#: What the predictions that are smoothed are called in sentences.
_OWN = "the predictions shown"


def smooth_with(
    table: PoseTable,
    others: Sequence[PoseTable],
    names: Sequence[str],
    wanted: NDArray[np.bool_],
    sure: float,
    tell: Callable[[str], object],
) -> tuple[PoseTable, NDArray[np.float32]]:
    """A table as one of an ensemble, smoothed by how far the models agree.

    Parameters
    ----------
    table : PoseTable
        Not changed.
    others : sequence of PoseTable
        Of the other models, of the same video.
    names : sequence of str
        What the others are called in sentences.
    wanted : (T, K) array of bool
        Points that may be changed.
    sure : float
        Confidence below which a model's point counts as missing. What all models lack stays as it
        is.
    tell : callable
        Told in a few words what is being done; what it raises ends the work.

    Returns
    -------
    poses : PoseTable
        Confidence of the points that changed is the mean one of the models that have them.
    variance : (T, K, 2) float32
        Of these points, in squared pixels; NaN elsewhere.

    Raises
    ------
    VitFaceError
        The tables are of other keypoints.
    """
    steps = smooth_to_one(beside([table, *others], [_OWN, *names]), sure)
    smoothed, spread = result_of(told_as(steps, tell))
    rows = np.searchsorted(smoothed.frames, table.frames)
    changed = wanted & np.isfinite(smoothed.xy[rows]).all(axis=-1)
    xy = np.where(changed[..., None], smoothed.xy[rows], table.xy)
    confidence = np.where(changed, smoothed.confidence[rows], table.confidence)
    state = np.where(changed, np.uint8(PointState.PREDICTED), table.state)
    variance = np.where(changed[..., None], spread[rows], np.float32(np.nan))
    return PoseTable(table.keypoints, xy, confidence, state, table.frames), variance
