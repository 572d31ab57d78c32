"""Long tables, with a row for each keypoint of each frame: what their columns mean.

Columns are ``frame``, ``keypoint``, ``x``, ``y``, ``confidence`` and ``state``, and where there is
something to say ``video``, ``animal``, ``x_variance``, ``y_variance`` and, of labels, ``image``.
The state is absent, predicted, labelled or occluded; rows without one are predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.formats.format import Content
from napari_vitface.formats.labelled_images import Labels, named_from
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

#: What else the columns are called.
ALIASES = {
    "likelihood": "confidence",
    "score": "confidence",
    "bodypart": "keypoint",
    "node": "keypoint",
    "individual": "animal",
    "track": "animal",
}
NAMES = ("video", "animal", "keypoint", "state", "image")
NUMBERS = ("x", "y", "confidence", "x_variance", "y_variance")
_NEEDED = ("frame", "keypoint", "x", "y")
_STATES = [state.name.lower() for state in PointState]
_PREDICTED = ("predicted", "absent")
_LABELLED = ("labelled", "occluded", "absent")


def is_long(columns: Sequence[str]) -> bool:
    """Whether the columns of a table are those of a long one."""
    return {*_NEEDED}.issubset(map(meaning, columns))


def meaning(column: str) -> str:
    """What a column is called here."""
    plain = column.strip().lower()
    return ALIASES.get(plain, plain)


# --- from points to rows --------------------------------------------------------------------------


def rows_of_points(
    heading: Heading, frames: NDArray[np.int64], values: NDArray[np.float32]
) -> pd.DataFrame:
    """The rows of some frames (N,) with their points (N, K * width)."""
    count = len(heading.keypoints)
    points = values.reshape(len(frames) * count, heading.width)
    present = np.isfinite(points[:, 0]).astype(np.int8)
    columns: dict[str, object] = {
        "frame": np.repeat(frames, count),
        "keypoint": _codes(np.tile(np.arange(count), len(frames)), heading.keypoints.names),
        "x": points[:, 0],
        "y": points[:, 1],
        "confidence": points[:, 2],
        "state": _codes(present, _STATES),
    }
    if heading.variance:
        columns |= {"x_variance": points[:, 3], "y_variance": points[:, 4]}
    if heading.video:
        columns = {"video": _codes(np.zeros(len(points), int), [heading.video]), **columns}
    return pd.DataFrame(columns)


def rows_of_labels(labels: Labels, folder: Path) -> pd.DataFrame:
    """The rows of all labels; images are named from a folder where they are below it."""
    count = len(labels.keypoints)
    placed = np.isfinite(labels.xy).all(axis=-1)
    xy = np.where(np.stack([placed, placed], axis=-1), labels.xy, labels.guesses)
    state = np.where(labels.occluded, PointState.OCCLUDED, PointState.ABSENT)
    state = np.where(placed, PointState.LABELLED, state)
    images = [named_from(folder, image) for image in labels.images]
    return pd.DataFrame({
        "video": np.repeat(labels.videos.astype(object), count),
        "frame": np.repeat(labels.frames, count),
        "image": np.repeat(np.array(images, dtype=object), count),
        "keypoint": _codes(np.tile(np.arange(count), len(labels)), labels.keypoints.names),
        "x": xy[..., 0].ravel(),
        "y": xy[..., 1].ravel(),
        "state": _codes(state.ravel(), _STATES),
    })  # fmt: skip


def _codes(codes: NDArray[np.integer[Any]], names: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(names), dtype=object))


# --- from rows to points --------------------------------------------------------------------------


def contents(pieces: Iterable[pd.DataFrame], path: Path) -> list[Content]:
    """What is in a table: predictions, labels or both."""
    states: set[str] = set()
    for piece in pieces:
        states.update(_states(piece, path).unique())
    labels = bool(states & {"labelled", "occluded"})
    found: list[Content] = ["labels"] if labels else []
    return found if labels and "predicted" not in states else ["predictions", *found]


def read_predictions(pieces: Iterable[pd.DataFrame], path: Path, choice: Choice) -> Predictions:
    """The predictions in a table, which comes in pieces; rows that are labels are left out.

    Frames of which all rows are absent stay as frames without a point.
    """
    rows = _Rows(path)
    for piece in pieces:
        rows.add(piece[_states(piece, path).isin(_PREDICTED)])
    video = choice.of_tables(rows.names("video"), path) if rows.names("video") else ""
    chosen = rows.of("video", video)
    animals = [name for name in rows.names("animal") if name]
    if animals:
        chosen &= rows.of("animal", choice.of_animals(animals, path))
    numbers = rows.numbers()[chosen]
    frames, places = np.unique(rows.frames()[chosen], return_inverse=True)
    absent = rows.absent()[chosen]
    codes = rows.codes("keypoint")[chosen]
    kept = np.unique(codes)
    # In the order in which they first stand in the file.
    names = tuple(rows.names("keypoint")[i] for i in kept)
    if not names:
        raise LabelError(f"{path} holds no predictions.")
    _check(names, path)
    columns = np.searchsorted(kept, codes)
    if len(np.unique((places * len(names) + columns)[~absent])) < np.count_nonzero(~absent):
        raise LabelError(f"{path} names a keypoint of one frame twice.")
    values = np.full((len(frames), len(names), len(NUMBERS)), np.nan, np.float32)
    # A table of predictions and labels has a row of each for a point; what is there counts.
    for some in (absent, ~absent):
        values[places[some], columns[some]] = numbers[some]
    xy = values[..., :2]
    xy[~np.isfinite(xy).all(axis=-1)] = np.nan
    confidence = values[..., 2]
    if np.isnan(confidence).all():
        confidence = np.ones_like(confidence)
    confidence, problems = confidence_of(confidence, xy)
    variance = values[..., 3:]
    return Predictions(
        PoseTable(KeypointSet(names), xy, confidence, frames=frames),
        video=video,
        variance=variance if np.isfinite(variance).any() else None,
        problems=problems,
    )


def read_labels(
    pieces: Iterable[pd.DataFrame], path: Path, choice: Choice, scorer: str = ""
) -> Labels:
    """The labels in a table; rows that are predictions are left out."""
    table = pd.concat(list(pieces), ignore_index=True)
    table["state"] = _states(table, path)
    predicted = (table["state"] == "predicted").any()
    table = table[table["state"].isin(_LABELLED)]
    defaults = {"video": path.stem, "animal": "", "keypoint": "", "image": ""}
    for name, default in defaults.items():
        table[name] = _texts(table[name]) if name in table else default
    animals = [name for name in table["animal"].unique() if name]
    if animals:
        table = table[table["animal"] == choice.of_animals(animals, path)]
    # An image whose name holds no number has -1.
    table["frame"] = _frames(table, path, least=-1)
    image = ["video", "frame", "image"]
    if predicted:
        # The absent rows of predictions are no labelled images.
        table = table[(table["state"] != "absent") | _beside_labels(table, image)]
    names = tuple(dict.fromkeys(table["keypoint"]))
    _check(names, path)
    point = [*image, "keypoint"]
    table = table[
        (table["state"] != "absent") | ~(_beside_labels(table, point) | table.duplicated(point))
    ]
    keys = list(zip(*(table[name] for name in image), strict=True))
    rows = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    if not rows:
        raise LabelError(f"{path} holds no labels.")
    xy = np.full((len(rows), len(names), 2), np.nan)
    occluded = np.zeros(xy.shape[:2], bool)
    where = [rows[key] for key in keys], [names.index(name) for name in table["keypoint"]]
    if len({*zip(*where, strict=True)}) < len(keys):
        raise LabelError(f"{path} names a keypoint of one frame twice.")
    xy[where] = table[["x", "y"]].to_numpy(np.float64)
    occluded[where] = (table["state"] == "occluded").to_numpy()
    xy[~np.isfinite(xy).all(axis=-1)] = np.nan
    hidden = occluded[..., None]
    images = [
        path.parent / (str(image) or f"labeled-data/{video}/img{frame:04d}.png")
        for video, frame, image in rows
    ]
    return Labels(
        KeypointSet(names),
        np.where(hidden, np.nan, xy),
        tuple(images),
        np.array([str(video) for video, _, _ in rows]),
        np.array([frame for _, frame, _ in rows], np.int64),
        scorer,
        (),
        occluded,
        np.where(hidden, xy, np.nan),
    )


def _check(names: Sequence[str], path: Path) -> None:
    if not all(name.strip() for name in names):
        raise LabelError(f"{path} has a row without the name of a keypoint.")


def _states(rows: pd.DataFrame, path: Path) -> pd.Series[str]:
    """What each row is; `LabelError` for a word that is none of ours."""
    if "state" not in rows:
        return pd.Series("predicted", index=rows.index)
    codes, words = pd.factorize(rows["state"], use_na_sentinel=False)
    meant = ["predicted" if pd.isna(word) or word == "" else str(word) for word in words]
    unknown = sorted(set(meant).difference(_STATES))
    if unknown:
        raise LabelError(
            f"{path} has rows of the state {unknown[0]!r}; there is {', '.join(_STATES)}."
        )
    return pd.Series(np.array(meant, dtype=object)[codes], index=rows.index, dtype=object)


def _beside_labels(table: pd.DataFrame, columns: list[str]) -> NDArray[np.bool_]:
    """Which rows have in some columns what a row of a label has there."""
    labels = table.loc[table["state"] != "absent", columns]
    return pd.MultiIndex.from_frame(table[columns]).isin(pd.MultiIndex.from_frame(labels))


def _texts(column: pd.Series[Any]) -> pd.Series[str]:
    """Names as text, also of animals that a table numbers; empty where there is none."""
    codes, found = pd.factorize(column, use_na_sentinel=False)
    texts = [
        "" if pd.isna(one) else f"{one:.15g}" if isinstance(one, float | np.floating) else str(one)
        for one in found
    ]
    return pd.Series(np.array(texts, dtype=object)[codes], index=column.index, dtype=object)


def _frames(rows: pd.DataFrame, path: Path, least: int = 0) -> NDArray[np.int64]:
    """The frame of each row; `LabelError` for what is no number of one."""
    try:
        frames = rows["frame"].to_numpy(np.float64 if rows["frame"].dtype.kind == "f" else np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise LabelError(f"{path} holds something that is not a number ({error}).") from None
    wrong = frames[~((frames >= least) & (frames < 1 << 53)) | (frames != np.floor(frames))]
    if len(wrong):
        raise LabelError(
            f"{path} has a row of frame {wrong[0]:g}; frames are whole numbers from 0 on."
        )
    return frames.astype(np.int64)


class _Rows:
    """The rows of a table as arrays, gathered piece by piece."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: list[NDArray[np.int64]] = []
        self._numbers: list[NDArray[np.float32]] = []
        self._absent: list[NDArray[np.bool_]] = []
        self._codes: dict[str, list[NDArray[np.int64]]] = {name: [] for name in NAMES[:3]}
        self._known: dict[str, dict[str, int]] = {name: {} for name in NAMES[:3]}

    def add(self, piece: pd.DataFrame) -> None:
        numbers = np.full((len(piece), len(NUMBERS)), np.nan, np.float32)
        self._frames.append(_frames(piece, self._path))
        try:
            for i, name in enumerate(NUMBERS):
                if name in piece:
                    numbers[:, i] = piece[name].to_numpy(np.float64)
        except (ValueError, TypeError, OverflowError) as error:
            raise LabelError(
                f"{self._path} holds something that is not a number ({error})."
            ) from None
        self._numbers.append(numbers)
        self._absent.append((_states(piece, self._path) == "absent").to_numpy(bool))
        for name, codes in self._codes.items():
            known = self._known[name]
            column = _texts(piece[name]) if name in piece else pd.Series([""] * len(piece))
            found, unique = pd.factorize(column)
            meant = [known.setdefault(str(one), len(known)) for one in unique]
            codes.append(np.array(meant, np.int64)[found] if meant else np.empty(0, np.int64))

    def frames(self) -> NDArray[np.int64]:
        return np.concatenate([*self._frames, np.empty(0, np.int64)])

    def numbers(self) -> NDArray[np.float32]:
        return np.concatenate([*self._numbers, np.empty((0, len(NUMBERS)), np.float32)])

    def absent(self) -> NDArray[np.bool_]:
        return np.concatenate([*self._absent, np.empty(0, bool)])

    def codes(self, name: str) -> NDArray[np.int64]:
        return np.concatenate([*self._codes[name], np.empty(0, np.int64)])

    def names(self, name: str) -> list[str]:
        return list(self._known[name])

    def of(self, name: str, value: str) -> NDArray[np.bool_]:
        return self.codes(name) == self._known[name].get(value, -1)
