"""Classifiers of states that PyTorch trains: a probe of the class token, and the last blocks."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from napari_vitface.errors import CheckpointError, VitFaceError
from napari_vitface.jobs.events import Event, Notice, Progress
from napari_vitface.jobs.states.predict import predict_states
from napari_vitface.jobs.states.train import train_states
from napari_vitface.model.building import create_backbone
from napari_vitface.model.checkpoint import find_model, load_network, save_checkpoint
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.sample.states import ONSET, write_states_sample
from napari_vitface.states.model_file import load_states_model, save_states_model
from napari_vitface.training import class_token

WINDOW = (ONSET + 2, ONSET + 6)
QUICK = {
    "label": "state", "window": WINDOW, "frames_per_trial": 2, "precision": "fp32",
    "batch_size": 4, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def mice(tmp_path_factory) -> Path:
    """Three drawn mice, a trial in each of two states."""
    folder = tmp_path_factory.mktemp("mice")
    return write_states_sample(folder, mice=3, trials=2, size=(72, 96))


def tuned(table: Path, file: Path, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_token, "_TUNE_STEPS", 4)
        patch.setattr(class_token, "_TUNE_EVERY", 2)
        events = list(
            train_states(table, output=file, classifier="finetune", **{**QUICK, **settings})
        )
    return events[-1].result, [each.message for each in events if isinstance(each, Notice)]


def test_the_last_blocks_are_trained_stored_and_tell_the_states_of_videos(mice, tmp_path) -> None:
    file = tmp_path / "m.vitstate"
    result, said = tuned(mice, file, permutations=1, group="animal")
    evaluation = result.evaluation
    assert [each.unit for each in evaluation.splits] == ["random frames", "trial", "animal"]
    assert {each.name for each in evaluation.trivial} >= {"motion energy", "brightness"}
    assert evaluation.permutations.count == 1
    assert any("2 frames, spread over the window" in each for each in said)
    with safe_open(file, framework="np") as opened:
        names = [name for name in opened.keys() if name.startswith("network.")]  # noqa: SIM118
    assert {name.split(".")[2] for name in names if "blocks" in name} == {"11"}
    model = load_states_model(file)
    assert model.about.blocks == 1
    assert model.about.columns == 192
    clip = min(mice.parent.glob("*.mp4"))
    trial, distances = told(file, clip, tmp_path / "one")
    assert sum(trial.probabilities.values()) == pytest.approx(1)
    # It is through the stored blocks that frames are seen.
    changed = {name: 2 * each for name, each in model.network.items()}
    save_states_model(tmp_path / "other.vitstate", replace(model, network=changed))
    assert told(tmp_path / "other.vitstate", clip, tmp_path / "two")[1] != distances
    save_states_model(tmp_path / "bare.vitstate", replace(model, network={}))
    with pytest.raises(CheckpointError, match="trained blocks are missing"):
        load_states_model(tmp_path / "bare.vitstate")


def told(file: Path, clip: Path, folder: Path):
    """What a classifier says of a video, and the distances of its frames."""
    computing = {name: QUICK[name] for name in ("device", "precision", "batch_size")}
    events = list(predict_states(file, [clip], output_dir=folder, **computing))
    (trial,) = events[-1].result.trials
    rows = csv.DictReader(Path(trial.table).read_text(encoding="utf-8").splitlines())
    return trial, [row["distance"] for row in rows]


def test_blocks_are_trained_and_what_tells_states_is_their_class_token() -> None:
    network, *_ = load_network(find_model("mouse-face"))
    backbone = network.backbone
    start = class_token.Start(backbone, 2, torch.device("cpu"), "fp32")
    count = backbone.num_prefix_tokens + backbone.grid[0] * backbone.grid[1]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, (count + 1) * backbone.embed_dim)).astype(np.float16)
    with pytest.raises(VitFaceError, match="cannot be trained by themselves"):
        # What enters is noise, of which the frozen tokens beside it are not.
        start.check(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_token, "_TUNE_STEPS", 4)
        tuned = class_token.finetune(
            values, np.array([0, 1] * 3), 0, stopping=np.zeros(6, bool), start=start
        )
    weights = tuned.tail.weights()
    own = backbone.model.state_dict()
    assert {name.split(".")[1] for name in weights if name.startswith("blocks")} == {"10", "11"}
    name = "blocks.10.mlp.fc1.weight"
    assert np.abs(weights[name] - own[name].numpy()).max() > 0
    np.testing.assert_allclose(
        tuned.head.predict(tuned.tokens(values)), tuned.predict(values), atol=1e-6
    )


def test_a_baseline_of_single_frames_is_refused(mice) -> None:
    with pytest.raises(VitFaceError, match="takes no baseline"):
        list(train_states(mice, classifier="finetune", **{**QUICK, "baseline": "both"}))


@pytest.mark.parametrize("classifier", ["probe", "finetune"])
def test_a_model_without_a_class_token_is_refused_before_frames_are_looked_at(
    mice, tmp_path, classifier
) -> None:
    backbone = create_backbone(
        "vit_wee_patch16_reg1_gap_256", (64, 96), 1, depth=2, embed_dim=48, num_heads=3
    )
    model = tmp_path / "patches-alone.safetensors"
    network = KeypointNetwork(backbone, KeypointSet(("eye", "nose tip")), "heatmap")
    save_checkpoint(
        model, network, Preprocessing((64, 96)), training={"data": "none", "licence": "none"}
    )
    file = tmp_path / "m.vitstate"
    training = train_states(mice, output=file, classifier=classifier, model=str(model), **QUICK)
    seen: list[Event] = []
    with pytest.raises(VitFaceError, match="patches-alone has no class token, from which the"):
        seen.extend(training)
    assert not any(isinstance(each, Progress) for each in seen)
    assert not file.exists()


@pytest.mark.parametrize("outputs", [2, 3, 1])
def test_a_probe_learns_what_class_tokens_tell_and_stops_by_groups_of_their_own(outputs) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 20)).astype(np.float32)
    true = values[:, 0] + values[:, 1]
    labels = true * 100.0 if outputs == 1 else np.digitize(true, [-0.5, 0.5][: outputs - 1])
    apart = np.arange(300) >= 200
    fitted = class_token.probe(values, labels, 0, stopping=apart)
    said = fitted.predict(rng.normal(size=(5, 20)).astype(np.float32))
    assert said.shape == (5, outputs)
    fitted.check(20, outputs)
    of_learned = fitted.predict(values)
    if outputs == 1:
        assert np.corrcoef(of_learned[:, 0], labels)[0, 1] > 0.9
    else:
        assert (of_learned.argmax(axis=1) == labels).mean() > 0.65


def test_what_is_learned_says_nothing_to_groups_apart_so_that_it_stops_at_once() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(120, 6)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    apart = np.arange(120) >= 60
    labels[apart] = 1 - labels[apart]
    fitted = class_token.probe(values, labels, 0, stopping=apart)
    assert np.abs(fitted.weights).max() == 0
