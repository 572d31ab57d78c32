"""States of drawn mice, from a table of trials to probabilities for a mouse that was never seen."""

from __future__ import annotations

import csv
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from napari_vitface.cli import main
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished, Notice
from napari_vitface.jobs.states.evaluate import evaluate_states
from napari_vitface.jobs.states.features import features
from napari_vitface.jobs.states.predict import predict_states
from napari_vitface.jobs.states.report import report_states
from napari_vitface.jobs.states.report_page import write_report
from napari_vitface.jobs.states.train import train_states
from napari_vitface.sample.states import FRAMES, ONSET, STATES, StateTrial, write_states_sample
from napari_vitface.states import classifiers
from napari_vitface.states.model_file import load_states_model

WINDOW = (ONSET, FRAMES)
QUICK = {"frames_per_trial": 6, "window": WINDOW}


@pytest.fixture(autouse=True)
def small_forests(monkeypatch) -> None:
    monkeypatch.setattr(classifiers, "TREES", 20)


@pytest.fixture(scope="module")
def mice(tmp_path_factory) -> Path:
    """Four drawn mice with four trials each."""
    return write_states_sample(tmp_path_factory.mktemp("mice"), size=(72, 96))


@pytest.fixture(scope="module")
def trained(mice, tmp_path_factory) -> SimpleNamespace:
    """What training on them gives, and the notices."""
    file = tmp_path_factory.mktemp("model") / "pain.vitstate"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "TREES", 20)
        events = list(train_states(mice, label="state", output=file, permutations=19, **QUICK))
    said = [each.message for each in events if isinstance(each, Notice)]
    return SimpleNamespace(file=file, result=events[-1].result, said=said)


def last(events):
    *_, end = events
    assert isinstance(end, Finished)
    return end.result


def test_a_drawn_face_shows_its_state_from_the_onset_on() -> None:
    still = StateTrial(0, 0, STATES["calm"], (72, 96))
    shown = StateTrial(0, 0, STATES["pain"], (72, 96))
    assert shown.strength[ONSET - 1] == 0
    assert shown.strength[ONSET + 1] > 0.9
    np.testing.assert_array_equal(shown[ONSET - 1], still[ONSET - 1])
    assert np.abs(shown[ONSET + 2].astype(int) - still[ONSET + 2]).max() > 30
    assert shown.parameters(ONSET + 2).pose.blink > 0.6
    assert shown.parameters(ONSET + 2).ear.aside > 0.9


def test_a_state_that_faces_show_is_told_of_mice_left_out(trained) -> None:
    evaluation = trained.result.evaluation
    assert evaluation.unit == "animal"
    assert evaluation.trials.judged == 16
    assert evaluation.trials.balanced_accuracy > 0.85
    # The least that 19 shuffles can give is 0.05; each encoding of the videos differs a little.
    assert evaluation.permutations.p <= 0.1 + 1e-9
    assert [each.unit for each in evaluation.splits] == ["random frames", "trial", "animal"]
    assert {each.name for each in evaluation.trivial} == {"motion energy", "brightness", "time"}
    # That a crop which stays where it is does so, is no news.
    assert not any("the same in all frames" in each for each in trained.said)


def test_a_label_that_is_drawn_by_lot_comes_out_at_chance(mice, tmp_path) -> None:
    events = train_states(
        mice, label="coin", output=tmp_path / "coin.vitstate", permutations=19, **QUICK
    )
    evaluation = last(events).evaluation
    low, high = evaluation.trials.interval
    # One of twenty such intervals leaves the truth out, and each encoding draws anew: with room.
    assert low <= 0.6
    assert high >= 0.4
    if low <= 0.5:
        assert any("no better than chance" in each for each in evaluation.sentences)


def test_the_strength_of_an_expression_is_estimated_as_a_number(mice, tmp_path) -> None:
    rows = list(csv.DictReader(mice.read_text(encoding="utf-8").splitlines()))
    table = mice.with_name("strengths.csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "mouse", "strength"])
        for number, row in enumerate(rows):
            # Three values: a third of them are as they would be by another count.
            value = float(row["strength"]) * 10 + number % 4 // 2
            writer.writerow([row["clip"], row["animal"], value])
    events = train_states(
        table, label="strength", graded=True, output=tmp_path / "s.vitstate", permutations=0,
        classifier="ridge", **QUICK,
    )  # fmt: skip
    result = last(events)
    assert result.states == ()
    assert result.evaluation.trials.r > 0.7
    clips = [mice.with_name(row["clip"]) for row in rows[:2]]
    calm, pain = last(predict_states(tmp_path / "s.vitstate", clips)).trials
    assert calm.probabilities is None
    assert pain.value > calm.value + 5


def test_a_mouse_never_seen_is_told_by_the_command_to_the_letter(trained, tmp_path, capsys) -> None:
    clips = []
    for number, state in enumerate(["pain", "calm"]):
        folder = tmp_path / state
        write_states_sample(folder, states=(state,), mice=1, trials=1, size=(72, 96))
        clip = next(folder.glob("*.mp4")).rename(tmp_path / f"new{number}.mp4")
        clips.append(str(clip))
    assert main(["states", "predict", str(trained.file), *clips, "--json"]) == 0
    final = json.loads(capsys.readouterr().out.splitlines()[-1])
    trials = final["result"]["trials"]
    assert [each["video"] for each in trials] == clips
    assert [each["probabilities"].keys() for each in trials] == [{"calm", "pain"}] * 2
    assert trials[0]["probabilities"]["pain"] > 0.5 > trials[1]["probabilities"]["pain"]
    rows = list(csv.DictReader(Path(trials[0]["table"]).read_text().splitlines()))
    assert trials[0]["table"].endswith("new0_vitface_pain_states.csv")
    assert [int(row["frame"]) for row in rows] == list(range(FRAMES))
    told = np.array([float(row["pain"]) for row in rows])
    assert told[WINDOW[0] + 1 : WINDOW[1]].mean() > told[: WINDOW[0]].mean()


def test_what_a_classifier_carries_says_what_it_is(trained) -> None:
    about = load_states_model(trained.file).about
    assert about.states == ("calm", "pain")
    assert about.groups["animal"] == ("mouse 0", "mouse 1", "mouse 2", "mouse 3")
    assert about.trials == {"calm": 8, "pain": 8}
    assert about.window == WINDOW
    assert about.features[0]["kind"] == "hog"
    assert about.evaluation == trained.result.evaluation
    assert {"napari-vitface", "numpy", "scikit-learn"} <= about.versions.keys()
    assert about.faithfulness.found < about.faithfulness.random


def test_the_features_that_tell_pain_are_where_the_face_changes(trained) -> None:
    model = load_states_model(trained.file)
    best = np.unravel_index(model.pictures["importance"].argmax(), (9, 12))
    # Eye and ear are drawn in the upper right quarter, the nose at the left.
    assert best[0] < 5
    assert model.pictures["face"].shape == (72, 96)


def test_frames_of_noise_are_unlike_anything_seen(trained, tmp_path) -> None:
    from PIL import Image

    folder = tmp_path / "noise"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        image = rng.integers(0, 256, (72, 96), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"img{number:03d}.png")
    events = list(predict_states(trained.file, [folder]))
    assert events[-1].result.trials[0].unlike > 0.9
    assert any("unlike anything" in each.message for each in events if isinstance(each, Notice))


def test_a_report_has_every_figure(trained, tmp_path) -> None:
    result = last(report_states(trained.file, output=tmp_path / "report.html"))
    page = Path(result.report).read_text(encoding="utf-8")
    for wanted in (
        "random frames", "brightness alone", "motion energy alone", "said to be pain", "mouse 3",
        "Shuffled labels", "What it is told by", "scikit-learn", "Expected calibration error",
    ):  # fmt: skip
        assert wanted in page
    assert page.count("data:image/png;base64,") == 5
    for sentence in trained.result.evaluation.sentences:
        assert sentence.split(":")[0] in page


def test_where_no_place_matters_by_itself_the_report_draws_none(trained, tmp_path) -> None:
    model = load_states_model(trained.file)
    nothing = tuple((name, 0.0) for name, _ in model.about.foremost)
    model = replace(model, about=replace(model.about, foremost=nothing))
    write_report(tmp_path / "report.html", model, "m")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No place matters by itself" in page
    assert "Is it true?" not in page


def test_a_classifier_is_judged_on_other_trials_and_told_which_animals_it_knows(
    trained, mice
) -> None:
    events = list(evaluate_states(trained.file, mice))
    result = events[-1].result
    assert result.trials.balanced_accuracy > 0.9
    assert result.seen == ("mouse 0", "mouse 1", "mouse 2", "mouse 3")
    said = [each.message for each in events if isinstance(each, Notice)]
    assert any("figures with them are too good" in each for each in said)


def refusal(table: Path, **settings) -> str:
    with pytest.raises(VitFaceError) as error:
        list(train_states(table, **{"permutations": 0, **QUICK, **settings}))
    return str(error.value)


def test_what_cannot_be_trained_is_refused_before_anything_is_computed(mice) -> None:
    assert "no column mood" in refusal(mice, label="mood")
    assert "No trial of trials.csv has fear" in refusal(
        mice, label="state", classes=("fear", "calm")
    )
    assert "ends in .vitstate" in refusal(mice, label="state", output="m.pkl")
    assert "animal and label are one" in refusal(mice, label="animal")
    assert "no number" in refusal(mice, label="state", graded=True)
    assert "no feature 'nose'" in refusal(mice, label="state", features="nose")
    assert "has 40 frames" in refusal(mice, label="state", window=(20, 60))
    assert "too few frames before" in refusal(
        mice, label="state", window=(0, 20), baseline="before"
    )


def test_a_video_of_another_size_is_refused(trained, tmp_path) -> None:
    write_states_sample(tmp_path, mice=1, trials=1, size=(80, 96))
    with pytest.raises(VitFaceError, match="another size"):
        list(predict_states(trained.file, list(tmp_path.glob("*.mp4"))))


def test_features_that_are_stored_are_read_and_stale_ones_are_not(tmp_path) -> None:
    table = write_states_sample(tmp_path, mice=2, trials=2, size=(72, 96))
    settings = {"label": "state", "permutations": 0, "group": "trial", "crop": (4, 4, 80, 60)}
    computed, said = trained_on(table, tmp_path / "computed.vitstate", **settings)
    assert not any("were read from the files" in each for each in said)
    videos = sorted(tmp_path.glob("*.mp4"))
    for video in videos:
        last(features(video, "hog", crop=settings["crop"]))
    stored, said = trained_on(table, tmp_path / "stored.vitstate", **settings)
    assert any(f"Features of {len(videos)} of {len(videos)} trials were read" in s for s in said)
    assert accuracies(stored) == pytest.approx(accuracies(computed), abs=0.1)  # half precision
    # One of another video, one of a video that was changed since, and those of another crop.
    with h5py.File(videos[0].with_name(f"{videos[0].stem}_features_hog.h5"), "a") as file:
        file["values"][...] = 0
        about = json.loads(file.attrs["about"])
        about["video"]["bytes"] += 1
        file.attrs["about"] = json.dumps(about)
    later = time.time() + 60
    os.utime(videos[1], (later, later))
    again, said = trained_on(table, tmp_path / "stale.vitstate", **settings)
    assert any(f"Features of {len(videos) - 2} of" in each for each in said)
    assert accuracies(again) == pytest.approx(accuracies(computed), abs=0.1)
    *_, said = trained_on(table, tmp_path / "m.vitstate", **{**settings, "crop": (0, 0, 80, 60)})
    assert not any("were read from the files" in each for each in said)


def accuracies(result) -> list[float]:
    return [split.frames.balanced_accuracy for split in result.evaluation.splits]


def trained_on(table: Path, file: Path, **settings):
    """What training gives, and the notices."""
    events = list(train_states(table, output=file, **{**QUICK, **settings}))
    said = [each.message for each in events if isinstance(each, Notice)]
    return events[-1].result, said
