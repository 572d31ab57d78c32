"""Whole animals, sessions or trials are left out, never some of their frames."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.states.trial_splits import check_groups, groups_of, split_by


@pytest.mark.parametrize("unit", ["animal", "trial"])
def test_no_group_is_on_both_sides_of_a_split_and_each_judges_once(samples_of, unit) -> None:
    samples = samples_of(animals=13)
    of_frame = groups_of(samples, unit)[samples.trial]
    judged = []
    for split in split_by(samples, unit):
        assert not set(of_frame[split.training]) & set(of_frame[split.judging])
        assert len(split.training) + len(split.judging) == len(samples)
        judged += split.judging.tolist()
    assert sorted(judged) == list(range(len(samples)))


def test_each_of_few_animals_is_left_out_alone(samples_of) -> None:
    names = [split.name for split in split_by(samples_of(), "animal")]
    assert names == ["mouse 0", "mouse 1", "mouse 2", "mouse 3"]


def test_trials_left_out_together_are_of_each_state(samples_of) -> None:
    samples = samples_of(animals=4, trials=20)
    for split in split_by(samples, "trial"):
        counts = np.bincount(samples.labels[np.unique(samples.trial[split.judging])])
        assert counts.tolist() == [4, 4]


def test_random_frames_leave_frames_of_one_trial_on_both_sides(samples_of) -> None:
    samples = samples_of()
    split = split_by(samples, "random frames")[0]
    assert set(samples.trial[split.judging]) <= set(samples.trial[split.training])
    assert len(set(samples.trial[split.judging])) > 20


def test_a_split_within_a_split_stays_within_it(samples_of) -> None:
    samples = samples_of()
    outer = split_by(samples, "animal")[0]
    for split in split_by(samples, "animal", among=outer.training):
        assert not set(outer.judging) & {*split.training, *split.judging}


def said(samples, unit="animal") -> str:
    with pytest.raises(VitFaceError) as error:
        list(check_groups(samples, unit))
    return str(error.value)


def test_one_animal_alone_is_refused(samples_of) -> None:
    assert "All trials are of one animal (mouse 0)" in said(samples_of(animals=1))


def test_a_label_of_one_animal_that_has_no_other_is_refused_as_one_with_it(samples_of) -> None:
    labels = np.repeat([0, 1], 6)
    sentence = said(samples_of(animals=2, labels=labels))
    assert "Only the animal mouse 0 has the label calm" in sentence
    assert "animal and label are one" in sentence


def test_a_label_of_one_animal_that_has_others_too_is_refused(samples_of) -> None:
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    sentence = said(samples_of(animals=2, labels=labels))
    assert "Only the animal mouse 0 has the label startled; at least two are needed" in sentence


def test_animals_of_one_label_each_are_allowed_where_there_are_several_and_named(
    samples_of,
) -> None:
    labels = np.repeat([0, 0, 1, 1], 6)
    sentences = list(check_groups(samples_of(labels=labels), "animal"))
    assert len(sentences) == 1
    assert "mouse 0, mouse 1, mouse 2, mouse 3 have one label only" in sentences[0]


def test_animals_with_all_labels_are_nothing_to_speak_of(samples_of) -> None:
    assert list(check_groups(samples_of(), "animal")) == []


def test_a_graded_label_that_is_one_with_the_animal_is_refused(samples_of) -> None:
    labels = np.repeat([0.0, 50.0, 500.0, 150.0], 6)
    assert "animal and label are one" in said(samples_of(labels=labels, states=()))


def test_a_graded_label_of_two_values_is_refused(samples_of) -> None:
    labels = np.tile([0.0, 50.0], 12)
    assert "fewer than three different numbers" in said(samples_of(labels=labels, states=()))


def test_a_group_that_the_table_does_not_name_is_refused(samples_of) -> None:
    with pytest.raises(VitFaceError, match="need a column session"):
        samples_of().group("session")


def test_unless_chosen_the_largest_unit_is_left_out_that_there_are_several_of(samples_of) -> None:
    assert samples_of().group("auto") == "animal"
    assert samples_of(animals=1).group("auto") == "trial"
