"""What each editing command says about the points of one frame: numbers in, points out.

Every function takes the frame as it is shown and gives the points that change, by keypoint
position; none knows the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_vitface.gui.shown_pose import ShownPose
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, Point, labelled, occluded
from napari_vitface.pose.table import PointState

Points = dict[int, Point]


def current(pose: ShownPose, keypoint: int) -> Point:
    """What a person said about a keypoint of the frame; absent for a prediction."""
    x, y = pose.xy[keypoint].tolist()
    if pose.state[keypoint] == PointState.LABELLED:
        return labelled(x, y)
    if pose.state[keypoint] == PointState.OCCLUDED:
        return occluded(x, y) if pose.drawn[keypoint] else NOT_VISIBLE
    return ABSENT


def moved(
    pose: ShownPose, places: Mapping[int, tuple[float, float]], size: tuple[int, int]
) -> Points:
    """Points at new places (x, y), within a frame of (height, width).

    A point that a person called occluded stays so: its guessed place moves.
    """
    points: Points = {}
    for keypoint, (x, y) in places.items():
        x = float(np.clip(x, 0, size[1] - 1))
        y = float(np.clip(y, 0, size[0] - 1))
        hidden = pose.state[keypoint] == PointState.OCCLUDED and pose.drawn[keypoint]
        points[keypoint] = occluded(x, y) if hidden else labelled(x, y)
    return points


def nudged(
    pose: ShownPose, keypoints: Iterable[int], dx: float, dy: float, size: tuple[int, int]
) -> Points:
    """Points moved by pixels; those that are not drawn stay as they are."""
    places = {
        k: (float(pose.xy[k, 0] + dx), float(pose.xy[k, 1] + dy))
        for k in keypoints
        if pose.drawn[k]
    }
    return moved(pose, places, size)


def not_visible(keypoints: Iterable[int]) -> Points:
    """Points of which nobody can say where they are; their predictions do not come back."""
    return dict.fromkeys(keypoints, NOT_VISIBLE)


def occlusion_changed(pose: ShownPose, keypoints: Sequence[int]) -> Points:
    """Points called occluded at the place where they are, or visible again if all are occluded.

    One without a place becomes not visible.
    """
    chosen = list(keypoints)
    drawn = [k for k in chosen if pose.drawn[k]]
    if drawn and all(pose.state[k] == PointState.OCCLUDED for k in drawn):
        return {k: labelled(*pose.xy[k].tolist()) for k in drawn}
    return {k: occluded(*pose.xy[k].tolist()) if pose.drawn[k] else NOT_VISIBLE for k in chosen}


def accepted(pose: ShownPose, keypoints: Iterable[int] | None = None) -> Points:
    """Predictions (of some keypoints) turned into labels where they are."""
    chosen = range(len(pose.keypoints)) if keypoints is None else keypoints
    return {k: labelled(*pose.xy[k].tolist()) for k in chosen if pose.drawn[k] and not pose.said[k]}


def copied(pose: ShownPose, before: Mapping[int, Point]) -> Points:
    """What another frame says about the keypoints of which this one says nothing."""
    return {k: p for k, p in before.items() if p != ABSENT and not pose.said[k]}


def swapped(pose: ShownPose, pairs: Iterable[tuple[int, int]]) -> Points:
    """Keypoints of each pair in each other's place, predictions becoming labels.

    A keypoint whose partner is nowhere is called not visible where a model sees it: what it sees
    there is the partner.
    """
    points: Points = {}
    for a, b in pairs:
        if a == b or not (pose.drawn[a] or pose.drawn[b] or pose.said[a] or pose.said[b]):
            continue
        for one, other in ((a, b), (b, a)):
            point = current(pose, other)
            if point == ABSENT and pose.drawn[other]:
                point = labelled(*pose.xy[other].tolist())
            elif point == ABSENT and pose.drawn[one] and not pose.said[one]:
                point = NOT_VISIBLE
            points[one] = point
    return points


def forgotten(keypoints: Iterable[int]) -> Points:
    """Points of which nothing is said any more: predictions are shown again."""
    return dict.fromkeys(keypoints, ABSENT)


def swap_pairs(keypoints: KeypointSet, selected: Sequence[int]) -> list[tuple[int, int]]:
    """What to swap: two selected keypoints, or the left/right pairs of the selected, or all."""
    if len(selected) == 2:
        return [(selected[0], selected[1])]
    pairs = [(keypoints.index(a), keypoints.index(b)) for a, b in keypoints.swaps]
    return [pair for pair in pairs if not selected or set(pair) & set(selected)]


def name_of(keypoints: KeypointSet, chosen: Iterable[int], noun: str = "point") -> str:
    """What an undo line calls some keypoints: the name of one, the number of several."""
    indices = list(chosen)
    if len(indices) == 1:
        return keypoints.names[indices[0]]
    return f"{len(indices)} {noun}s"
