"""Operations on predictions: plain data that say what is smoothed or filled, and doing them.

An operation is a JSON object with one of

* ``"smooth": "median"`` and ``"window"`` (odd number of frames), or
* ``"smooth": "savgol"`` (Savitzky-Golay), ``"window"`` and ``"order"``, or
* ``"smooth": "ensemble"`` and ``"tables"`` (list of files with predictions of other models: a point
  is smoothed by how far the models agree, `napari_vitface.kinematics.ensemble`), or
* ``"fill": "linear"`` and ``"longest"`` (frames of the longest gap that is filled),

and, if wanted, ``"confidence"`` (predictions below it count as missing), ``"keypoints"`` (list of
names; all without) and ``"frames"`` (``[first, stop]``, stop excluded; all without). ``"model"``
says whose predictions it is meant for; that is for the caller to look at (`operations_for`).

A missing or doubtful prediction is no input to smoothing, and smoothing does not change it; gap
filling replaces it. What a person said about a point, its position or that it cannot be seen, is
never changed, and a labelled position is a good sample whatever the confidence. Confidence stays
the network's own: that of a filled point does not rise. That of a point of an ensemble is the mean
one of its models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics.ensemble_operation import smooth_with
from napari_vitface.kinematics.gaps import fill_gaps
from napari_vitface.kinematics.smoothing import median_filter, savgol_filter
from napari_vitface.pose.edits import Operation
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.words import counted

_COMMON = {"confidence", "keypoints", "frames", "model"}
_OWN: dict[tuple[str, str], set[str]] = {
    ("smooth", "median"): {"window"},
    ("smooth", "savgol"): {"window", "order"},
    ("smooth", "ensemble"): {"tables"},
    ("fill", "linear"): {"longest"},
}
_WORDS = {
    "median": "median filter", "savgol": "Savitzky-Golay filter", "ensemble": "ensemble of models",
    "linear": "gap filling",
}  # fmt: skip

#: Longest window. Longer ones are not smoothing any more and would take minutes.
MAX_WINDOW = 1001

#: Frames of one keypoint that are worked on at once.
_BLOCK = 1 << 16


#: Reads the predictions in a file that an operation names.
Read = Callable[[str], PoseTable]


@dataclass(frozen=True)
class Filtered:
    """Predictions with operations done.

    Attributes
    ----------
    poses : PoseTable
    variance : (T, K, 2) float32 or None
        Of the points that the last operation smoothed, in squared pixels, if it knows it.
    """

    poses: PoseTable
    variance: NDArray[np.float32] | None = None


class OperationError(VitFaceError):
    """An operation is not one that is known here, or its numbers make no sense."""


def check_operation(operation: Operation) -> None:
    """Raise `OperationError`, with a sentence, unless `apply_operations` understands it."""
    method = _method(operation)
    unknown = set(operation) - {method[0]} - _OWN[method] - _COMMON
    if unknown:
        raise OperationError(
            f"The filter {_WORDS[method[1]]} has the unknown setting "
            f"{sorted(unknown)[0]!r}; a newer version of napari-vitface may have written it."
        )
    missing = _OWN[method] - set(operation)
    if missing:
        raise OperationError(f"A filter lacks its {sorted(missing)[0]!r}.")
    if "window" in operation:
        window = operation["window"]
        if not _is_count(window) or window % 2 == 0 or not 3 <= window <= MAX_WINDOW:
            raise OperationError(
                f"A filter's window must be an odd number of frames from 3 to {MAX_WINDOW}, "
                f"not {window!r}."
            )
    if "order" in operation:
        order = operation["order"]
        if not _is_count(order) or not 0 <= order < min(operation["window"], 10):
            raise OperationError(
                "The order of a Savitzky-Golay filter must be less than its window and below 10, "
                f"not {order!r}."
            )
    if "longest" in operation and not (_is_count(operation["longest"]) and operation["longest"]):
        raise OperationError(
            f"The longest gap to fill must be a number of frames, not {operation['longest']!r}."
        )
    confidence = operation.get("confidence")
    if confidence is not None and not (_is_number(confidence) and 0 <= confidence <= 1):
        raise OperationError(
            f"A filter's least confidence must be from 0 to 1, not {confidence!r}."
        )
    frames = operation.get("frames")
    if frames is not None and not (
        isinstance(frames, list | tuple) and len(frames) == 2 and all(map(_is_count, frames))
    ):
        raise OperationError(f"A filter's frames must be two numbers, not {frames!r}.")
    for names in ("keypoints", "tables"):
        given = operation.get(names)
        if given is not None and not (
            isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)
        ):
            raise OperationError(f"A filter's {names} must be names, not {given!r}.")
    if "tables" in operation and not operation["tables"]:
        raise OperationError("An ensemble is of two models or more: choose a table of another one.")


def describe_operation(operation: Operation) -> str:
    """A few words for an undo line: "median filter over 5 frames (nose tip)"."""
    method = _method(operation)
    if method[0] == "fill":
        words = f"fill gaps up to {counted(operation['longest'], 'frame')}"
    elif method[1] == "ensemble":
        words = f"ensemble of {1 + len(operation['tables'])} models"
    else:
        words = f"{_WORDS[method[1]]} over {counted(operation['window'], 'frame')}"
    if operation.get("confidence"):
        words += f", confidence at least {operation['confidence']:g}"
    keypoints = operation.get("keypoints")
    if keypoints:
        shown = ", ".join(keypoints) if len(keypoints) <= 3 else counted(len(keypoints), "keypoint")
        words += f" ({shown})"
    frames = operation.get("frames")
    if frames:
        words += f" in frames {frames[0]} to {frames[1] - 1}"
    return words


def operations_for(operations: Sequence[Operation], model: str) -> list[Operation]:
    """Those that are meant for the predictions of a model."""
    return [each for each in operations if each.get("model") in (None, "", model)]


def apply_operations(
    table: PoseTable,
    operations: Sequence[Operation],
    on_progress: Callable[[float], None] | None = None,
    read: Read | None = None,
) -> PoseTable:
    """The table with operations done, in their order; see `filter_poses`."""
    return filter_poses(table, operations, on_progress, read).poses


def filter_poses(
    table: PoseTable,
    operations: Sequence[Operation],
    on_progress: Callable[[float], None] | None = None,
    read: Read | None = None,
) -> Filtered:
    """Do operations on a table, in their order.

    Parameters
    ----------
    table : PoseTable
        Not changed. Windows and gaps are counted in frames; a frame that has no row is missing.
    operations : sequence of dict
        See the module. Keypoints that the table does not have are passed over.
    on_progress : callable, optional
        Told the share that is done; what it raises ends the work.
    read : callable, optional
        Reads the tables that operations name.

    Returns
    -------
    Filtered
        Its table shares the arrays that did not change with `table`.

    Raises
    ------
    OperationError
        If an operation is not understood, or names tables that nobody reads; nothing is done then.
    VitFaceError
        If a table cannot be read, or is of other keypoints.
    """
    for operation in operations:
        check_operation(operation)
    # The result is a table of its own also where nothing is done.
    filtered = Filtered(copy(table))
    for done, operation in enumerate(operations):

        def tell(share: float, done: int = done) -> None:
            if on_progress is not None:
                on_progress((done + share) / len(operations))

        if "tables" in operation:
            filtered = _apply_ensemble(filtered.poses, operation, read, tell)
        else:
            filtered = Filtered(_apply(filtered.poses, operation, tell))
    return filtered


def _apply(table: PoseTable, operation: Operation, tell: Callable[[float], None]) -> PoseTable:
    """Do an operation on each keypoint by itself."""
    if len(table) and len(table) != table.frames[-1] - table.frames[0] + 1:
        return _apply_sparsely(table, operation, tell)
    xy, state = table.xy.copy(), table.state.copy()
    columns = _columns(operation, table)
    for done, column in enumerate(columns, 1):
        _do(operation, xy, state, table, column)
        tell(done / len(columns))
    return PoseTable(table.keypoints, xy, table.confidence, state, table.frames)


def _apply_sparsely(
    table: PoseTable, operation: Operation, tell: Callable[[float], None]
) -> PoseTable:
    """The same for a table that lacks frames: it gets rows for them while it is done.

    A gap that is filled in a frame without a row is no input to the next operation, or the result
    would depend on how many operations are done at once.
    """
    first, last = int(table.frames[0]), int(table.frames[-1])
    rows = table.frames - first
    shifted = PoseTable(table.keypoints, table.xy, table.confidence, table.state, rows)
    if operation.get("frames"):
        frames = [max(0, frame - first) for frame in operation["frames"]]
        operation = {**operation, "frames": frames}
    whole = _apply(shifted.dense(last - first + 1), operation, tell)
    return PoseTable(
        table.keypoints, whole.xy[rows], table.confidence, whole.state[rows], table.frames
    )


def _apply_ensemble(
    table: PoseTable, operation: Operation, read: Read | None, tell: Callable[[float], None]
) -> Filtered:
    """Smooth a table as one of an ensemble."""
    names = operation["tables"]
    if read is None:
        raise OperationError(f"The table {names[0]} of an ensemble is not read here.")
    start, stop = operation.get("frames") or (0, np.inf)
    inside = (table.frames >= start) & (table.frames < stop)
    columns = np.zeros(len(table.keypoints), np.bool_)
    columns[_columns(operation, table)] = True
    wanted = inside[:, None] & columns & ~_spoken(table.state)
    tell(0.1)
    others = [read(name) for name in names]
    sure = operation.get("confidence", 0.0)
    return Filtered(*smooth_with(table, others, names, wanted, sure, lambda _: tell(0.5)))


def _do(
    operation: Operation,
    xy: NDArray[np.float32],
    state: NDArray[np.uint8],
    table: PoseTable,
    column: int,
) -> None:
    """Do one operation on one keypoint, in place."""
    first = int(table.frames[0]) if len(table) else 0
    start, stop = 0, len(table)
    if operation.get("frames"):
        start, stop = (int(np.clip(frame - first, 0, len(table))) for frame in operation["frames"])
    if stop <= start:
        return
    spoken = _spoken(state[:, column])
    good = np.isfinite(xy[:, column]).all(axis=-1)
    if operation.get("confidence"):
        labelled = state[:, column] == PointState.LABELLED
        with np.errstate(invalid="ignore"):
            good &= labelled | (table.confidence[:, column] >= operation["confidence"])
    if "fill" in operation:
        filled, changed = fill_gaps(xy[:, column], good, int(operation["longest"]))
        changed &= ~spoken
        changed[:start] = False
        changed[stop:] = False
        xy[changed, column] = filled[changed]
        state[changed, column] = PointState.PREDICTED
        return
    half = int(operation["window"]) // 2
    source = xy[:, column].copy()
    source[~good] = np.nan
    free = good & ~spoken
    for begin in range(start, stop, _BLOCK):
        end = min(begin + _BLOCK, stop)
        # What lies outside the frames to be changed is looked at, too.
        left, right = max(0, begin - half), min(len(table), end + half)
        rows = begin + np.flatnonzero(free[begin:end])
        for channel in range(2):
            smooth = _smooth(operation, source[left:right, channel])
            xy[rows, column, channel] = smooth[rows - left]


def _smooth(operation: Operation, values: NDArray[np.float32]) -> NDArray[np.float64]:
    if operation["smooth"] == "median":
        return median_filter(values, int(operation["window"]))
    return savgol_filter(values, int(operation["window"]), int(operation["order"]))


def _spoken(state: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Points that a person said something about."""
    return (state == PointState.LABELLED) | (state == PointState.OCCLUDED)


def _columns(operation: Operation, table: PoseTable) -> list[int]:
    names = operation.get("keypoints")
    if names is None:
        return list(range(len(table.keypoints)))
    return [k for k, name in enumerate(table.keypoints.names) if name in set(names)]


def _method(operation: Operation) -> tuple[str, str]:
    named = [
        (key, value)
        for key, value in operation.items()
        if isinstance(value, str) and (key, value) in _OWN
    ]
    if len(named) != 1:
        raise OperationError(
            f"No filter is known that is described by {dict(operation)}; a newer version of "
            "napari-vitface may have written it."
        )
    return named[0]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
