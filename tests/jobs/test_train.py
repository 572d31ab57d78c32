"""Training as a job: what it learns, what it says, and what it leaves on disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.evaluate import evaluate
from napari_vitface.jobs.events import (
    EpochFinished,
    Event,
    Finished,
    HeldOutShown,
    LossMeasured,
    Notice,
    Progress,
    Started,
)
from napari_vitface.jobs.results.training import FrameCounts
from napari_vitface.jobs.training.train import train
from napari_vitface.record import plain_data

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
#: Of a quick training: enough to be better than its start by more than chance.
STEPS = 60
#: A backbone that learns in seconds.
SMALL: dict[str, Any] = {
    "init": "scratch",
    "image_size": (64, 80),
    "timm_args": {"depth": 2, "embed_dim": 48, "num_heads": 3},
}

Project = Callable[..., Path]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def outcome(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Finished)
    return events[-1].result


def notices(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Notice))


def run(labels: Any, **options: Any) -> list[Event]:
    return list(train(labels, **{**CPU, **options}))


@pytest.fixture(scope="module")
def project(drawn_project: Project, made_once: Callable[..., Path]) -> Path:
    return made_once("drawn-project", lambda _: drawn_project())


@pytest.fixture(scope="module")
def quick(project: Path, drawn_start: Path, made_once: Callable[..., list[Event]]) -> list[Event]:
    """Events of a quick training on 36 frames."""
    options = {"name": "quick", "init": drawn_start, "quick": True, "steps": STEPS}
    return made_once("quick-training", lambda _: run(project, **options))


# --- what it learns -------------------------------------------------------------------------------


@pytest.mark.slow
def test_quick_training_beats_its_start_on_frames_it_never_saw(quick: list[Event]) -> None:
    result = outcome(quick)
    assert result.frames == FrameCounts(training=36, tuning=0, judging=12)
    verdict = result.verdict
    assert verdict.points == 144
    assert verdict.better is True
    assert verdict.interval[0] > 0
    assert verdict.before == pytest.approx(result.before.mean)
    assert verdict.after == pytest.approx(result.after.mean)
    assert result.after.mean < 2.1
    assert result.after.seed_pck > 0.65
    assert result.against_mean_pose.better is True
    assert "better by more than chance" in verdict.sentence


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(drawn_project: Project, drawn_start: Path) -> None:
    project = drawn_project(shuffled=True)
    result = outcome(run(project, init=drawn_start, quick=True, steps=STEPS))
    assert result.after.mean > 3
    assert result.after.seed_pck < 0.4
    assert result.against_mean_pose.better is not True


@pytest.mark.slow
def test_all_of_the_network_can_be_trained(project: Path, drawn_start: Path) -> None:
    from napari_vitface.model.checkpoint import load_network

    options = {"steps": 120, "frozen_steps": 5, "learning_rate": 2e-3, "layer_decay": 0.9}
    events = run(project, name="full", init=drawn_start, **options)
    assert outcome(events).verdict.better is True
    before, after = (
        load_network(path)[0].state_dict() for path in (drawn_start, outcome(events).model)
    )
    changed = {name for name in before if not bool((before[name] == after[name]).all())}
    assert any(name.startswith("backbone.model.blocks.0") for name in changed)
    assert any(name.startswith("head.") for name in changed)


@pytest.mark.slow
def test_quick_training_leaves_the_backbone_alone(quick: list[Event], drawn_start: Path) -> None:
    from napari_vitface.model.checkpoint import load_network

    before, after = (
        load_network(path)[0].state_dict() for path in (drawn_start, outcome(quick).model)
    )
    changed = {name for name in before if not bool((before[name] == after[name]).all())}
    assert changed
    assert all(name.startswith("head.") for name in changed)


@pytest.mark.slow
def test_what_is_said_is_what_evaluate_measures_on_the_stored_model(
    quick: list[Event], project: Path
) -> None:
    result = outcome(quick)
    events = list(evaluate(result.model, project, held_out=True, **CPU))
    judged = outcome(events)
    assert judged.points == result.after.points
    for figure in ("mean", "median", "rmse", "seed_rmse", "seed_accuracy", "seed_pck"):
        assert getattr(judged, figure) == pytest.approx(getattr(result.after, figure), rel=1e-3)
    for figure in ("mean", "median", "rmse"):
        assert getattr(judged.mean_pose, figure) == pytest.approx(
            getattr(result.mean_pose, figure), rel=1e-3
        )
    assert judged.against_mean_pose.better is True
    # Confidence was calibrated on these frames, for want of others.
    assert judged.calibration_error is None
    assert "was calibrated on 12 of these frames" in notices(events)


# --- what it says ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_course_is_told(quick: list[Event], project: Path) -> None:
    (started,) = [event for event in quick if isinstance(event, Started)]
    assert started.total == STEPS
    assert started.settings.device == "cpu"
    assert started.settings.quick is True
    stages = list(dict.fromkeys(e.message for e in quick if isinstance(e, Progress)))
    assert stages[0] == "reading the frames"
    assert stages[-3:] == ["training", "judging", "writing the report"]
    judged = [event for event in quick if isinstance(event, EpochFinished)]
    assert [event.step for event in judged] == list(range(0, STEPS + 1, 3))
    assert np.isnan(judged[0].loss)
    assert judged[-1].loss < judged[1].loss
    constants = {(event.mean_pose_median, event.mean_pose_mean) for event in judged}
    assert len(constants) == 1
    result = outcome(quick)
    assert judged[0].mean_error == pytest.approx(result.before.mean, rel=0.01)
    assert judged[-1].mean_pose_mean == pytest.approx(result.mean_pose.mean, rel=1e-3)
    losses = [event for event in quick if isinstance(event, LossMeasured)]
    assert [event.step for event in losses] == list(range(1, STEPS + 1))
    assert losses[3].learning_rate < losses[9].learning_rate > losses[-1].learning_rate


@pytest.mark.slow
def test_held_out_frames_are_shown_with_labels_and_predictions(quick: list[Event]) -> None:
    shown = [event for event in quick if isinstance(event, HeldOutShown)]
    assert len(shown) == 21
    for event in shown:
        assert event.images.shape == (4, 64, 80)
        assert event.labels.shape == event.xy.shape == (4, 12, 2)
        assert event.confidence.shape == (4, 12)
    # The first and the last frame kept apart of all recordings.
    assert (shown[0].videos[0], shown[0].frames[0]) == ("mouse0", 270)
    assert (shown[0].videos[-1], shown[0].frames[-1]) == ("mouse3", 330)
    first, last = (np.linalg.norm(e.xy - e.labels, axis=-1).mean() for e in (shown[0], shown[-1]))
    assert last < first


@pytest.mark.slow
def test_the_files_of_a_run(quick: list[Event], project: Path) -> None:
    result = outcome(quick)
    folder = project / "vitface" / "runs" / "quick"
    assert result.model == str(project / "vitface" / "models" / "quick.safetensors")
    assert result.run == str(folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "settings.json", "curves.csv", "metrics.json", "report.html", "worst.png", "run.lock",
    }  # fmt: skip
    assert json.loads((folder / "metrics.json").read_text()) == plain_data(result)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["options"]["quick"] is True
    assert settings["settings"]["steps"] == STEPS
    rows = list(csv.DictReader((folder / "curves.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(STEPS + 1))
    assert float(rows[-1]["mean_error"]) == pytest.approx(result.after.mean, rel=0.01)
    page = (folder / "report.html").read_text()
    assert result.verdict.sentence.split(":")[0] in page
    assert page.count("data:image/png;base64,") == 4
    for word in ("mean pose", "95 % interval", "within 4 px", "whisker 3", "accuracy"):
        assert word in page


@pytest.mark.slow
def test_the_checkpoint_knows_how_it_came_about(quick: list[Event], project: Path) -> None:
    from napari_vitface.model.header import read_metadata

    metadata = read_metadata(outcome(quick).model)
    training = metadata["training"]
    assert training["summary"] == "36 labelled frames of 4 recordings, starting from drawn"
    assert training["held_out"] == [
        {"video": f"mouse{mouse}", "frames": [270, 300, 330]} for mouse in range(4)
    ]
    assert training["trained_frames"][1] == {
        "video": "mouse1", "frames": [30 * k for k in range(9)],
    }  # fmt: skip
    assert training["metrics"]["after"]["points"] == 144
    assert "the model it started from: BSD-3-Clause" in training["licence"]
    assert metadata["calibration"]["radius"] == 2
    assert np.shape(training["mean_pose"]) == (12, 2)


@pytest.mark.slow
def test_a_model_is_not_judged_on_frames_that_its_ancestors_were_trained_on(
    quick: list[Event], project: Path
) -> None:
    events = run(project, init=outcome(quick).model, quick=True, steps=2, val="time:0.5")
    result = outcome(events)
    # Half was asked for, but only the last quarter was never seen.
    assert result.frames == FrameCounts(training=36, tuning=0, judging=12)
    assert result.seen_before is False
    again = run(project, init=outcome(quick).model, quick=True, steps=2, val="random:0.5")
    assert outcome(again).judged_frames == result.judged_frames
    seen = run(project, init=outcome(quick).model, quick=True, steps=2, val="video:mouse1")
    assert outcome(seen).seen_before is True
    assert "trained on frames that are to judge now" in notices(seen)


# --- confidence -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_confidence_is_true_on_frames_that_neither_training_nor_calibration_saw(
    drawn_project: Project, drawn_start: Path
) -> None:
    project = drawn_project(mice=(4, 5, 6, 7), frames=24)
    events = run(project, init=drawn_start, quick=True, steps=80, val="time:0.5")
    result = outcome(events)
    assert result.frames == FrameCounts(training=48, tuning=24, judging=24)
    calibration = result.calibration
    assert calibration.judged_apart is True
    # The table is fitted on all frames kept apart, and judged crosswise on all of them.
    assert calibration.calibrated_on_points == 576
    assert sum(row.points for row in calibration.confidence_bins) == 576
    assert len(calibration.confidence_bins) > 1
    assert calibration.calibration_error < 0.1
    assert 0 < calibration.calibration_error_by_chance < calibration.calibration_error + 0.05
    # On these frames it cannot be judged again ...
    events = list(evaluate(result.model, project, held_out=True, **CPU))
    assert "was calibrated on 24 of these frames" in notices(events)
    assert f"it was {calibration.calibration_error:.3f}, crosswise" in notices(events)
    assert outcome(events).calibration_error is None
    # ... but on the frames that follow, which nothing saw.
    later = drawn_project(mice=(4, 5, 6, 7), frames=48)
    unseen = [30 * k for k in range(24, 48)]
    judged = outcome(list(evaluate(result.model, later, frames=unseen, **CPU)))
    assert judged.images == 96
    assert judged.calibration_error < 0.05
    # The model's own view of the same points is further from the truth.
    assert raw_calibration_error(result.model, later, judged.frames, 2.0) > (
        judged.calibration_error + 0.01
    )


def raw_calibration_error(
    model: str, project: Path, frames: dict[str, list[int]], radius: float
) -> float:
    from PIL import Image

    from napari_vitface.model.checkpoint import load_model
    from napari_vitface.pose.metrics import calibration_error, pixel_errors
    from napari_vitface.project.label_reading import read_labels

    labels = read_labels(project)
    rows = [
        row for row in range(len(labels)) if labels.frames[row] in frames[str(labels.videos[row])]
    ]
    labels = labels.take(rows)
    network = load_model(model, **CPU)
    network.calibration = None
    xy, confidence = network.predict_images([np.asarray(Image.open(p)) for p in labels.images])
    error = calibration_error(confidence, pixel_errors(xy, labels.xy) <= radius)
    assert error is not None
    return error


# --- other keypoints ------------------------------------------------------------------------------


def test_shared_keypoints_come_along_and_new_ones_start_fresh(
    drawn_project: Project, drawn_start: Path
) -> None:
    project = drawn_project(mice=(8,), frames=8)
    (table,) = project.glob("labeled-data/*/CollectedData_me.csv")
    text = table.read_text().replace("whisker 1", "ear")
    table.write_text(text)
    events = run(project, init=drawn_start, quick=True, steps=2)
    said = notices(events)
    assert "New to drawn, and learnt from nothing but the image features" in said
    result = outcome(events)
    assert result.fresh == ("ear",)
    assert "whisker 1" not in result.keypoints
    assert len(result.kept) == 11
    # Before and after are compared on what both know.
    assert result.verdict.points == 11 * result.frames.judging
    assert result.verdict.per_keypoint["ear"].points == 0
    assert result.after.per_keypoint["ear"].points == result.frames.judging


# --- the start ------------------------------------------------------------------------------------


def test_random_weights_another_head_and_a_recording_to_judge_by(project: Path) -> None:
    events = run(project, name="scratch", steps=3, head="regression", val="video:mouse2", **SMALL)
    result = outcome(events)
    assert result.verdict is None
    assert result.judged_frames == [{"video": "mouse2", "frames": [30 * k for k in range(12)]}]
    assert result.against_mean_pose.points == 144
    from napari_vitface.model.checkpoint import load_network

    network, _, _ = load_network(result.model)
    assert network.heatmap_size is None
    assert network.input_size == (64, 80)


def test_weights_from_a_file_are_named_in_the_model(project: Path, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_model

    from napari_vitface.model.checkpoint import load_network

    file = tmp_path / "mine.safetensors"
    shape = SMALL["timm_args"]
    save_model(timm.create_model("deit_tiny_patch16_224", img_size=(64, 80), **shape), str(file))
    options = {**SMALL, "init": f"timm:deit_tiny_patch16_224={file}", "blocks": 1}
    result = outcome(run(project, name="mine", steps=1, batch_size=1, **options))
    assert result.verdict is None
    assert result.init == "timm:deit_tiny_patch16_224=mine.safetensors"
    network, preprocessing, metadata = load_network(result.model)
    assert len(network.backbone.blocks) == 1
    # Those of ImageNet, which timm knows for the name.
    assert preprocessing.mean == pytest.approx((0.449,), abs=1e-3)
    training = metadata["training"]
    assert "apache-2.0, if mine.safetensors holds what timm calls deit" in training["licence"]
    assert "says nothing of itself" in training["citations"][0]


def test_the_default_image_size_has_the_shape_of_the_frames(project: Path) -> None:
    from napari_vitface.model.checkpoint import load_network

    options = {**SMALL, "image_size": None, "crop": (0, 0, 128, 64)}
    result = outcome(run(project, name="wide", steps=1, batch_size=1, **options))
    network, preprocessing, _ = load_network(result.model)
    assert network.input_size == (192, 384)
    assert preprocessing.crop == (0, 0, 128, 64)
    # 1 % of the diagonal of what the model is given.
    assert result.calibration.radius == 1


def test_in_larger_frames_the_radius_is_more_pixels(
    project: Path, drawn_start: Path, tmp_path: Path
) -> None:
    from PIL import Image

    from napari_vitface.project.label_reading import read_labels

    labels = read_labels(project)
    xy, images = labels.xy.copy(), list(labels.images)
    for row in np.flatnonzero(labels.videos == "mouse0"):
        picture = Image.open(images[row])
        images[row] = tmp_path / f"{row}.png"
        picture.resize((256, 192), Image.Resampling.NEAREST).save(images[row])
        xy[row] = (xy[row] + 0.5) * 2 - 0.5
    mixed = replace(labels, xy=xy, images=tuple(images))
    options = {"init": drawn_start, "quick": True, "steps": 1, "batch_size": 1, "radius": 1.5}
    results = [
        outcome(run(each, name=f"model{i}", output_dir=tmp_path, **options)).calibration
        for i, each in enumerate((labels, mixed))
    ]
    assert results[0].radius == results[1].radius == 1.5
    one, other = (each.confidence_bins for each in results)
    assert [row.points for row in one] == [row.points for row in other]
    assert [row.right for row in one] == [row.right for row in other]
    assert 0.1 < np.average([r.right for r in one], weights=[r.points for r in one]) < 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "mouse-fcae"}, "did you mean mouse-face"),
        ({"init": "scratch", "backbone": "swin_tiny_patch4_window7_224"}, "cannot be used"),
        ({"init": "scratch", "image_size": (50, 80)}, "the nearest size that fits is 48 x 80"),
        ({"init": "mouse-face", "backbone": "vit_small_patch16_224"}, "has the backbone"),
        ({"init": "scratch", "quick": True}, "Quick training trains the head of a model"),
        ({"steps": 0}, "The steps must be at least 1"),
        ({"learning_rate": -1}, "The learning rate must be above 0"),
        ({"head": "none"}, "no head named 'none'; there are: unet, heatmap, regression"),
        ({"augmentation": {"zoom": 1}}, "There is no augmentation zoom; there are: blur"),
        ({"val": "time:2"}, "give a number between 0 and 1"),
        ({"val": "tuesday"}, "choose time, time:FRACTION"),
        ({"val": "video:mouse9"}, "there are: mouse0, mouse1, mouse2, mouse3"),
        ({"name": "a/b"}, "cannot be the name of a model"),
        ({"track": ["paper"]}, "choose tensorboard or wandb"),
        ({"resume": True, "name": "nothing"}, "There is no unfinished training nothing"),
        ({"finish": True, "name": None}, "Name the run"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"precision": "fp8"}, "There is no precision 'fp8'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    project: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(VitFaceError, match=message):
        run(project, **{"name": "wrong", **SMALL, **options})
    assert not (project / "vitface" / "models" / "wrong.safetensors").exists()


def test_a_name_that_is_taken_is_not_overwritten_unasked(
    drawn_project: Project, tmp_path: Path
) -> None:
    project = drawn_project(mice=(9,), frames=5)
    options = {**SMALL, "steps": 1, "batch_size": 2}
    first = outcome(run(project, name="mine", **options))
    with pytest.raises(VitFaceError, match=r"There is a model mine in .* already"):
        run(project, name="mine", **options)
    content = Path(first.model).read_bytes()
    run(project, name="mine", overwrite=True, seed=5, **options)
    assert Path(first.model).read_bytes() != content
    # Without a name, the project's is taken, then numbered.
    names = [outcome(run(project, output_dir=tmp_path, **options)).name for _ in range(3)]
    assert names == ["drawn", "drawn-2", "drawn-3"]
    assert (tmp_path / "drawn-2.safetensors").is_file()
    assert (tmp_path / "runs" / "drawn-2" / "report.html").is_file()
