from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_vitface.jobs.suggesting.criteria import (
    SPEAKS,
    Sign,
    disagreement,
    jumps,
    lively,
    low_confidence,
    no_sign,
    together,
    unlike,
)
from napari_vitface.jobs.suggesting.diverse_frames import choose, nearest, principal, spread_best
from napari_vitface.jobs.suggesting.test_time_augmentation import CHANGES, SmallChange

NAMES = ("eye", "nose tip", "mouth")
DIAGONAL = 1000.0


def walk(count: int = 60) -> np.ndarray:
    """Three points that tremble by about a pixel."""
    rng = np.random.default_rng(0)
    return 300 + rng.normal(0, 1, (count, 3, 2))


def test_low_confidence_names_the_points_and_how_sure_they_are() -> None:
    confidence = np.full((20, 3), 0.95)
    confidence[7] = (0.5, 0.2, 0.31)
    sign = low_confidence(confidence, NAMES)
    assert sign.score.argmax() == 7
    assert sign.reasons[7] == "low confidence: nose tip at 0.20, mouth at 0.31 and 1 more"
    assert not any(sign.reasons[:7] + sign.reasons[8:])


def test_a_keypoint_that_is_always_unsure_does_not_mark_every_frame() -> None:
    confidence = np.full((20, 3), 0.95)
    confidence[:, 2] = 0.3
    confidence[4, 2] = 0.05
    sign = low_confidence(confidence, NAMES)
    assert [i for i, reason in enumerate(sign.reasons) if reason] == [4]


def test_points_that_were_not_predicted_are_not_unsure() -> None:
    confidence = np.full((20, 3), 0.95)
    confidence[3] = np.nan
    assert low_confidence(confidence, NAMES).score.max() == 0


def test_frames_in_which_much_moves_are_named_with_the_region() -> None:
    energy = np.random.default_rng(0).normal(2, 0.1, (60, 2))
    energy[40, 1] = 9
    energy[3] = np.nan
    sign = lively(energy, ("", "pad"))
    assert sign.score.argmax() == 40
    assert sign.reasons[40] == "much moves in pad (9.0 grey levels)"
    assert not any(sign.reasons[:40] + sign.reasons[41:])
    assert sign.score[3] == 0
    assert lively(np.zeros((5, 1)), ("",)).score.max() == 0


@pytest.mark.parametrize(("surer", "blamed"), [(29, 30), (30, 29)])
def test_of_a_jump_the_less_sure_frame_is_blamed(surer: int, blamed: int) -> None:
    xy = walk()
    xy[30:, 1] += (40, 0)
    confidence = np.full((60, 3), 0.9)
    confidence[surer] = 0.95
    sign = jumps(np.arange(60), xy, confidence, NAMES, DIAGONAL)
    assert [i for i, reason in enumerate(sign.reasons) if reason] == [blamed]
    assert sign.reasons[blamed].startswith("nose tip jumps by ")
    assert abs(int(sign.reasons[blamed].split()[-2]) - 40) <= 4


def test_frames_far_apart_in_time_are_not_compared() -> None:
    xy = walk()
    xy[30:, 1] += (40, 0)
    sign = jumps(np.arange(60) * 5, xy, np.ones((60, 3)), NAMES, DIAGONAL)
    assert sign.score.max() == 0


def test_disagreement_names_the_change_that_moves_a_point_most() -> None:
    moved = np.random.default_rng(0).uniform(0, 3, (3, 40, 3))
    moved[1, 5, 2] = 25
    sign = disagreement(moved, ("shifted", "shrunk", "darkened"), NAMES, DIAGONAL)
    assert sign.reasons[5] == "mouth moves by 25 px when the image is shrunk"
    assert sum(bool(reason) for reason in sign.reasons) == 1


def test_frames_unlike_the_labelled_ones_say_so() -> None:
    sign = unlike(np.array([0.1, 0.9, 1.5]), 1.0)
    assert sign.reasons == ("", "", "looks unlike labelled frames")


@given(
    arrays(float, (3, 12), elements=st.floats(0, 1)),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.integers(0, 2),
    st.integers(0, 11),
)
def test_more_doubt_never_lowers_the_score(
    scores: np.ndarray, weights: tuple[float, ...], which: int, frame: int
) -> None:
    def total(values: np.ndarray) -> np.ndarray:
        return together([Sign(row, ("",) * 12) for row in values], weights)

    before = total(scores)
    assert ((before >= 0) & (before <= 1)).all()
    more = scores.copy()
    more[which, frame] = 1
    assert total(more)[frame] >= before[frame] - 1e-12


def test_no_sign_says_nothing() -> None:
    assert no_sign(3).score.tolist() == [0, 0, 0]
    assert 0 < SPEAKS < 1


# --- changes of the image -------------------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.words)
@given(x=st.floats(30, 98), y=st.floats(25, 71))
def test_points_are_mapped_back_to_where_they_were(change: SmallChange, x: float, y: float) -> None:
    rows, columns = np.mgrid[:96, :128]
    spot = 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
    canvas = spot.astype(np.uint8)[None, None]
    changed = change.apply(canvas)
    assert changed.shape == canvas.shape
    assert changed.dtype == np.uint8
    assert (changed != canvas).any()
    weight = changed[0, 0].astype(float)
    found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    np.testing.assert_allclose(change.back(found, (96, 128)), (x, y), atol=0.35)


# --- choosing -------------------------------------------------------------------------------------


def three_kinds() -> tuple[np.ndarray, np.ndarray]:
    """Features of 90 frames of three kinds, and the kind of each."""
    rng = np.random.default_rng(1)
    kinds = np.repeat([0, 1, 2], 30)
    return np.eye(3)[kinds] * 10 + rng.normal(0, 0.3, (90, 3)), kinds


def test_frames_of_each_kind_are_chosen_even_if_one_kind_is_worse() -> None:
    points, kinds = three_kinds()
    score = np.where(kinds == 0, 0.9, 0.2) + np.linspace(0, 0.01, 90)
    chosen = choose(score, points, np.arange(90), 3, gap=1)
    assert set(kinds[chosen]) == {0, 1, 2}
    assert chosen[0] == 29, "the best of all comes first"
    assert chosen == choose(score, points, np.arange(90), 3, gap=1)


@given(st.integers(1, 30), st.integers(1, 12))
def test_chosen_frames_keep_their_distance(count: int, gap: int) -> None:
    rng = np.random.default_rng(count * 100 + gap)
    frames = np.sort(rng.choice(400, 60, replace=False))
    score = rng.random(60)
    chosen = choose(score, rng.normal(size=(60, 4)), frames, count, gap)
    assert len(set(chosen)) == len(chosen) <= count
    assert (np.diff(np.sort(frames[chosen])) >= gap).all()
    assert (np.diff(score[chosen]) <= 0).all()


def test_frames_that_are_all_the_same_can_be_chosen_from() -> None:
    chosen = choose(np.linspace(0, 1, 20), np.zeros((20, 3)), np.arange(20), 5, gap=1)
    assert len(chosen) == 5


def test_a_close_look_takes_the_most_doubtful_and_a_spread_of_the_rest() -> None:
    frames = np.arange(1000)
    score = np.zeros(1000)
    score[500:520] = np.linspace(0.5, 0.6, 20)
    rows = spread_best(score, frames, 40, gap=5)
    assert len(rows) == 40
    assert 519 in rows
    assert (np.diff(rows[(rows >= 500) & (rows < 520)]) >= 1).all()
    # Hardly any stretch of the video is left out.
    assert np.diff(rows).max() < 40


def test_the_nearest_labelled_frame_counts() -> None:
    points, kinds = three_kinds()
    here, labelled = principal(points, points[kinds == 1])
    away = nearest(here, labelled)
    assert away[kinds == 1].max() < 1e-6
    assert away[kinds != 1].min() > 5
    assert np.isinf(nearest(here, labelled[:0])).all()
