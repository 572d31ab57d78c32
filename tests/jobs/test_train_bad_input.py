"""Labels and images that cannot be used: a sentence before or during, and the rest is used."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.jobs.events import Event, Finished, Notice
from napari_vitface.jobs.training.train import train

OPTIONS: dict[str, Any] = {
    "init": "scratch",
    "image_size": (64, 80),
    "timm_args": {"depth": 2, "embed_dim": 48, "num_heads": 3},
    "steps": 2,
    "batch_size": 4,
    "device": "cpu",
    "precision": "fp32",
}
NAMES = ("eye", "nose", "mouth")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Folder of twelve labelled images of noise."""
    from PIL import Image

    folder = tmp_path / "project" / "labeled-data" / "cam1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for row in range(12):
        Image.fromarray(rng.integers(0, 255, (96, 128), dtype=np.uint8)).save(
            folder / f"img{row:04d}.png"
        )
    return folder


@pytest.fixture
def xy() -> np.ndarray:
    return np.random.default_rng(1).uniform(10, 80, (12, 3, 2))


@pytest.fixture
def label(video: Path, labels_table: Callable[..., None]) -> Callable[[np.ndarray], Path]:
    def write(points: np.ndarray) -> Path:
        labels_table(video, NAMES, range(len(points)), points)
        return video.parent.parent

    return write


def notices(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Notice))


def outcome(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Finished)
    return events[-1].result


def run(project: Path, **options: Any) -> list[Event]:
    return list(train(project, **{**OPTIONS, **options}))


def test_too_few_frames(label: Callable[..., Path], xy: np.ndarray) -> None:
    with pytest.raises(LabelError, match="Only 3 frames are labelled; label at least 4"):
        run(label(xy[:3]))


def test_no_label_at_all(label: Callable[..., Path], xy: np.ndarray) -> None:
    with pytest.raises(LabelError, match="No point is labelled, so there is nothing to learn"):
        run(label(np.full_like(xy, np.nan)))


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="There is no file or folder"):
        run(tmp_path / "nothing")


def test_a_keypoint_that_is_never_labelled_is_left_out(
    label: Callable[..., Path], xy: np.ndarray
) -> None:
    xy[:, 1] = np.nan
    events = run(label(xy))
    assert "labelled in none of the 9 frames trained on: nose." in notices(events)
    result = outcome(events)
    assert result.keypoints == ("eye", "mouth")
    assert result.left_out == ("nose",)
    from napari_vitface.model.header import read_metadata

    names = read_metadata(result.model)["network"]["keypoints"]["names"]
    assert names == ["eye", "mouth"]


def test_a_keypoint_that_the_start_knows_is_kept_though_never_labelled(
    label: Callable[..., Path], xy: np.ndarray, tiny_model: Path
) -> None:
    project = label(xy)
    table = next(project.rglob("CollectedData_me.csv"))
    table.write_text(table.read_text().replace("nose", "nose tip"))
    xy[:, 0] = np.nan
    label(xy)
    table.write_text(table.read_text().replace("nose", "nose tip"))
    events = run(project, init=tiny_model, image_size=None, timm_args=None, quick=True)
    assert "kept as tiny knows it: eye." in notices(events)
    assert outcome(events).keypoints == ("eye", "nose tip", "mouth")


def test_labels_outside_of_their_image_are_named_and_left_out(
    label: Callable[..., Path], xy: np.ndarray
) -> None:
    xy[2, 0] = [500, 20]
    xy[3, 2] = [20, -4]
    events = run(label(xy))
    said = notices(events)
    assert "2 labels lie outside of their image and are left out" in said
    assert "eye in " in said
    assert "img0002.png" in said
    assert outcome(events).after.points == 9


def test_labels_outside_of_the_crop_are_left_out(
    label: Callable[..., Path], xy: np.ndarray
) -> None:
    xy[:, 0] = [5, 5]
    events = run(label(xy), crop=(8, 8, 100, 80))
    assert "12 labels lie outside of the crop" in notices(events)
    assert outcome(events).keypoints == ("nose", "mouth")


def test_unreadable_images_are_named_and_left_out(
    label: Callable[..., Path], xy: np.ndarray, video: Path
) -> None:
    (video / "img0004.png").write_bytes(b"no image")
    events = run(label(xy))
    assert "1 of the 12 labelled images cannot be read and is left out" in notices(events)
    assert "img0004.png" in notices(events)
    assert sum(vars(outcome(events).frames).values()) == 11
    for image in video.glob("*.png"):
        image.write_bytes(b"no image")
    with pytest.raises(LabelError, match="None of the 12 labelled images can be read"):
        run(video.parent.parent, name="none")


def test_a_missing_image_is_named(label: Callable[..., Path], xy: np.ndarray, video: Path) -> None:
    project = label(xy)
    (video / "img0004.png").unlink()
    with pytest.raises(LabelError, match=r"img0004\.png"):
        run(project)


def test_occluded_points_are_read_and_taught(
    label: Callable[..., Path], xy: np.ndarray, video: Path
) -> None:
    xy[:6, 1] = np.nan
    project = label(xy)
    columns = [f"{name},{axis}" for name in NAMES for axis in ("x", "y", "visible")]
    header = [
        "scorer,,," + ",".join(["me"] * 9),
        "bodyparts,,," + ",".join(column.split(",")[0] for column in columns),
        "coords,,," + ",".join(column.split(",")[1] for column in columns),
    ]
    rows = [
        f"labeled-data,cam1,img{row:04d}.png,1,1,2,{'7,8' if row else ','},1,1,1,2"
        for row in range(6)
    ]
    rows.append("labeled-data,cam1,img0012.png,3,4,1,,,1,,,0")
    shutil.copy(video / "img0011.png", video / "img0012.png")
    (video / "visibility_me.csv").write_text("\n".join([*header, *rows]) + "\n")
    from napari_vitface.jobs.training.labelled_data import Labelled, labelled
    from napari_vitface.project.label_reading import read_labels

    data = labelled(read_labels(project))
    # Of frame 12 nothing is said but that points are hidden in it.
    assert data.labels.frames.tolist() == list(range(13))
    assert data.occluded[12].tolist() == [True, True, False]
    data = Labelled(data.labels.take(np.arange(12)))
    assert data.occluded[:6].tolist() == [[False, True, False]] * 6
    assert not data.occluded[6:].any()
    assert not data.occluded[np.isfinite(data.labels.xy).all(axis=-1)].any()
    events = run(project)
    assert sum(vars(outcome(events).frames).values()) == 13
    assert outcome(events).after.points == 6


def test_pairs_marked_in_the_window_change_places_in_mirrored_frames(
    label: Callable[..., Path], xy: np.ndarray
) -> None:
    from napari_vitface.jobs.training.run import RunFiles
    from napari_vitface.jobs.training.setup import Setup
    from napari_vitface.jobs.training.training_loop import Training
    from napari_vitface.model.header import read_metadata
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.project import Project
    from napari_vitface.settings.training import TrainingSettings

    xy[3, 0] = np.nan
    folder = label(xy)
    project = Project.open(folder)
    project.change_keypoints(KeypointSet(project.keypoints.names, swaps=(("mouth", "eye"),)))

    # What a batch of a training in which every frame is mirrored, and nothing else, is made of.
    from napari_vitface.jobs.training.labelled_data import labelled
    from napari_vitface.project.label_reading import read_labels

    still = dict.fromkeys(("rotation", "scale", "translation", "erase", "blur", "noise"), 0.0)
    chosen = {key: value for key, value in OPTIONS.items() if key != "device"}
    options = TrainingSettings(**chosen, augmentation={**still, "flip": 1.0}, val="random:0.1")
    files = RunFiles.of("mirrored", folder / "vitface", flat=False)
    files.make()
    setup = Setup(files, options, "cpu")
    list(setup.prepare(labelled(read_labels(folder))))
    building = Training(setup, [])._build(False)
    try:
        while True:
            next(building)
    except StopIteration as built:
        batch = built.value.batches.at(1, 8)
    width = setup.preprocessing.input_size[1]
    originals = setup.frames.xy[:, [2, 1, 0]] * [-1, 1] + [width - 1, 0]
    for mirrored in batch.xy.numpy():
        near = [np.allclose(mirrored, one, atol=1e-3, equal_nan=True) for one in originals]
        assert sum(near) == 1

    result = outcome(run(folder, augmentation={"flip": 0.5}, name="stored"))
    keypoints = read_metadata(result.model)["network"]["keypoints"]
    assert keypoints["swaps"] == [["mouth", "eye"]]


def test_a_folder_that_cannot_be_written_to(
    label: Callable[..., Path], xy: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    from napari_vitface.errors import VitFaceError

    with pytest.raises(VitFaceError, match=r"cannot be made .*choose another output folder"):
        run(label(xy), output_dir=tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_curves_for_a_program_that_is_not_there_are_refused_before_anything_slow(
    label: Callable[..., Path], xy: np.ndarray, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vitface.errors import VitFaceError

    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(VitFaceError, match=f"{name} is not installed; install it"):
        run(label(xy), track=[name])


def test_tensorboard_gets_the_curves(label: Callable[..., Path], xy: np.ndarray) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = outcome(run(label(xy), track=["tensorboard"]))
    events = EventAccumulator(str(Path(result.run) / "tensorboard"))
    events.Reload()
    assert [point.step for point in events.Scalars("loss")] == [1, 2]
    assert [point.step for point in events.Scalars("held_out/median_error")] == [0, 1, 2]
