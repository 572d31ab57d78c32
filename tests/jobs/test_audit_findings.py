from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.jobs.auditing.findings import Finding, find_mistakes

NAMES = ("eye", "nose tip", "whisker 1", "whisker 2", "whisker 3", "mouth", "lip")
DIAGONAL = 1000.0
ROW = 11


def scene(seed: int = 0, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions that are 4 px or so away from them, and confidence."""
    rng = np.random.default_rng(seed)
    base = np.array([[600, 100], [100, 180], [360, 240], [350, 195], [340, 285], [310, 390],
                     [350, 425]], float)  # fmt: skip
    labels = base + rng.normal(0, 4, (count, 1, 2)) + rng.normal(0, 2, (count, 7, 2))
    predicted = labels + rng.normal(0, 3, (count, 7, 2))
    return labels, predicted, np.full((count, 7), 0.9)


def find(labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> list[Finding]:
    return find_mistakes(NAMES, labels, predicted, confidence, DIAGONAL)[0]


def fixed(labels: np.ndarray, findings: list[Finding]) -> np.ndarray:
    """Labels after all fixes."""
    after = labels.copy()
    for finding in findings:
        for keypoint, source in finding.moves:
            after[finding.row, keypoint] = np.nan if source is None else labels[finding.row, source]
    return after


@pytest.mark.parametrize("seed", range(8))
def test_labels_that_are_all_right_are_left_alone(seed: int) -> None:
    assert not find(*scene(seed))


def test_two_labels_that_changed_places_are_swapped_back() -> None:
    right, predicted, confidence = scene()
    labels = right.copy()
    labels[ROW, [5, 6]] = labels[ROW, [6, 5]]
    (finding,) = find(labels, predicted, confidence)
    assert (finding.row, finding.kind, finding.keypoints) == (ROW, "swapped", (5, 6))
    assert finding.why == "mouth and lip look swapped"
    np.testing.assert_array_equal(fixed(labels, [finding]), right)


@pytest.mark.parametrize(
    ("first", "words"), [(4, "whisker 3 and mouth"), (2, "whisker 1 ... mouth")]
)
def test_columns_shifted_by_one_are_shifted_back(first: int, words: str) -> None:
    # What happens in a spreadsheet: one keypoint was left out, and those after it moved up.
    right, predicted, confidence = scene()
    right[ROW, first] = np.nan
    labels = right.copy()
    labels[ROW, first:-1] = right[ROW, first + 1 :]
    labels[ROW, -1] = np.nan
    (finding,) = find(labels, predicted, confidence)
    assert finding.kind == "shifted"
    assert finding.why == f"{words} are shifted by one: each lies on the next keypoint"
    np.testing.assert_array_equal(fixed(labels, [finding]), right)


def test_columns_shifted_the_other_way_are_shifted_back() -> None:
    right, predicted, confidence = scene()
    right[ROW, -1] = np.nan
    labels = right.copy()
    labels[ROW, 4:] = right[ROW, 3:-1]
    labels[ROW, 3] = np.nan
    (finding,) = find(labels, predicted, confidence)
    assert finding.kind == "shifted"
    assert finding.why.endswith("each lies on the previous keypoint")
    np.testing.assert_array_equal(fixed(labels, [finding]), right)


def test_a_single_label_on_another_keypoint_goes_there() -> None:
    right, predicted, confidence = scene()
    right[ROW, 1] = np.nan
    labels = right.copy()
    labels[ROW, 1], labels[ROW, 0] = right[ROW, 0], np.nan
    (finding,) = find(labels, predicted, confidence)
    assert (finding.kind, finding.why) == ("elsewhere", "nose tip lies on eye")
    np.testing.assert_array_equal(fixed(labels, [finding]), right)


@given(st.data())
def test_any_permutation_of_labels_is_undone_by_its_fixes(data: st.DataObject) -> None:
    right, predicted, confidence = scene()
    order = data.draw(st.permutations(range(7)))
    labels = right.copy()
    labels[ROW] = right[ROW, order]
    findings = find(labels, predicted, confidence)
    after = fixed(labels, findings)
    np.testing.assert_array_equal(after, right)
    assert all(finding.row == ROW for finding in findings)
    touched = [k for finding in findings for k in finding.keypoints]
    assert len(touched) == len(set(touched)), "each label is in one finding"
    assert set(touched) == {k for k in range(7) if order[k] != k}


def test_a_label_far_from_every_keypoint_is_told_with_its_distance_and_no_fix() -> None:
    labels, predicted, confidence = scene()
    labels[ROW, 1] = predicted[ROW, 1] + (0, -38)
    (finding,) = find(labels, predicted, confidence)
    assert (finding.kind, finding.keypoints, finding.moves) == ("far", (1,), ())
    assert finding.why.startswith(
        "nose tip is 38 px from where a model that did not see it puts it"
    )
    assert finding.score > 1


def test_a_model_that_is_unsure_accuses_less() -> None:
    labels, predicted, confidence = scene()
    labels[ROW, 1] = predicted[ROW, 1] + (0, -38)
    sure = find(labels, predicted, confidence)[0].score
    confidence[ROW, 1] = 0.3
    assert find(labels, predicted, confidence)[0].score == pytest.approx(sure / 3)


def test_a_wild_prediction_does_not_push_other_labels_about() -> None:
    labels, predicted, confidence = scene()
    predicted[ROW, 1] = labels[ROW, 6]
    (finding,) = find(labels, predicted, confidence)
    assert (finding.kind, finding.keypoints) == ("far", (1,))


def test_a_keypoint_that_models_are_bad_at_is_given_more_room() -> None:
    labels, predicted, confidence = scene()
    rng = np.random.default_rng(5)
    predicted[:, 2] = labels[:, 2] + rng.normal(0, 20, (60, 2))
    predicted[ROW] = labels[ROW]
    predicted[ROW, 0] += (0, 40)
    predicted[ROW, 2] += (0, 40)
    assert [finding.keypoints for finding in find(labels, predicted, confidence)] == [(0,)]


def test_the_worst_come_first_and_permutations_before_lone_labels() -> None:
    labels, predicted, confidence = scene()
    labels[3, 1] += (0, 30)
    labels[8, 1] += (0, 90)
    labels[5, [5, 6]] = labels[5, [6, 5]]
    assert [finding.row for finding in find(labels, predicted, confidence)] == [5, 8, 3]


def test_models_that_know_nothing_accuse_nobody_of_swapping() -> None:
    # The control: predictions of other frames of a mouse that moves about.
    rng = np.random.default_rng(2)
    labels = rng.uniform(0, 700, (80, 7, 2))
    predicted = labels[rng.permutation(80)]
    findings = find(labels, predicted, np.full((80, 7), 0.9))
    assert not [finding for finding in findings if finding.moves]


def test_keypoints_and_frames_without_labels_are_no_trouble() -> None:
    labels, predicted, confidence = scene()
    labels[:, 3] = np.nan
    labels[4] = np.nan
    assert not find(labels, predicted, confidence)
    labels[ROW, 2] = predicted[ROW, 3]
    (finding,) = find(labels, predicted, confidence)
    assert finding.why == "whisker 1 lies on whisker 2"
