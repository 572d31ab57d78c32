"""What is said of a classifier is true: leaks are told, chance is called chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vitface.settings.states import CLASSIFIERS
from napari_vitface.states import classifiers
from napari_vitface.states.evaluation import Evaluation, evaluating
from napari_vitface.states.judging import Learner, judge
from napari_vitface.states.permutation import permute
from napari_vitface.states.samples import Samples
from napari_vitface.steps import result_of


@pytest.fixture(autouse=True)
def small_forests(monkeypatch) -> None:
    monkeypatch.setattr("napari_vitface.states.classifiers.TREES", 20)


def evaluated(
    samples: Samples, *, classifier="logistic", trivial=None, permutations=0
) -> Evaluation:
    learner = Learner(CLASSIFIERS[classifier], samples.baselines("auto"), 12)
    steps = evaluating(learner, samples, "animal", trivial=trivial or {}, permutations=permutations)
    return result_of(steps)[0]


def split(evaluation: Evaluation, unit: str):
    return next(each for each in evaluation.splits if each.unit == unit)


def test_features_of_the_animal_alone_are_at_chance_by_animal_and_perfect_by_random_frames(
    samples_of,
) -> None:
    # Each animal is in one state, so that to know the animal is to know the state.
    labels = np.tile([0, 1], 6).repeat(2)
    samples = samples_of(animal=20, animals=12, trials=2, labels=labels, seed=1)
    evaluation = evaluated(samples, classifier="forest")
    assert split(evaluation, "random frames").frames.balanced_accuracy > 0.95
    assert 0.3 < split(evaluation, "animal").frames.balanced_accuracy < 0.7
    assert any("is a leak, for frames of one animal" in each for each in evaluation.sentences)
    assert any("no better than chance" in each for each in evaluation.sentences)


def test_a_label_that_has_nothing_to_do_with_the_face_comes_out_at_chance(samples_of) -> None:
    labels = np.random.default_rng(3).permutation(np.repeat([0, 1], 20))
    samples = samples_of(animal=2, trial=1, animals=5, trials=8, labels=labels)
    evaluation = evaluated(samples, permutations=40)
    low, high = evaluation.trials.interval
    assert low <= 0.5 <= high
    assert any("no better than chance" in each for each in evaluation.sentences)
    # A tenth of the shuffles that do as well settle it.
    test = evaluation.permutations
    assert test.count == len(test.by_chance) < 40
    assert sum(each >= test.found for each in test.by_chance) == 4
    assert test.stopped
    assert test.p == pytest.approx(4 / test.count)
    assert test.p > 0.1
    assert any("and no more were made" in each for each in evaluation.sentences)


def test_order_within_animals_is_told_apart_from_a_line_that_carries_over(samples_of) -> None:
    # The state moves one feature, but each animal's own level of it moves it far more.
    samples = samples_of(state=2, animal=30, animals=4, trials=8)
    evaluation = evaluated(samples, permutations=19)
    assert evaluation.trials.interval[0] <= 0.5
    assert evaluation.permutations.p <= 0.05
    assert any("no better than chance" in each for each in evaluation.sentences)
    assert any(
        each.startswith("Trials of one animal are put in order better than by chance, then, but")
        for each in evaluation.sentences
    )


def test_a_state_that_shows_is_found_on_animals_never_seen(samples_of) -> None:
    samples = samples_of(state=3, animals=5)
    evaluation = evaluated(samples, permutations=19)
    assert evaluation.trials.balanced_accuracy > 0.9
    assert evaluation.trials.interval[0] > 0.5
    assert evaluation.permutations.p == pytest.approx(1 / 20)
    assert not evaluation.permutations.stopped
    assert not any("chance; do not" in each for each in evaluation.sentences)
    assert [each.name for each in evaluation.groups] == [f"mouse {k}" for k in range(5)]


def test_shuffled_and_true_labels_are_told_by_the_same_small_forest(
    samples_of, monkeypatch
) -> None:
    trees = []
    small = classifiers.small_forest

    def counted(*given):
        fitted = small(*given)
        trees.append(len(fitted.roots))
        return fitted

    monkeypatch.setattr(classifiers, "small_forest", counted)
    learner = Learner(CLASSIFIERS["forest"], ("none",), 12)
    test = result_of(permute(learner, samples_of(state=3), "animal", "none", 2))
    # Four animals left out, with the true labels and with two shuffles of them.
    assert trees == [25] * 12
    assert test.found > max(test.by_chance)


def test_a_classifier_no_better_than_brightness_is_told_so(samples_of) -> None:
    samples = samples_of(state=3, animals=5)
    brightness = replace(samples, values=samples.values[:, :1])
    evaluation = evaluated(samples, trivial={"brightness": brightness})
    assert any("no better than brightness alone" in each for each in evaluation.sentences)


def test_a_classifier_that_beats_brightness_is_told_so(samples_of) -> None:
    samples = samples_of(state=3, animals=5)
    brightness = replace(samples, values=samples.values[:, 5:6])
    evaluation = evaluated(samples, trivial={"brightness": brightness})
    assert any("better than brightness (" in each for each in evaluation.sentences)


def test_what_features_were_before_is_taken_away_where_that_carries_over(samples_of) -> None:
    samples = samples_of(state=2, animal=8, before=True, animals=5)
    evaluation = evaluated(samples, classifier="forest")
    assert evaluation.tuning.baseline == "both"
    as_they_are = Learner(CLASSIFIERS["forest"], ("none",), 12)
    without = result_of(judge(as_they_are, samples, "animal")).scores(samples, "animal")[1]
    assert evaluation.trials.balanced_accuracy > without.balanced_accuracy + 0.1


def test_nothing_of_an_animal_that_judges_decides_what_is_chosen_for_it(samples_of) -> None:
    samples = samples_of(state=2, animal=3, before=True)
    learner = Learner(CLASSIFIERS["logistic"], ("none", "both"), 12)
    found = result_of(judge(learner, samples, "animal"))
    other = samples.labels.copy()
    other[:6] = 1 - other[:6]
    changed = result_of(judge(learner, samples.with_labels(other), "animal"))
    assert changed.tunings[0] == found.tunings[0]
    assert changed.tunings[1] != found.tunings[1]
    mine = samples.trial < 6
    np.testing.assert_array_equal(changed.frames[mine], found.frames[mine])


def test_a_graded_label_is_estimated_on_animals_never_seen(samples_of) -> None:
    labels = np.tile([0.0, 1.0, 2.0, 3.0, 4.0, 2.0], 5)
    samples = samples_of(state=2, animals=5, labels=labels, states=())
    evaluation = evaluated(samples, classifier="ridge", permutations=9)
    assert evaluation.trials.r > 0.9
    assert evaluation.trials.rmse < 0.6 < evaluation.trials.chance
    assert evaluation.permutations.p == pytest.approx(0.1)


def test_several_states_have_a_row_each_in_the_confusion_matrix(samples_of) -> None:
    labels = np.tile(np.arange(3), 10)
    samples = samples_of(state=4, animals=5, labels=labels, states=("a", "b", "c"))
    evaluation = evaluated(samples)
    assert [sum(row) for row in evaluation.trials.confusion] == [10, 10, 10]
    assert evaluation.trials.chance == pytest.approx(1 / 3)
    assert evaluation.trials.balanced_accuracy > 0.8
    assert len(evaluation.trials.roc) == 3
