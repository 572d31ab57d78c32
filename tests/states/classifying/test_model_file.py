"""A file of a classifier says what the classifier said, and bad files are one sentence."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from napari_vitface.errors import CheckpointError
from napari_vitface.settings.states import CLASSIFIERS
from napari_vitface.states import classifiers
from napari_vitface.states.evaluation import evaluating
from napari_vitface.states.judging import Learner
from napari_vitface.states.model_file import (
    About,
    StatesModel,
    load_states_model,
    save_states_model,
)
from napari_vitface.states.novelty import Novelty
from napari_vitface.steps import result_of

KEY = "napari_vitface_states"


def made(samples, classifier: str) -> StatesModel:
    learner = Learner(CLASSIFIERS[classifier], ("none",), 6)
    evaluation, judged = result_of(
        evaluating(learner, samples, "animal", trivial={}, permutations=0)
    )
    fitted = learner.fit(samples, "none", np.arange(len(samples)), "animal")
    about = About(
        format=1, label="state", states=samples.states, classifier=classifier, fitted=fitted.kind,
        features=({"kind": "hog"},), layouts=({},), columns=10, crop=(1, 2, 3, 4), follow=None,
        model="mouse-face", network=None, size=(4, 3), window=(5, 9), onset=False,
        groups={"animal": ("a", "b")}, trials={"calm": 3}, frames=20, frame_rate=20.0, settings={},
        evaluation=evaluation, faithfulness=None, foremost=(("row 0", 0.5),), versions={},
        licence="CC0",
    )  # fmt: skip
    return StatesModel(about, fitted, Novelty.of(samples, judged.splits), {})


@pytest.fixture(scope="module")
def model(samples_of) -> StatesModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "TREES", 5)
        return made(samples_of(state=3), "forest")


@pytest.mark.parametrize("classifier", ["forest", "logistic"])
def test_a_file_says_what_was_written(samples_of, tmp_path, monkeypatch, classifier) -> None:
    monkeypatch.setattr(classifiers, "TREES", 5)
    samples = samples_of(state=3)
    model = made(samples, classifier)
    save_states_model(tmp_path / "m.vitstate", model)
    found = load_states_model(tmp_path / "m.vitstate")
    assert found.about == model.about
    values = samples.values
    np.testing.assert_array_equal(found.fitted.predict(values), model.fitted.predict(values))
    np.testing.assert_array_equal(found.novelty.distances(values), model.novelty.distances(values))


@pytest.mark.parametrize("classifier", ["forest", "ridge", "ordinal"])
def test_a_graded_classifier_is_kept_too(samples_of, tmp_path, monkeypatch, classifier) -> None:
    monkeypatch.setattr(classifiers, "TREES", 5)
    labels = np.tile([0.0, 1.0, 2.0], 8)
    samples = samples_of(state=2, labels=labels, states=())
    model = made(samples, classifier)
    save_states_model(tmp_path / "m.vitstate", model)
    found = load_states_model(tmp_path / "m.vitstate")
    assert found.about == model.about
    np.testing.assert_array_equal(
        found.fitted.predict(samples.values), model.fitted.predict(samples.values)
    )


def changed(model: StatesModel, path: Path, change) -> Path:
    """A file whose arrays and description were changed by hand."""
    save_states_model(path, model)
    with safe_open(path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()[KEY])
    change(arrays, about)
    save_file(arrays, path, metadata={KEY: json.dumps(about)})
    return path


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_states_model(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, about: arrays.pop("fitted.threshold"),
        lambda arrays, about: arrays.update({"fitted.left": arrays["fitted.left"][:-1]}),
        lambda arrays, about: arrays.update({"fitted.left": arrays["fitted.left"] * 0}),
        lambda arrays, about: arrays.update({"fitted.roots": arrays["fitted.roots"] + 10**6}),
        lambda arrays, about: arrays.update({"fitted.feature": arrays["fitted.feature"] + 20}),
        lambda arrays, about: arrays.update({"fitted.value": np.zeros((3, 2), np.float32)}),
        lambda arrays, about: arrays.update({"fitted.left": arrays["fitted.threshold"]}),
        lambda arrays, about: arrays.update({"novelty.limit": np.zeros(1, np.float32)}),
        lambda arrays, about: arrays.update({"novelty.kept": np.zeros((0, 4), np.float32)}),
        lambda arrays, about: arrays.update({"novelty.scale": np.float32([1])}),
        lambda arrays, about: about.update(columns=11),
        lambda arrays, about: about.update(fitted="pickle"),
        lambda arrays, about: about.update(fitted="linear"),
        lambda arrays, about: about.update(states=["a", "b", "c"]),
        lambda arrays, about: about["evaluation"]["tuning"]["trials"].update(offsets=[1]),
        lambda arrays, about: about["evaluation"]["tuning"]["trials"].update(slope=-1),
    ],
)
def test_arrays_that_make_no_classifier_are_refused(model, tmp_path, change) -> None:
    assert "not hold a whole" in refused(changed(model, tmp_path / "m.vitstate", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, about: about.pop("label"),
        lambda arrays, about: about.update(window="all"),
        lambda arrays, about: about.update(evaluation=[]),
        lambda arrays, about: about.update(crop=[1, 2]),
        lambda arrays, about: about["evaluation"]["tuning"].update(baseline="sideways"),
        lambda arrays, about: about.pop("format"),
    ],
)
def test_a_description_that_is_none_is_refused(model, tmp_path, change) -> None:
    assert "description" in refused(changed(model, tmp_path / "m.vitstate", change))


def test_a_file_of_a_newer_version_is_refused(model, tmp_path) -> None:
    path = changed(model, tmp_path / "m.vitstate", lambda arrays, about: about.update(format=3))
    assert "update napari-vitface" in refused(path)


def test_other_files_are_refused(model, tmp_path) -> None:
    path = tmp_path / "m.vitstate"
    refused(path)
    refused(tmp_path)
    path.write_bytes(pickle.dumps({"model": 1}))
    assert "cannot be read" in refused(path)
    save_file({"a": np.zeros(3)}, path)
    assert "no classifier of states" in refused(path)
    save_states_model(path, model)
    whole = path.read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_full_disk_leaves_the_file_that_was_there(model, tmp_path, monkeypatch) -> None:
    def fail(arrays, path, metadata) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    path = tmp_path / "m.vitstate"
    save_states_model(path, model)
    before = path.read_bytes()
    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        save_states_model(path, model)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
