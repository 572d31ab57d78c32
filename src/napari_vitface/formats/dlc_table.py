"""DeepLabCut's tables: which columns and rows hold which keypoints.

Both labels (``CollectedData_*``) and predictions have one column for each scorer, body part and
coordinate (with an *individuals* level between scorer and body part in projects of several
animals). Labels name an image in each row, predictions a frame number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.formats.table_files import read_header_table
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PoseTable

# Eighteen digits fit into 64 bits.
_WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:\.0*)?\s*")

#: The header rows of tables of predictions, and the columns of a body part in them.
PREDICTION_LEVELS = ("scorer", "bodyparts", "coords")
POSE_COORDS = ("x", "y", "likelihood")

#: The variance of a coordinate in tables of an ensemble Kalman smoother, whose own is the better:
#: it knows what the smoothing took away of what the models of the ensemble disagree on.
VARIANCE_COORDS = (("x_posterior_var", "y_posterior_var"), ("x_ens_var", "y_ens_var"))

#: The individual under which DeepLabCut keeps body parts that are no animal's.
NO_ANIMAL = "single"


def is_frame_number(label: str) -> bool:
    """Whether the label of a row is the number of a frame, also one with a decimal point: 7.0."""
    return bool(_WHOLE_NUMBER.fullmatch(label))


def read_dlc_poses(path: Path, choice: Choice) -> Predictions:
    """Read predictions of one animal, see `napari_vitface.formats.poses.read_poses`."""
    table = read_header_table(path, choice)
    places = point_columns(table, choice)
    frames = _frame_numbers(path, table.index)
    order = np.argsort(frames, kind="stable")
    if (np.diff(frames[order]) == 0).any() or (frames < 0).any():
        raise LabelError(f"{path} names a frame twice or has a negative frame number.")

    values = table.values[order]

    def columns(coord: str) -> NDArray[Any]:
        return values[:, [place[coord] for place in places.values()]]

    xy = np.stack([columns("x"), columns("y")], axis=-1)
    # Half a point is no point.
    xy[~np.isfinite(xy).all(axis=-1)] = np.nan
    everywhere = set.intersection(*(set(place) for place in places.values()))
    confidence = None
    problems: tuple[str, ...] = ()
    # A column that is empty all over says nothing, as none does.
    if "likelihood" in everywhere and np.isfinite(sure := columns("likelihood")).any():
        confidence, problems = confidence_of(sure, xy, keep_absent=True)
    pair: Sequence[str] = next((two for two in VARIANCE_COORDS if everywhere.issuperset(two)), ())
    variance = None
    if pair:
        variance = np.stack([columns(coord) for coord in pair], axis=-1).astype(np.float32)
    names, read = tuple(places), {*POSE_COORDS, "visible", *pair}
    others = dict.fromkeys(coord for place in places.values() for coord in place)
    # With its skeleton where the body parts are those of `MOUSE_FACE`.
    keypoints = MOUSE_FACE if names == MOUSE_FACE.names else KeypointSet(names)
    return Predictions(
        PoseTable(keypoints, xy, confidence, frames=frames[order]),
        table.columns[0][0].strip(),
        variance=variance,
        left_behind=tuple(
            f"the column {each} of each keypoint" for each in others if each not in read
        ),
        problems=problems,
    )


def _frame_numbers(path: Path, index: NDArray[Any]) -> NDArray[np.int64]:
    """The (rows, levels) labels of rows as frame numbers; `LabelError` if they are something else.

    Numbers may be written as text, or with a decimal point: 7.0.
    """
    if len(index) == 0:
        return np.empty(0, np.int64)
    if index.shape[1] == 1:
        if index.dtype.kind in "iu":
            return index[:, 0].astype(np.int64)
        found = [_WHOLE_NUMBER.fullmatch(str(label)) for label in index[:, 0].tolist()]
        if all(found):
            return np.array([int(number[1]) for number in found if number], np.int64)
    raise LabelError(
        f"The rows of {path} are not frame numbers; if it holds labels, read it as labels."
    )


def pose_columns(heading: Heading) -> list[tuple[str, str, str]]:
    """The columns of a table of predictions."""
    coords = (*POSE_COORDS, *(VARIANCE_COORDS[0] if heading.variance else ()))
    scorer = heading.scorer or "unknown"
    return [(scorer, name, coord) for name in heading.keypoints.names for coord in coords]


def point_columns(table: HeaderTable, choice: Choice | None = None) -> dict[str, dict[str, int]]:
    """Where one animal's body parts are: name -> coordinate (x, y, ...) -> column.

    Raises
    ------
    LabelError
        If the columns are not DeepLabCut's, belong to several scorers, or to several animals of
        which none was chosen, or x or y of a body part is not there or there twice.
    """
    path, columns = table.path, table.columns
    if not columns or len(columns[0]) not in (3, 4):
        raise LabelError(
            f"The columns of {path} are not DeepLabCut's scorer, bodyparts and coords."
        )
    scorers = list(dict.fromkeys(column[0].strip() for column in columns))
    if len(scorers) > 1:
        raise LabelError(
            f"{path} holds the labels of several scorers ({', '.join(scorers)}); keep one in a "
            "file."
        )
    chosen = range(len(columns)) if len(columns[0]) == 3 else _columns_of_one_animal(table, choice)
    places: dict[str, dict[str, int]] = {}
    for i in chosen:
        part, coord = columns[i][-2], columns[i][-1].strip().lower()
        if places.setdefault(part, {}).setdefault(coord, i) != i:
            raise LabelError(f"{path} names the same body part twice.")
    for name, place in places.items():
        for coord in ("x", "y"):
            if coord not in place:
                raise LabelError(f"{path} has no {coord} column for {name!r}.")
    return places


def _columns_of_one_animal(table: HeaderTable, choice: Choice | None) -> list[int]:
    """The columns of the animal that has points, or of the one that is chosen of several.

    Body parts under `NO_ANIMAL` go with the one animal.
    """
    parts_of: dict[str, set[str]] = {}
    for _, animal, part, _ in table.columns:
        parts_of.setdefault(animal, set()).add(part)
    with_points = {
        column[1]
        for i, column in enumerate(table.columns)
        if column[3] in ("x", "y") and np.isfinite(table.values[:, i]).any()
    }
    if choice and choice.animal is not None:
        kept = [choice.of_animals(list(parts_of), table.path)]
    else:
        kept = [animal for animal in parts_of if animal in with_points] or list(parts_of)[:1]
    parts = [part for animal in kept for part in parts_of[animal]]
    if len([animal for animal in kept if animal != NO_ANIMAL]) > 1 or len(set(parts)) < len(parts):
        if choice:
            choice.of_animals(kept, table.path)
        raise LabelError(
            f"{table.path} holds points of several animals ({', '.join(kept)}); napari-vitface "
            "works with one animal a video."
        )
    if NO_ANIMAL not in kept and not parts_of.get(NO_ANIMAL, set(parts)) & set(parts):
        kept.append(NO_ANIMAL)
    return [i for i, column in enumerate(table.columns) if column[1] in kept]
