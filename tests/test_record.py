from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.record import Record, from_plain, optional, plain_data, spread


@dataclass(frozen=True)
class Point(Record):
    x: float
    y: float | None


@dataclass(frozen=True, kw_only=True)
class Found(Record):
    name: str
    places: tuple[Point, ...]
    size: tuple[int, int]
    by_name: Mapping[str, Point]
    why: str | None = optional()
    batch: int | str = "auto"
    chosen: Mapping[str, object] = spread()
    seen: list[int] = field(default_factory=list)


class Kind(StrEnum):
    EYE = "eye"


class Level(IntEnum):
    LOW = 1


@dataclass
class Kept:
    path: Path
    kind: Kind = Kind.EYE
    level: Level = Level.LOW
    crop: tuple[int, int] | str | None = None


@pytest.mark.parametrize("crop", [(1, 2), "auto", None])
def test_paths_enumerations_and_one_of_several_types_come_back(crop: object) -> None:
    kept = Kept(Path("a/b.mp4"), Kind.EYE, Level.LOW, crop)
    back = from_plain(Kept, json.loads(json.dumps(plain_data(kept))))
    assert back == kept
    assert isinstance(back.kind, Kind)
    assert isinstance(back.level, Level)


FOUND = Found(
    name="eye",
    places=(Point(1.5, None), Point(2.0, 3.0)),
    size=(4, 5),
    by_name={"tip": Point(0.0, 1.0)},
)


def test_a_record_is_known_by_its_full_name() -> None:
    assert Record.known[f"{__name__}.Point"] is Point
    assert Point.full_name() == f"{__name__}.Point"


def test_plain_data_are_the_fields_by_name() -> None:
    assert plain_data(FOUND) == {
        "name": "eye",
        "places": [{"x": 1.5, "y": None}, {"x": 2.0, "y": 3.0}],
        "size": [4, 5],
        "by_name": {"tip": {"x": 0.0, "y": 1.0}},
        "batch": "auto",
        "seen": [],
    }


def test_optional_fields_stand_there_if_they_say_something_and_spread_ones_entry_by_entry() -> None:
    said = Found(name="", places=(), size=(1, 2), by_name={}, why="so", chosen={"layers": (0, 2)})
    plain = plain_data(said)
    assert plain["why"] == "so"
    assert plain["layers"] == [0, 2]
    assert "chosen" not in plain


def test_numbers_that_json_does_not_have_become_none() -> None:
    plain = plain_data({1: np.array([1.0, np.nan]), "b": (math.inf, np.float32(2.5), True)})
    assert plain == {"1": [1.0, None], "b": [None, 2.5, True]}
    json.dumps(plain, allow_nan=False)


def test_what_plain_data_made_comes_back_through_json() -> None:
    stored = json.loads(json.dumps(plain_data(FOUND)))
    assert from_plain(Found, stored) == FOUND
    assert from_plain(Found, {**stored, "of a newer version": 1}) == FOUND
    assert from_plain(Found, {**stored, "batch": 8}).batch == 8
    assert from_plain(KeypointSet, MOUSE_FACE.to_dict()) == MOUSE_FACE


@pytest.mark.parametrize(
    "change", [{"places": 3}, {"places": [3]}, {"size": [1, 2, 3]}, {"by_name": [1]}]
)
def test_what_is_something_else_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises((AttributeError, LookupError, TypeError, ValueError)):
        from_plain(Found, {**plain_data(FOUND), **change})
    with pytest.raises(TypeError):
        from_plain(Found, {"name": "eye"})
