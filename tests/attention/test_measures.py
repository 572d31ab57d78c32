"""A map in numbers: entropy, share near the keypoint, and what they say about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_vitface.attention.measures import VERDICTS, MapMeasures, covered_shares, measure_maps

GRID = (6, 8)
#: Patches of 10 x 10 video pixels that begin at the frame's corner.
PLACE = {"scale": (10.0, 10.0), "translate": (4.5, 4.5)}


def measured(
    values: NDArray[np.float32], xy: tuple[float, float], radius: float = 15.0, sure: float = 0.9
) -> MapMeasures:
    return measure_maps(
        values[None, None],
        np.full((1, 1), 0.125, np.float32),
        [[xy]],
        [[sure]],
        radius=radius,
        **PLACE,  # type: ignore[arg-type]
    )


def verdict(found: MapMeasures) -> str:
    return VERDICTS[found.verdict[0, 0]]


def test_an_even_map_has_entropy_one_and_points_nowhere() -> None:
    found = measured(np.full(GRID, 0.3, np.float32), (34.5, 24.5))
    assert found.entropy[0, 0] == pytest.approx(1)
    assert found.near[0, 0] == pytest.approx(found.near_even[0, 0])
    assert found.gain[0, 0] == pytest.approx(1)
    assert found.prefix[0, 0] == 0.125
    assert verdict(found) == "even"


def test_one_patch_has_entropy_zero_and_lies_near_or_elsewhere() -> None:
    one = np.zeros(GRID, np.float32)
    one[2, 3] = 0.02
    near = measured(one, (34.5, 24.5))
    assert near.entropy[0, 0] == 0
    assert near.near[0, 0] == pytest.approx(1)
    assert verdict(near) == "near"
    away = measured(one, (74.5, 54.5))
    assert away.near[0, 0] == 0
    assert verdict(away) == "elsewhere"
    assert verdict(measured(one, (74.5, 54.5), sure=0.3)) == "unsure"
    assert verdict(measured(one, (np.nan, np.nan), sure=np.nan)) == "unsure"


def test_two_patches_alike_have_the_entropy_of_a_coin() -> None:
    two = np.zeros(GRID, np.float32)
    two[0, 0] = two[5, 7] = 3
    assert measured(two, (4.5, 4.5)).entropy[0, 0] == pytest.approx(np.log(2) / np.log(48))


def test_values_below_zero_count_as_nothing_and_an_empty_map_says_nothing() -> None:
    signed = np.zeros(GRID, np.float32)
    signed[1, 1], signed[4, 4] = 2, -5
    assert measured(signed, (14.5, 14.5)).near[0, 0] == pytest.approx(1)
    empty = measured(np.zeros(GRID, np.float32), (14.5, 14.5))
    assert np.isnan(empty.entropy[0, 0])
    assert verdict(empty) == "even"


@given(st.floats(20, 60), st.floats(20, 40), st.floats(5, 19))
def test_the_share_of_an_even_map_is_the_share_of_the_area(
    x: float, y: float, radius: float
) -> None:
    covered = covered_shares(np.array([[x, y]]), GRID, (10, 10), (4.5, 4.5), radius)
    assert covered.shape == (1, *GRID)
    assert covered.sum() * 100 == pytest.approx(np.pi * radius**2, rel=0.1)
    rows, columns = np.indices(GRID)
    distance = np.hypot(columns * 10 + 4.5 - x, rows * 10 + 4.5 - y)
    assert (covered[0][distance > radius + 7.1] == 0).all()
    assert (covered[0][distance < radius - 7.1] == 1).all()


def test_places_scale_with_the_video() -> None:
    values = np.random.default_rng(0).random((1, 1, *GRID)).astype(np.float32)
    share = np.zeros((1, 1), np.float32)
    small = measured(values[0, 0], (30, 22), radius=12)
    large = measure_maps(
        values, share, [[(60, 66)]], [[0.9]], scale=(30, 20), translate=(13.5, 9.0), radius=24
    )
    wide = covered_shares(np.array([60.0, 66.0]), GRID, (30, 20), (13.5, 9.0), 24)
    assert large.near[0, 0] == pytest.approx((values[0, 0] * wide).sum() / values.sum())
    assert small.near[0, 0] != pytest.approx(large.near[0, 0])


def test_a_keypoint_that_is_nowhere_has_nothing_near() -> None:
    covered = covered_shares(np.array([np.nan, 3.0]), GRID, (10, 10), (4.5, 4.5), 50)
    assert not covered.any()
