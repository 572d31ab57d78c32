from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_vitface.errors import LabelError, VideoError
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.jobs.evaluate import evaluate
from napari_vitface.jobs.events import Event, Finished, Notice, Preparing, Progress, Started
from napari_vitface.jobs.results.evaluation import EvaluateResult
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.metrics import mean_pose, pck, pixel_errors, summary
from napari_vitface.record import from_plain, plain_data

KEYPOINTS = KeypointSet(("eye", "nose tip", "mouth"))
SIZE = (96, 128)
NAN = np.nan
CPU = {"device": "cpu", "precision": "fp32"}

Checkpoint = Callable[..., Path]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take longer than this small model does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def checkpoint(tiny_model: Path, tmp_path: Path) -> Checkpoint:
    """The tiny model with other words about its training."""

    def save(training: dict[str, Any], calibration: dict[str, Any] | None = None) -> Path:
        from napari_vitface.model.checkpoint import load_network, save_checkpoint

        network, preprocessing, _ = load_network(tiny_model)
        path = tmp_path / "trained.safetensors"
        save_checkpoint(path, network, preprocessing, training=training, calibration=calibration)
        return path

    return save


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    """40 images of noise, two sizes, with labels anywhere and some left out."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "labeled-data" / "cam1"
    folder.mkdir(parents=True)
    images = []
    for frame in range(40):
        height, width = SIZE if frame % 4 else (64, 200)
        image = Image.fromarray(rng.integers(0, 255, (height, width), dtype=np.uint8))
        image = image.resize((width // 8, height // 8)).resize((width, height))
        images.append(folder / f"img{frame:03d}.png")
        image.save(images[-1])
    xy = rng.uniform(0, 64, (40, 3, 2))
    xy[3, 1] = NAN
    xy[5] = NAN
    return Labels(KEYPOINTS, xy, tuple(images), np.array(["cam1"] * 40), np.arange(40), "someone")


def outcome(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Finished)
    return events[-1].result


def run(*arguments: Any, **options: Any) -> list[Event]:
    return list(evaluate(*arguments, **{**CPU, **options}))


def notices(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


def predictions(model: Path, labels: Labels) -> np.ndarray:
    """What the model finds in the images, asked for one by one."""
    from napari_vitface.model.checkpoint import load_model

    images = [np.asarray(Image.open(image)) for image in labels.images]
    return load_model(model, **CPU).predict_images(images)[0]


# --- figures --------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_model_s_points(tiny_model: Path, labels: Labels) -> None:
    events = run(tiny_model, labels)
    result = outcome(events)
    errors = pixel_errors(predictions(tiny_model, labels), labels.xy)
    expected = summary(errors)
    assert expected.points == 40 * 3 - 4
    found = {key: getattr(result, key) for key in vars(expected)}
    assert found == pytest.approx(vars(expected), abs=0.02)
    assert result.pck["20"] == pytest.approx(pck(errors, 20), abs=0.02)
    assert result.per_keypoint["mouth"].mean == pytest.approx(summary(errors[:, 2]).mean, abs=0.02)
    assert result.seed_rmse > 0
    assert result.seed_pck is None
    assert result.images == 40
    assert result.frames == {"cam1": list(range(40))}
    read = json.loads(json.dumps(plain_data(result), allow_nan=False))
    assert from_plain(EvaluateResult, read) == result


def test_a_model_that_is_right_has_no_error(tiny_model: Path, labels: Labels) -> None:
    right = Labels(KEYPOINTS, predictions(tiny_model, labels), *_rest(labels))
    result = outcome(run(tiny_model, right))
    assert result.points == 120
    assert result.mean < 0.02
    assert result.pck["2"] == 1
    assert result.seed_accuracy == 1


def test_progress_counts_the_images(tiny_model: Path, labels: Labels) -> None:
    events = run(tiny_model, labels)
    events = [event for event in events if not isinstance(event, Preparing)]
    assert isinstance(events[0], Started)
    assert events[0].total == 40
    assert events[0].settings.device == "cpu"
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done[-1] == 40
    assert done == sorted(done)


def test_keypoints_are_matched_by_name(tiny_model: Path, labels: Labels) -> None:
    whole = outcome(run(tiny_model, labels))
    other = Labels(KeypointSet(("mouth", "ear", "eye")), labels.xy[:, [2, 1, 0]], *_rest(labels))
    events = run(tiny_model, other)
    result = outcome(events)
    assert result.keypoints == ("eye", "mouth")
    for name in ("eye", "mouth"):
        assert result.per_keypoint[name] == whole.per_keypoint[name]
    said = " ".join(notices(events))
    assert "labelled but not found by the model: ear." in said
    assert "found by the model but not labelled: nose tip." in said


# --- the constant beside it -----------------------------------------------------------------------


def test_the_mean_pose_of_the_training_labels_is_judged_on_the_same_frames(
    checkpoint: Checkpoint, labels: Labels
) -> None:
    of_one_size = labels.take(labels.frames % 4 != 0)
    pose = mean_pose(of_one_size.xy)
    model = checkpoint({"mean_pose": pose.tolist(), "mean_pose_frame_size": list(SIZE)})
    events = run(model, of_one_size)
    result = outcome(events)
    errors = pixel_errors(pose, of_one_size.xy)
    assert result.mean_pose.mean == pytest.approx(summary(errors).mean)
    assert result.mean_pose.points == result.points
    assert not any("mean pose" in said for said in notices(events))


def test_the_mean_pose_is_scaled_to_the_size_of_each_frame(
    checkpoint: Checkpoint, labels: Labels
) -> None:
    pose = np.array([[9.5, 9.5], [19.5, 29.5], [0.5, 40.5]])
    model = checkpoint({"mean_pose": pose.tolist(), "mean_pose_frame_size": [48, 64]})
    sizes = np.array([SIZE if frame % 4 else (64, 200) for frame in range(40)])
    scaled = (pose + 0.5) * (sizes / [48, 64])[:, None, ::-1] - 0.5
    there = Labels(KEYPOINTS, scaled, *_rest(labels))
    assert outcome(run(model, there)).mean_pose.mean == pytest.approx(0, abs=1e-9)


def test_a_keypoint_that_was_never_labelled_in_training_is_missed_by_the_constant(
    checkpoint: Checkpoint, labels: Labels
) -> None:
    model = checkpoint(
        {"mean_pose": [[1, 2], [None, None], [3, 4]], "mean_pose_frame_size": list(SIZE)}
    )
    constant = outcome(run(model, labels)).mean_pose
    assert constant.missed == 38
    assert constant.per_keypoint["nose tip"].mean is None


def test_a_model_without_its_mean_pose_says_so(tiny_model: Path, labels: Labels) -> None:
    events = run(tiny_model, labels)
    assert outcome(events).mean_pose is None
    assert any("does not hold the mean pose" in said for said in notices(events))


def test_calibration_is_judged_at_the_radius_that_the_model_names(
    checkpoint: Checkpoint, tiny_model: Path, labels: Labels
) -> None:
    assert outcome(run(tiny_model, labels)).calibration_error is None
    # Always 0.5 sure of lying within 1000 px, which every point of these images does.
    model = checkpoint({}, {"x": [0.0, 1.0], "y": [0.5, 0.5], "radius": 1000})
    result = outcome(run(model, labels))
    assert result.calibration_error == pytest.approx(0.5)
    assert result.calibration_radius == 1000
    none = checkpoint({}, {"x": [0.0, 1.0], "y": [0.5, 0.5], "radius": None})
    assert outcome(run(none, labels)).calibration_error is None


def test_the_radius_follows_what_the_model_is_given(
    checkpoint: Checkpoint, tiny_model: Path, labels: Labels
) -> None:
    # Stated for frames half as large: 30 images in 40 are of SIZE.
    table = {"x": [0.0, 1.0], "y": [0.5, 0.5], "radius": 6, "frame_size": [48, 64]}
    result = outcome(run(checkpoint({}, table), labels))
    assert result.calibration_radius == pytest.approx(12)
    errors = result.calibration.confidence_bins[0]
    assert result.calibration_error == pytest.approx(abs(0.5 - errors.right))
    found = evaluate_errors(tiny_model, labels)
    # 48 x 64 is seen 1.25 times as large as it is, SIZE 0.625 times, 64 x 200 as 26 x 80.
    limits = np.where(np.arange(40) % 4, 12.0, 7.5 / np.mean([0.4, 26 / 64]))[:, None]
    judged = np.isfinite(found)
    assert errors.right == pytest.approx(np.mean((found <= limits)[judged]))


def evaluate_errors(model: Path, labels: Labels) -> np.ndarray:
    from napari_vitface.model.checkpoint import load_model

    network = load_model(model, device="cpu", precision="fp32")
    xy = [network.predict_images([np.asarray(Image.open(path))])[0][0] for path in labels.images]
    return pixel_errors(np.stack(xy), labels.xy)


# --- which frames ---------------------------------------------------------------------------------


def test_only_frames_that_training_kept_apart_are_judged(
    checkpoint: Checkpoint, labels: Labels
) -> None:
    for held in (
        {"video": "cam1", "frames": [30, 31, 35, 99]},
        [{"video": "cam1", "frames": [30, 31]}, {"video": "cam1", "frames": [35]}],
    ):
        model = checkpoint({"held_out": held})
        events = run(model, labels, held_out=True)
        result = outcome(events)
        assert result.frames == {"cam1": [30, 31, 35]}
        assert result.held_out is True
        expected = outcome(run(model, labels.take([30, 31, 35])))
        assert result.mean == pytest.approx(expected.mean, abs=1e-6)
        assert not any("was trained on" in said for said in notices(events))


def test_frames_that_were_perhaps_trained_on_are_told(
    checkpoint: Checkpoint, labels: Labels
) -> None:
    model = checkpoint({"held_out": {"video": "cam1", "frames": [30, 31]}})
    said = " ".join(notices(run(model, labels)))
    assert "38 of the 40 frames are of the recording cam1 that trained was trained on" in said
    model = checkpoint({"held_out": {"video": "cam1", "frames": [*range(39)]}})
    said = " ".join(notices(run(model, labels)))
    assert "1 of the 40 frames is of the recording cam1" in said
    other = checkpoint({"held_out": {"video": "cam9", "frames": [30, 31]}})
    assert "was trained on" not in " ".join(notices(run(other, labels)))


def test_frame_numbers_can_be_chosen(tiny_model: Path, labels: Labels) -> None:
    assert outcome(run(tiny_model, labels, frames=[4, 7, 99])).frames == {"cam1": [4, 7]}
    with pytest.raises(LabelError, match="None of the labelled frames was chosen"):
        run(tiny_model, labels, frames=[99])


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (None, "does not say which frames its training kept apart"),
        ({"video": "cam9", "frames": [1]}, r"none of the frames .* \(recording cam9\)"),
        ({"video": "cam1", "frames": [99]}, r"none of the frames .* \(recording cam1\)"),
    ],
)
def test_held_out_frames_that_are_not_there_get_one_sentence(
    checkpoint: Checkpoint, labels: Labels, held: Any, message: str
) -> None:
    model = checkpoint({"held_out": held} if held else {})
    with pytest.raises(LabelError, match=message):
        run(model, labels, held_out=True)


def test_the_bundled_model_is_as_good_on_unseen_real_frames_as_it_says(real_data: Path) -> None:
    from napari_vitface.model.checkpoint import find_model
    from napari_vitface.model.header import read_metadata

    training = read_metadata(find_model("mouse-face"))["training"]
    result = outcome(run("mouse-face", real_data / "mouse_face", held_out=True))
    assert result.points > 300
    assert result.missed == 0
    for figure in ("mean", "median"):
        stated = training["metrics"]["real"][figure]
        assert getattr(result, figure) == pytest.approx(stated, rel=0.02)
    assert result.median <= 6
    assert result.mean <= 0.75 * result.mean_pose.mean
    assert result.mean_pose.median > 6


# --- what cannot be judged ------------------------------------------------------------------------


def test_labels_that_share_nothing_with_the_model_get_one_sentence(
    tiny_model: Path, labels: Labels
) -> None:
    other = Labels(KeypointSet(("a", "b", "c")), labels.xy, *_rest(labels))
    with pytest.raises(LabelError, match=r"\(a, b, c\) and the model tiny \(eye, .* no keypoint"):
        run(tiny_model, other)


def test_frames_without_a_label_get_one_sentence(tiny_model: Path, labels: Labels) -> None:
    with pytest.raises(LabelError, match="No point is labelled in the chosen frames"):
        run(tiny_model, labels.take([5]))


def test_a_broken_image_is_named(tiny_model: Path, labels: Labels) -> None:
    labels.images[7].write_bytes(b"no image")
    with pytest.raises(VideoError, match=r"img007\.png"):
        run(tiny_model, labels)


def test_a_project_folder_is_judged(tiny_model: Path, labels: Labels, tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "cam1"
    rows = [
        ",".join([f"labeled-data,cam1,{image.name}", *(str(v) for v in xy.ravel())])
        for image, xy in zip(labels.images, labels.xy, strict=True)
    ]
    header = [
        "scorer,,," + ",".join(["A"] * 6),
        "bodyparts,,,eye,eye,nose tip,nose tip,mouth,mouth",
        "coords,,," + ",".join(["x", "y"] * 3),
    ]
    (folder / "CollectedData_A.csv").write_text("\n".join([*header, *rows]) + "\n")
    expected = outcome(run(tiny_model, labels))
    assert outcome(run(tiny_model, str(tmp_path))) == expected
    assert outcome(run(tiny_model, [str(folder)])) == expected


def test_closing_the_job_ends_it(tiny_model: Path, labels: Labels) -> None:
    job = evaluate(tiny_model, labels, **CPU)
    assert any(isinstance(event, Started) for event in job)
    job.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(job)


def _rest(labels: Labels) -> tuple[Any, ...]:
    return labels.images, labels.videos, labels.frames, labels.scorer
