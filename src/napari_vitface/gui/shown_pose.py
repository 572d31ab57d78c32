"""What is shown of one frame: labels where a person said something, predictions elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import FrameLabels
from napari_vitface.pose.table import PointState, PoseTable


@dataclass(frozen=True)
class ShownPose:
    """One frame's points as they are drawn; row k is keypoint k.

    Attributes
    ----------
    keypoints : KeypointSet
        The K keypoints.
    xy : (K, 2) float64
        Video pixels; NaN where nothing is drawn.
    confidence : (K,) float32
        The model's for a prediction, 1 for what a person placed, 0 where there is nothing.
    state : (K,) uint8
        `PointState`; occluded without a place is a point that a person called not visible.
    """

    keypoints: KeypointSet
    xy: NDArray[np.float64]
    confidence: NDArray[np.float32]
    state: NDArray[np.uint8]

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """(K,) whether the keypoint has a place."""
        return ~np.isnan(self.xy[:, 0] + self.xy[:, 1])

    @property
    def said(self) -> NDArray[np.bool_]:
        """(K,) whether a person said something about the keypoint."""
        return np.isin(self.state, (PointState.LABELLED, PointState.OCCLUDED))


def shown_pose(
    keypoints: KeypointSet,
    frame: int,
    labels: FrameLabels | None = None,
    predictions: PoseTable | None = None,
) -> ShownPose:
    """The points of a frame; the cost depends on the number of keypoints alone.

    Parameters
    ----------
    keypoints : KeypointSet
        What to show, in this order. That of `labels`, if given.
    frame : int
    labels : FrameLabels, optional
        Win over predictions, also where they say that a point cannot be seen.
    predictions : PoseTable, optional
        Matched by the keypoints' names; what is in no keypoint of `keypoints` is left out.
    """
    count = len(keypoints)
    xy = np.full((count, 2), np.nan)
    confidence = np.zeros(count, np.float32)
    state = np.zeros(count, np.uint8)
    if predictions is not None and (row := predictions.row(frame)) is not None:
        here, there = matched(keypoints, predictions.keypoints)
        xy[here] = predictions.xy[row, there]
        confidence[here] = np.nan_to_num(predictions.confidence[row, there]).clip(0.0, 1.0)
        state[here] = predictions.state[row, there]
    if labels is not None and frame in labels:
        states = labels.states(frame)
        said = states != PointState.ABSENT
        xy[said] = labels.xy(frame)[said]
        confidence[said] = np.isfinite(xy[said]).all(axis=-1)
        state[said] = states[said]
    return ShownPose(keypoints, xy, confidence, state)


def matched(ours: KeypointSet, theirs: KeypointSet) -> tuple[list[int], list[int]]:
    """Positions in both sets of the keypoints that both have, by name."""
    if ours.names == theirs.names:
        everything = list(range(len(ours)))
        return everything, everything
    place = {name: index for index, name in enumerate(theirs.names)}
    pairs = [(k, place[name]) for k, name in enumerate(ours.names) if name in place]
    return [here for here, _ in pairs], [there for _, there in pairs]
