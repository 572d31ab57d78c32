"""The models that ship find real and rendered faces; a constant or a broken crop does not pass."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks._heads import judging_heads
from benchmarks._real_recording import MISTAKES
from benchmarks._smaller import billions
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.predict import predict
from napari_vitface.model.calibrating import default_radius
from napari_vitface.model.checkpoint import bundled_models, load_model, load_network
from napari_vitface.model.header import read_metadata
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.pose.confidence import is_unsure
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.metrics import calibration_error, mean_pose, pixel_errors, summary
from napari_vitface.project.label_reading import read_labels
from napari_vitface.sample import random_face
from napari_vitface.sample.laboratory import random_face_elsewhere
from napari_vitface.video import VideoWriter, open_video

#: The models and the versions of their weights.
VERSIONS = {"mouse-face": "4", "mouse-face-fast": "1"}
SIZE = (288, 384)
#: Points and confidence of some images.
Found = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module", params=VERSIONS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> KeypointModel:
    return load_model(name, device="cpu")


@pytest.fixture(scope="module")
def labels(real_data: Path) -> Labels:
    labels = read_labels(real_data / "mouse_face")
    return labels.take(np.argsort(labels.frames))


@pytest.fixture(scope="module")
def held_out(labels: Labels, name: str) -> np.ndarray:
    """Which of the labelled frames the model was not trained on."""
    held = read_metadata(bundled_models()[name])["training"]["held_out"]
    return np.isin(labels.frames, held["frames"]) & (labels.videos == held["video"])


@pytest.fixture(scope="module")
def unseen(labels: Labels, held_out: np.ndarray) -> list[np.ndarray]:
    """The images of these frames."""
    return [open_video(image)[0] for image in np.array(labels.images)[held_out]]


@pytest.fixture(scope="module")
def found_in_unseen(model: KeypointModel, unseen: list[np.ndarray]) -> Found:
    return model.predict_images(unseen)


@functools.cache
def renderings(size: tuple[int, int]) -> tuple[list[np.ndarray], np.ndarray]:
    """40 new faces of a size (H, W), and where their points are."""
    # The scripts that trained the models drew their renderings with other seeds.
    faces = [random_face(np.random.default_rng(5_000_000 + i), size) for i in range(40)]
    return [image for image, _ in faces], np.stack([xy for _, xy in faces])


@functools.cache
def laboratories() -> tuple[list[np.ndarray], np.ndarray]:
    """The same of 40 faces, each in another laboratory."""
    # The scripts that trained and calibrated the models drew theirs with other seeds.
    faces = [random_face_elsewhere(np.random.default_rng(6_000_000 + i), SIZE) for i in range(40)]
    return [image for image, _ in faces], np.stack([xy for _, xy in faces])


@pytest.fixture(scope="module")
def rendered(model: KeypointModel) -> Callable[[tuple[int, int]], tuple[Found, np.ndarray]]:
    """What the model finds in `renderings` of a size, and where the points are."""

    @functools.cache
    def look(size: tuple[int, int]) -> tuple[Found, np.ndarray]:
        images, truth = renderings(size)
        return model.predict_images(images), truth

    return look


@pytest.fixture(scope="module")
def unseen_video(unseen: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """These frames as H.264 video, in the order of time."""
    path = tmp_path_factory.mktemp("real") / "cam1.mp4"
    with VideoWriter(path, size=unseen[0].shape[:2], frame_rate=30) as writer:
        for frame in unseen:
            writer.write(frame)
    return path


def good_on_real(errors: np.ndarray, constant: np.ndarray) -> bool:
    """What is promised on a block of time that the model never saw."""
    found, mean = summary(errors), summary(constant)
    assert found.points == mean.points > 300
    return found.missed == 0 and found.median <= 6.0 and found.mean <= 0.75 * mean.mean


def predicted(video: Path, folder: Path, model: str, **options: Any) -> np.ndarray:
    *_, last = predict(video, model, output_dir=folder, device="cpu", **options)
    assert isinstance(last, Finished)
    table = read_poses(last.result.h5)
    assert table.keypoints.names == MOUSE_FACE.names
    with h5py.File(last.result.h5) as file:
        made = json.loads(file.attrs["vitface"])
    version = read_metadata(bundled_models()[model])["training"]["version"]
    assert (made["model"], made["model_version"]) == (model, version) == (model, VERSIONS[model])
    return table.xy


def test_a_block_of_time_it_never_saw_predicted_from_video(
    unseen_video: Path, labels: Labels, held_out: np.ndarray, tmp_path: Path, name: str
) -> None:
    assert 25 <= held_out.sum() <= len(labels) / 3
    constant = pixel_errors(mean_pose(labels.xy[~held_out]), labels.xy[held_out])
    truth = labels.xy[held_out]

    whole = predicted(unseen_video, tmp_path, name)
    assert good_on_real(pixel_errors(whole, truth), constant)

    # The same judgement must fail a constant and a crop that cuts the face.
    assert not good_on_real(constant, constant)
    height, width = open_video(unseen_video).shape[1:3]
    broken = tmp_path / "crop"
    broken.mkdir()
    cropped = predicted(unseen_video, broken, name, crop=(0, 0, width // 2, height))
    assert not good_on_real(pixel_errors(cropped, truth), constant)


@pytest.mark.parametrize("size", [(480, 640), (240, 320)])
def test_new_renderings(rendered: Any, size: tuple[int, int]) -> None:
    (xy, confidence), truth = rendered(size)
    allowed = 0.02 * size[1]
    errors = pixel_errors(xy, truth)
    constant = pixel_errors(mean_pose(truth), truth)
    assert np.median(errors) <= allowed < np.median(constant)
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_faces_in_laboratories_it_never_saw(model: KeypointModel) -> None:
    images, truth = laboratories()
    eye = np.linalg.norm(truth[:, 1] - truth[:, 3], axis=-1)[:, None]

    xy, confidence = model.predict_images(images)

    errors = pixel_errors(xy, truth)
    constant = pixel_errors(mean_pose(truth), truth)
    assert np.median(errors / eye) <= 0.12 < 0.5 * np.median(constant / eye)
    # By a table fitted to real frames of one camera alone it would be 0.2 too sure.
    right = errors <= default_radius(SIZE)
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.1)


def test_heads_of_real_mice_that_it_never_saw(model: KeypointModel, real_data: Path) -> None:
    heads = list(judging_heads())
    truth = np.stack([head.xy for head in heads])

    xy, confidence = model.predict_images([head.image for head in heads])

    pixels = pixel_errors(xy, truth)
    errors = pixels / np.array([head.eye for head in heads])[:, None]
    judged = np.isfinite(errors)
    assert judged.sum() == 240
    assert np.median(errors[judged]) <= 0.15
    assert np.mean(errors[judged] > 0.5) <= 0.03
    # 1 % of the diagonal of what the model is given, whatever it was cut out of.
    right = pixels[judged] <= default_radius(heads[0].image.shape)
    assert calibration_error(confidence[judged], right) <= 0.12


def test_it_is_less_sure_where_it_is_wrong(rendered: Any) -> None:
    (xy, confidence), truth = rendered((240, 320))
    errors = pixel_errors(xy, truth)
    # Of each keypoint: how sure it is of one more than of another was calibrated on real frames.
    worst = errors > np.quantile(errors, 0.9, axis=0)
    assert confidence[worst].mean() < confidence[~worst].mean()


def test_they_are_small_enough_to_ship() -> None:
    assert set(bundled_models()) == set(VERSIONS)
    assert sum(path.stat().st_size for path in bundled_models().values()) <= 15_000_000


def test_the_faster_one_is_nearly_as_exact_in_a_third_of_the_operations() -> None:
    whole, fast = (load_network(bundled_models()[name])[0] for name in VERSIONS)
    assert billions(fast) <= billions(whole) / 3
    # What the files state is what is measured, see below.
    whole_errors, fast_errors = (
        read_metadata(bundled_models()[name])["training"]["metrics"]["real_without_mistakes"]
        for name in VERSIONS
    )
    assert whole_errors["points"] == fast_errors["points"] > 300
    assert fast_errors["mean"] <= whole_errors["mean"] + 0.5
    assert fast_errors["median"] <= whole_errors["median"] + 0.5


def test_its_file_says_what_it_is(name: str) -> None:
    training = read_metadata(bundled_models()[name])["training"]
    assert "MIT" in training["licence"]
    assert any("ViT_facemap" in entry for entry in training["citations"])
    assert any("Facemap:" in entry for entry in training["citations"])
    assert any("Direct Emotional Response Videos" in entry for entry in training["citations"])
    assert training["metrics"]["real"]["points"] > 300
    assert training["metrics"]["real"]["median"] <= 6
    assert len(training["held_out"]["frames"]) >= 25


def test_the_stated_accuracy_is_what_is_measured(
    found_in_unseen: Found, labels: Labels, held_out: np.ndarray, name: str
) -> None:
    metrics = read_metadata(bundled_models()[name])["training"]["metrics"]
    xy, _ = found_in_unseen
    errors = pixel_errors(xy, labels.xy[held_out])
    right = ~np.isin(labels.frames[held_out], MISTAKES)
    for case, judged in (("real", errors), ("real_without_mistakes", errors[right])):
        stated, measured = metrics[case], summary(judged)
        assert measured.points == stated["points"]
        assert measured.median == pytest.approx(stated["median"], abs=0.2)
        assert measured.mean == pytest.approx(stated["mean"], abs=0.3)


def test_its_confidence_is_the_share_of_points_within_the_radius(
    found_in_unseen: Found, labels: Labels, held_out: np.ndarray, name: str
) -> None:
    metadata = read_metadata(bundled_models()[name])
    # One table serves this recording and other laboratories, for which it is more cautious here.
    error, cautious = {"mouse-face": (0.05, 0.02), "mouse-face-fast": (0.06, 0.05)}[name]
    assert metadata["training"]["calibration_error"] <= error
    xy, confidence = found_in_unseen
    errors = pixel_errors(xy, labels.xy[held_out])
    judged = np.isfinite(errors)
    right = errors[judged] <= metadata["calibration"]["radius"]
    # The calibration was fitted on these frames: what is tested is that it is in the file and used.
    assert confidence[judged].mean() == pytest.approx(right.mean(), abs=cautious)


def test_it_is_unsure_where_there_is_no_face_in_side_view_and_only_there(
    model: KeypointModel, found_in_unseen: Found, real_data: Path
) -> None:
    treadmill = open_video(real_data / "videos" / "mirror_mouse.mp4")
    others = [treadmill[frame] for frame in (100, 400, 700)]
    clip = open_video(real_data / "der" / "ECO_3_000_M_300uA_0.mp4")
    others += [clip[frame] for frame in (5, 50)]
    assert not is_unsure(found_in_unseen[1][::8]).any()
    assert is_unsure(model.predict_images(others)[1]).all()
